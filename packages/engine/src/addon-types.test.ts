import type { DType, TensorValue } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { compare, differs, floats, floatValues, round, tinyModel } from "../../../test/support/tiny-model.js";
import { convertToBfloat16, convertToHalf, OrtSession, type SessionOptions } from "./addon.js";
import { bfloat16Bits, bfloat16Value, halfBits, halfValue } from "./feeds/half.js";
import { plainStats } from "./testing/plain-stats.js";

const open = (model: Uint8Array, more: Partial<SessionOptions> = {}): Promise<OrtSession> =>
  OrtSession.create({ model, folder: "", threads: 2, optimization: "disabled", prepacking: false, switchCount: 1, slotCount: 0, ...more });

/** Float32 values by their bits: every exponent, NaN and infinities among them. */
function allKinds(count: number): Float32Array {
  let state = 7;
  const bits = Uint32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  });
  bits.set([0x7f7f7fff, 0x7f7f8000, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x8000, 0x8001, 0x7f8000, 0, 0x80000000]);
  return new Float32Array(bits.buffer);
}
const largestBfloat16 = (2 - 2 ** -7) * 2 ** 127;
const keptFinite = (x: number, largest: number): number => (Number.isFinite(x) ? Math.max(-largest, Math.min(largest, x)) : x);
const bfloat16Of = (x: number): number => bfloat16Value(bfloat16Bits(x));

describe("bfloat16", () => {
  test("is what switches 3 and 4 round to", async () => {
    const values = allKinds(70_001);
    const dims = [values.length];
    const model = tinyModel({ inputs: [{ name: "x", dims }], outputs: [{ name: "y", dims }], nodes: [round("x", "y", 0)] });
    await using session = await open(model);
    session.setFeed("x", floats(values));
    const at = async (position: number) =>
      floatValues((await session.run({ switches: Uint8Array.of(position), fetch: ["y"] })).outputs.get("y"));
    expect(await at(3)).toEqual(values.map(bfloat16Of));
    expect(await at(4)).toEqual(values.map((x) => bfloat16Of(keptFinite(x, largestBfloat16))));
    expect(await at(0)).toEqual(values);
  });

  test("is written with counts of what was lost", async () => {
    const values = allKinds(300_001);
    const rounded = values.map(bfloat16Of);
    const count = (is: (x: number, b: number) => boolean) => values.filter((x, i) => is(x, rounded[i] ?? 0)).length;
    const { bfloat16, ...losses } = await convertToBfloat16(floats(values).data, false);
    expect(losses).toEqual({
      overflowed: count((x, b) => Number.isFinite(x) && Math.abs(b) === Number.POSITIVE_INFINITY),
      flushed: count((x, b) => x !== 0 && b === 0),
      subnormal: count((_, b) => b !== 0 && Math.abs(b) < 2 ** -126),
      nan: count(Number.isNaN),
      inf: count((x) => Math.abs(x) === Number.POSITIVE_INFINITY),
    });
    const read = (bytes: Uint8Array) => Float32Array.from(new Uint16Array(bytes.slice().buffer), bfloat16Value);
    expect(read(bfloat16)).toEqual(rounded);
    const finite = await convertToBfloat16(floats(values).data, true);
    expect(read(finite.bfloat16)).toEqual(values.map((x) => bfloat16Of(keptFinite(x, largestBfloat16))));
    expect({ ...finite, bfloat16: undefined }).toEqual({ ...losses, bfloat16: undefined });
    await expect(convertToBfloat16(new Uint8Array(3), true)).rejects.toMatchObject({ code: "ERR_OPTION" });
  });
});

const tensor = (dtype: DType, values: ArrayBufferView, dims: readonly number[]): TensorValue => ({
  dtype,
  dims,
  data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
});

/** Compares two feeds of one type. */
async function compared(operator: typeof compare, reference: TensorValue, candidate: TensorValue) {
  const signature = (name: string, t: TensorValue) => ({ name, dtype: t.dtype, dims: t.dims.map((_, i) => `${name}${i}`) });
  const made = operator("r", "c", 0);
  const model = tinyModel({
    inputs: [signature("r", reference), signature("c", candidate)],
    outputs: [{ name: made.output?.[0] ?? "", dims: [1] }],
    nodes: [made],
  });
  await using session = await open(model, { slotCount: 1, decisionCount: 1 });
  session.setFeed("r", reference);
  session.setFeed("c", candidate);
  return await session.run();
}

describe("Compare", () => {
  const values = allKinds(70_001);
  const others = values.map((x, i) => (i % 3 === 0 ? x : x * (1 + 2 ** -5)));
  const sums = ["sumAbs", "sumSquaredError", "sumSquaredReference", "sumUlp"] as const;

  test.each([
    ["float16", halfBits, halfValue],
    ["bfloat16", bfloat16Bits, bfloat16Value],
  ] as const)("of %s gives the figures of the values", async (dtype, bitsOf, numberOf) => {
    const [r, c] = [values, others].map((side) => Uint16Array.from(side, bitsOf)) as [Uint16Array, Uint16Array];
    const { stats } = await compared(compare, tensor(dtype, r, [r.length]), tensor(dtype, c, [c.length]));
    const expected = plainStats(Float32Array.from(r, numberOf), Float32Array.from(c, numberOf));
    const got = stats[0];
    for (const sum of sums) expect(Math.abs((got?.[sum] ?? 0) - expected[sum])).toBeLessThanOrEqual(1e-12 * expected[sum]);
    expect(got).toMatchObject({ ...expected, ...Object.fromEntries(sums.map((s) => [s, got?.[s]])) });
  });

  test("of float64 sees what float32 would hide", async () => {
    const r = Float64Array.of(1, 1e300, 3, -1e39);
    const c = Float64Array.of(1 + 2 ** -40, 1e300, 3, Number.NEGATIVE_INFINITY);
    const { stats } = await compared(compare, tensor("float64", r, [2, 2]), tensor("float64", c, [2, 2]));
    expect(stats[0]).toMatchObject({
      count: 4,
      maxAbs: 2 ** -40,
      maxIndex: 0,
      maxUlp: 2 ** -30,
      overflowed: 1,
      nonFiniteMismatch: 1,
      infReference: 0,
      maxReferenceValue: 1e300,
      minReference: -1e39,
    });
  });

  test("of anything but floats is refused with the slot", async () => {
    const integers = tensor("int32", Int32Array.of(1), [1]);
    await expect(compared(compare, integers, integers)).rejects.toMatchObject({
      code: "ERR_ENGINE_RUN",
      message: expect.stringMatching(/slot 0/),
    });
  });
});

describe("Differs", () => {
  const kinds = [
    ["int8", Int8Array.of(1, -128, 3), Int8Array.of(1, 127, 4)],
    ["uint8", Uint8Array.of(1, 255, 3), Uint8Array.of(1, 254, 4)],
    ["int16", Int16Array.of(1, -32768, 3), Int16Array.of(1, 2, 4)],
    ["uint16", Uint16Array.of(1, 65535, 3), Uint16Array.of(1, 0, 4)],
    ["int32", Int32Array.of(1, -(2 ** 31), 3), Int32Array.of(1, 5, 4)],
    ["uint32", Uint32Array.of(1, 2 ** 32 - 1, 3), Uint32Array.of(1, 5, 4)],
    ["int64", BigInt64Array.of(1n, -(2n ** 53n), 3n), BigInt64Array.of(1n, 2n ** 53n, 4n)],
    ["uint64", BigUint64Array.of(1n, 2n ** 63n, 3n), BigUint64Array.of(1n, 5n, 4n)],
    ["bool", Uint8Array.of(1, 1, 0), Uint8Array.of(1, 0, 1)],
  ] as const;
  test.each(kinds)("of %s counts what turned and shows the first", async (dtype, r, c) => {
    const { decisions } = await compared(differs, tensor(dtype, r, [3]), tensor(dtype, c, [3]));
    const first = { firstIndex: 1, reference: Number(r[1]), candidate: Number(c[1]) };
    expect(decisions).toEqual([{ count: 3, differing: 2, ...first, shapeMismatches: 0, executions: 1 }]);
    const same = await compared(differs, tensor(dtype, r, [3]), tensor(dtype, r, [3]));
    expect(same.decisions[0]).toMatchObject({ count: 3, differing: 0, firstIndex: -1 });
  });

  test("of two shapes with one count of elements pairs nothing", async () => {
    const { decisions } = await compared(differs, tensor("int8", Int8Array.of(1, 2), [1, 2]), tensor("int8", Int8Array.of(1, 2), [2, 1]));
    expect(decisions[0]).toMatchObject({ count: 2, differing: 2, firstIndex: -1, shapeMismatches: 1 });
  });

  test("of floats is refused with the slot", async () => {
    const one = floats(Float32Array.of(1));
    await expect(compared(differs, one, one)).rejects.toMatchObject({ code: "ERR_ENGINE_RUN", message: expect.stringMatching(/slot 0/) });
  });
});

test("convertToHalf and convertToBfloat16 agree on what both can hold", async () => {
  const values = Float32Array.of(1, -2.5, 0, 96);
  const { half } = await convertToHalf(floats(values).data, false);
  const { bfloat16 } = await convertToBfloat16(floats(values).data, false);
  const asNumbers = (bytes: Uint8Array, numberOf: (bits: number) => number) => [...new Uint16Array(bytes.slice().buffer)].map(numberOf);
  expect(asNumbers(half, halfValue)).toEqual(asNumbers(bfloat16, bfloat16Value));
});
