import type { ErrorStats, TensorValue } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { floats, floatValues } from "../../../test/support/tiny-model.js";
import { addonInfo, compareTensors, convertFromHalf, convertToHalf, memoryUsage } from "./addon.js";
import { elementsOf, tensorOf } from "./feeds/elements.js";
import { plainStats } from "./testing/plain-stats.js";

/** Deterministic numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const specials = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e-6, -3e-8, 1e-40, 65504, 70000];

function randomPair(count: number, specialShare: number, seed: number): [Float32Array, Float32Array] {
  const random = generator(seed);
  const value = (usual: number) => (random() < specialShare ? (specials[Math.floor(random() * specials.length)] ?? 0) : usual);
  const reference = new Float32Array(count);
  const candidate = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const usual = (random() * 2 - 1) * 2 ** (random() * 38 - 20);
    reference[i] = value(usual);
    candidate[i] = value(usual * (1 + (random() - 0.5) * 2e-3));
  }
  return [reference, candidate];
}

const sums = ["sumAbs", "sumSquaredError", "sumSquaredReference", "sumUlp"] as const;

/** All figures equal; sums up to the order of adding. */
function expectSameStats(actual: ErrorStats, expected: ErrorStats): void {
  for (const field of sums) expect(Math.abs(actual[field] - expected[field])).toBeLessThanOrEqual(1e-12 * Math.abs(expected[field]));
  const withoutSums = (s: ErrorStats) => ({ ...s, ...Object.fromEntries(sums.map((field) => [field, 0])) });
  expect(withoutSums(actual)).toEqual(withoutSums(expected));
}

describe("statistics", () => {
  test.each([0, 1, 7, 8, 9, 1025, 65536, 65537, 200_003])("of %i pairs equal the plain TypeScript twin", async (count) => {
    for (const share of [0, 0.01, 0.5, 1]) {
      const [reference, candidate] = randomPair(count, share, count + share * 100);
      expectSameStats(await compareTensors(floats(reference), floats(candidate)), plainStats(reference, candidate));
    }
  });

  test("of a tensor with itself are exactly zero", async () => {
    const [reference] = randomPair(10_000, 0, 3);
    const stats = await compareTensors(floats(reference), floats(reference));
    expect(stats).toMatchObject({ maxAbs: 0, sumAbs: 0, sumSquaredError: 0, maxUlp: 0, nonFiniteMismatch: 0, maxIndex: 0 });
  });

  test("read tensors at odd byte offsets", async () => {
    const [reference, candidate] = randomPair(1001, 0.1, 4);
    const odd = new Uint8Array(reference.byteLength + 1);
    odd.set(floats(reference).data, 1);
    const shifted = { ...floats(reference), data: odd.subarray(1) };
    expect(await compareTensors(shifted, floats(candidate))).toEqual(await compareTensors(floats(reference), floats(candidate)));
  });

  const narrow = (dtype: "float16" | "bfloat16" | "float64", values: Float32Array): { tensor: TensorValue; values: Float32Array } => {
    const tensor = tensorOf(dtype, [values.length], values);
    return { tensor, values: Float32Array.from(elementsOf(tensor) as Float32Array) };
  };
  test.each(["float16", "bfloat16", "float64"] as const)(
    "of an FP32 reference and a candidate in %s are those of the values",
    async (dtype) => {
      for (const count of [1, 2049, 200_003]) {
        const [reference, usual] = randomPair(count, 0.02, count);
        const candidate = narrow(dtype, usual);
        expectSameStats(await compareTensors(floats(reference), candidate.tensor), plainStats(reference, candidate.values));
        expectSameStats(await compareTensors(candidate.tensor, floats(reference)), plainStats(candidate.values, reference));
        const other = narrow("float16", reference);
        expectSameStats(await compareTensors(other.tensor, candidate.tensor), plainStats(other.values, candidate.values));
      }
    },
  );

  test("of a candidate in FP64 see what FP32 would hide", async () => {
    const candidate = tensorOf("float64", [2], [1 + 2 ** -40, 1e300]);
    expect(await compareTensors(floats(Float32Array.of(1, 2)), candidate)).toMatchObject({
      maxAbs: 1e300,
      maxCandidate: 1e300,
      infCandidate: 0,
    });
    expect(await compareTensors(floats(Float32Array.of(1)), { ...candidate, data: candidate.data.slice(0, 8) })).toMatchObject({
      maxAbs: 2 ** -40,
    });
  });

  test("of tensors that differ in size, or hold no floats, are refused", async () => {
    const a = floats(new Float32Array(4));
    await expect(compareTensors(a, { ...a, dtype: "int32" })).rejects.toMatchObject({ code: "ERR_OPTION" });
    await expect(compareTensors(a, floats(new Float32Array(5)))).rejects.toMatchObject({ code: "ERR_OPTION" });
    await expect(compareTensors(a, { ...a, dtype: "float64" })).rejects.toMatchObject({ code: "ERR_OPTION" });
  });
});

describe("conversion to FP16", () => {
  test("writes nearest values and counts what was lost", async () => {
    const values = Float32Array.of(1, -0, 65519.996, 65520, -1e9, 2 ** -25, 2 ** -24, Number.NaN, Number.NEGATIVE_INFINITY, 1 + 2 ** -11);
    const { half, ...counts } = await convertToHalf(floats(values).data, false);
    expect(counts).toEqual({ overflowed: 2, flushed: 1, subnormal: 1, nan: 1, inf: 1 });
    expect([...new Uint16Array(half.slice().buffer)]).toEqual([0x3c00, 0x8000, 0x7bff, 0x7c00, 0xfc00, 0, 1, 0x7e00, 0xfc00, 0x3c00]);
    const finite = await convertToHalf(floats(values).data, true);
    expect([...new Uint16Array(finite.half.slice().buffer).subarray(2, 5)]).toEqual([0x7bff, 0x7bff, 0xfbff]);
  });

  test("and back keeps every half", async () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const wide = await convertFromHalf(new Uint8Array(halves.buffer));
    const { half } = await convertToHalf(wide, false);
    const back = new Uint16Array(half.slice().buffer);
    const isNan = (h: number) => (h & 0x7c00) === 0x7c00 && (h & 0x3ff) !== 0;
    expect(halves.filter((h, i) => !isNan(h) && back[i] !== h)).toHaveLength(0);
    expect(floatValues({ dtype: "float32", dims: [], data: wide }).filter(Number.isNaN)).toHaveLength(2046);
  });

  test("refuses half a number", async () => {
    await expect(convertToHalf(new Uint8Array(5), false)).rejects.toMatchObject({ code: "ERR_OPTION" });
    await expect(convertFromHalf(new Uint8Array(5))).rejects.toMatchObject({ code: "ERR_OPTION" });
  });
});

test("the addon says what it runs on", () => {
  const info = addonInfo();
  expect(info.onnxruntimeVersion).toMatch(/^1\.\d+/);
  expect(info.providers).toContain("CPUExecutionProvider");
  expect(["scalar", "avx2", "avx512"]).toContain(info.instructionSet);
  if (process.platform === "linux") expect(memoryUsage().rssAnonBytes).toBeGreaterThan(1e6);
});
