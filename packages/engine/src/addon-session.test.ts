import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { compare, floats, floatValues, int64s, node, round, tinyModel } from "../../../test/support/tiny-model.js";
import { OrtSession, type SessionOptions } from "./addon.js";
import { plainStats } from "./testing/plain-stats.js";

const open = (model: Uint8Array, more: Partial<SessionOptions> = {}): Promise<OrtSession> =>
  OrtSession.create({
    model,
    folder: "",
    threads: 2,
    optimization: "basic",
    prepacking: false,
    switchCount: 4,
    slotCount: 0,
    ...more,
  });
const on = (...indices: number[]): Uint8Array => Uint8Array.from({ length: 4 }, (_, i) => (indices.includes(i) ? 1 : 0));
const wave = (count: number, scale = 1): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.37) * scale);
/** x as FP16 sees it: by the float32 arithmetic of adding and removing a large number would not do subnormals, so by ONNX Runtime's Cast. */
async function castPair(values: Float32Array): Promise<Float32Array> {
  const model = tinyModel({
    inputs: [{ name: "x", dims: ["n"] }],
    outputs: [{ name: "y", dims: ["n"] }],
    nodes: [node("Cast", ["x"], ["h"], { to: 10 }), node("Cast", ["h"], ["y"], { to: 1 })],
  });
  await using session = await open(model, { optimization: "disabled" });
  session.setFeed("x", floats(values));
  const { outputs } = await session.run({ fetch: ["y"] });
  return floatValues(outputs.get("y"));
}
const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);

describe("Round", () => {
  test("equals a Cast to FP16 and back, bit for bit, in every size and with all switches off changes nothing", async () => {
    for (const dims of [["n"], [300_001]]) {
      const model = tinyModel({
        inputs: [{ name: "x", dims }],
        outputs: [{ name: "y", dims }],
        nodes: [node("Neg", ["x"], ["n"]), round("n", "r", 2), node("Neg", ["r"], ["y"])],
      });
      await using session = await open(model);
      for (const count of typeof dims[0] === "string" ? [1, 9, 1000] : [300_001]) {
        const values = Float32Array.from(wave(count), (x, i) => x * 2 ** ((i % 45) - 26));
        session.setFeed("x", floats(values));
        const off = await session.run({ fetch: ["y"] });
        expect(bits(floatValues(off.outputs.get("y")))).toEqual(bits(values));
        const rounded = await session.run({ switches: on(2), fetch: ["y"] });
        expect(bits(floatValues(rounded.outputs.get("y")))).toEqual(bits(await castPair(values)));
      }
    }
  });

  test("keeps finite values finite at position 2, infinite ones infinite, and NaN a NaN", async () => {
    const model = tinyModel({
      inputs: [{ name: "x", dims: [4] }],
      outputs: [{ name: "y", dims: [4] }],
      nodes: [round("x", "y", 0)],
    });
    await using session = await open(model);
    session.setFeed("x", floats(Float32Array.of(1e9, -65520, Number.NEGATIVE_INFINITY, Number.NaN)));
    const { outputs } = await session.run({ switches: Uint8Array.of(2, 0, 0, 0), fetch: ["y"] });
    expect([...floatValues(outputs.get("y"))]).toEqual([65504, -65504, Number.NEGATIVE_INFINITY, Number.NaN]);
    const overflowing = await session.run({ switches: on(0), fetch: ["y"] });
    expect([...floatValues(overflowing.outputs.get("y"))].slice(0, 2)).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  });

  test("takes scalars and empty tensors", async () => {
    const model = tinyModel({
      inputs: [
        { name: "s", dims: [] },
        { name: "e", dims: ["n"] },
      ],
      outputs: [
        { name: "ys", dims: [] },
        { name: "ye", dims: ["n"] },
      ],
      nodes: [round("s", "ys", 0, 1), round("e", "ye", 0)],
    });
    await using session = await open(model);
    session.setFeed("s", floats(Float32Array.of(1.0001), []));
    session.setFeed("e", floats(new Float32Array(0)));
    const { outputs } = await session.run({ switches: on(0), fetch: ["ys", "ye"] });
    expect(floatValues(outputs.get("ys"))[0]).toBe(1);
    expect(outputs.get("ys")?.dims).toEqual([]);
    expect(outputs.get("ye")).toMatchObject({ dims: [0], data: new Uint8Array(0) });
  });

  const scaled = [node("Cast", ["i"], ["f"], { to: 1 }), node("Mul", ["f", "c"], ["x"])];
  const constants = {
    c: { dims: [], values: Float32Array.of(0.1) },
    flat: { dims: [1], values: BigInt64Array.of(-1n) },
    table: { dims: [256], values: wave(256, 25) },
    square: { dims: [2], values: BigInt64Array.of(16n, 16n) },
  };
  // Each y is "exact minus rounded": it must be zero when off, and the rounding error of the very values, never 0, when on.
  const hazards = {
    "a tensor that has another consumer": { x: "i", nodes: [...scaled, round("x", "r", 0), node("Sub", ["x", "r"], ["y"])] },
    "a Reshape of a tensor that has another consumer": {
      x: "i",
      nodes: [...scaled, node("Reshape", ["x", "flat"], ["q"]), round("q", "r", 0), node("Sub", ["x", "r"], ["y"])],
    },
    "one of two equal nodes that could be merged": {
      x: "i",
      nodes: [...scaled, node("Mul", ["f", "c"], ["x2"]), round("x2", "r", 0), node("Sub", ["x", "r"], ["y"])],
    },
    "an initializer": { x: "table", nodes: [round("table", "r", 0), node("Sub", ["table", "r"], ["y"])] },
    "a Reshape of an initializer": {
      x: "table",
      nodes: [
        node("Reshape", ["table", "square"], ["q"]),
        round("q", "r", 0),
        node("Reshape", ["r", "flat"], ["r1"]),
        node("Sub", ["table", "r1"], ["y"]),
      ],
    },
    "a feed": { x: "w", nodes: [round("w", "r", 0), node("Sub", ["w", "r"], ["y"])] },
    "a Reshape of a feed": {
      x: "w",
      nodes: [
        node("Reshape", ["w", "square"], ["q"]),
        round("q", "r", 0),
        node("Reshape", ["r", "flat"], ["r1"]),
        node("Sub", ["w", "r1"], ["y"]),
      ],
    },
  };
  test.each(Object.entries(hazards))("of %s leaves the original alone", async (_, { x, nodes }) => {
    for (const optimization of ["disabled", "basic"] as const) {
      const model = tinyModel({
        inputs: [
          { name: "i", dtype: "int64", dims: [256] },
          { name: "w", dims: [256] },
        ],
        outputs: [{ name: "y", dims: [256] }],
        nodes,
        constants,
      });
      await using session = await open(model, { optimization });
      const integers = Array.from({ length: 256 }, (_unused, i) => (i * 7919) % 30_000);
      session.setFeed("i", int64s(integers));
      session.setFeed("w", floats(wave(256, 25)));
      const exact = x === "i" ? Float32Array.from(integers, (i) => i * Math.fround(0.1)) : wave(256, 25);
      const rounded = await castPair(exact);
      const error = exact.map((value, i) => value - (rounded[i] ?? 0));
      expect(error.some((e) => e !== 0)).toBe(true);
      for (const switches of [on(), on(0), on(), on(0)]) {
        const { outputs } = await session.run({ switches, fetch: ["y"] });
        expect(floatValues(outputs.get("y"))).toEqual(switches[0] === 0 ? new Float32Array(256) : error);
      }
    }
  });
});

describe("Compare", () => {
  const pair = tinyModel({
    inputs: [{ name: "x", dims: [3, "n"] }],
    outputs: [
      { name: "y", dims: [3, "n"] },
      { name: "1#cmp", dims: [1] },
      { name: "0#cmp", dims: [1] },
    ],
    nodes: [
      node("Neg", ["x"], ["a"]),
      node("Neg", ["x"], ["b"]),
      round("b", "rb", 0),
      node("Exp", ["a"], ["ea"]),
      node("Exp", ["rb"], ["eb"]),
      round("eb", "y", 1),
      compare("ea", "y", 1),
      compare("a", "rb", 0),
    ],
  });

  test("collects what the plain twin computes, whatever the number of threads", async () => {
    const values = wave(3 * 70_001, 3);
    const results = [];
    for (const threads of [1, 2]) {
      await using session = await open(pair, { threads, slotCount: 3 });
      session.setFeed("x", floats(values, [3, 70_001]));
      const run = await session.run({ switches: on(0) });
      expect(run.executed).toEqual([true, true, false]);
      expect(session.comparesDone()).toBe(2);
      results.push(run.stats);
      const negated = values.map((v) => -v);
      const { sumAbs, sumSquaredError, sumSquaredReference, sumUlp, ...exact } = plainStats(negated, await castPair(negated));
      expect(run.stats[0]).toMatchObject(exact);
      expect(run.stats[0]?.sumSquaredError).toBeCloseTo(sumSquaredError, 12);
      expect(run.stats[0]?.sumAbs).toBeCloseTo(sumAbs, 9);
      expect(run.stats[0]?.sumSquaredReference).toBeCloseTo(sumSquaredReference, 5);
      expect(run.stats[0]?.sumUlp).toBeCloseTo(sumUlp, 6);
    }
    expect(results[0]).toEqual(results[1]);
  });

  test("is exactly zero with all switches off, also right after a run with all on", async () => {
    await using session = await open(pair, { slotCount: 2 });
    session.setFeed("x", floats(wave(3000), [3, 1000]));
    expect((await session.run({ switches: on(0, 1) })).stats[1]?.maxAbs).toBeGreaterThan(0);
    for (const stats of (await session.run()).stats) expect(stats).toMatchObject({ count: 3000, maxAbs: 0, sumAbs: 0 });
  });

  test("changes no bit of the outputs", async () => {
    const bare = tinyModel({
      inputs: [{ name: "x", dims: [3, "n"] }],
      outputs: [{ name: "y", dims: [3, "n"] }],
      nodes: [node("Neg", ["x"], ["b"]), node("Exp", ["b"], ["y"])],
    });
    await using observed = await open(pair, { slotCount: 2 });
    await using plain = await open(bare);
    const got = [];
    for (const session of [observed, plain]) {
      session.setFeed("x", floats(wave(3000), [3, 1000]));
      got.push((await session.run({ fetch: ["y"] })).outputs.get("y")?.data);
    }
    expect(got[0]).toEqual(got[1]);
  });

  test("of tensors with different element counts can never pass", async () => {
    const model = tinyModel({
      inputs: [
        { name: "a", dims: ["n"] },
        { name: "b", dims: ["m"] },
      ],
      outputs: [{ name: "0#cmp", dims: [1] }],
      nodes: [compare("a", "b", 0)],
    });
    await using session = await open(model, { slotCount: 1 });
    session.setFeed("a", floats(new Float32Array(3)));
    session.setFeed("b", floats(new Float32Array(4)));
    const run = await session.run();
    expect(run.stats[0]).toMatchObject({ count: 4, nonFiniteMismatch: 4 });
    expect(run.executions[0]).toMatchObject({ count: 1, shapeMismatches: 1, worst: 0 });
  });
});

describe("outputs with a reference", () => {
  const model = tinyModel({
    inputs: [{ name: "x", dims: [1000] }],
    outputs: [{ name: "y", dims: [1000] }],
    nodes: [round("x", "y", 0)],
  });

  test("are compared natively, when asked", async () => {
    await using session = await open(model);
    const values = wave(1000, 10);
    session.setFeed("x", floats(values));
    session.setReference("y", floats(values));
    const { outputStats, outputs } = await session.run({ switches: on(0), compareOutputs: true });
    expect(outputs.size).toBe(0);
    const expected = plainStats(values, await castPair(values));
    expect(outputStats.get("y")).toMatchObject({ maxAbs: expected.maxAbs, maxIndex: expected.maxIndex, exponents: expected.exponents });
    expect((await session.run({ fetch: ["y"] })).outputStats.size).toBe(0);
  });

  test("of another shape fail the run", async () => {
    await using session = await open(model);
    session.setFeed("x", floats(wave(1000)));
    session.setReference("y", floats(wave(999)));
    await expect(session.run({ compareOutputs: true })).rejects.toMatchObject({ code: "ERR_ENGINE_RUN" });
  });
});

describe("weights as inputs", () => {
  const folder = mkdtempSync(join(tmpdir(), "halfscope-weights-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "weights.bin");
  const first = wave(2000, 1e5);
  const second = wave(500, 3);
  writeFileSync(path, Buffer.concat([Buffer.from("odd"), floats(first).data, floats(second).data]));
  const model = tinyModel({
    inputs: [
      { name: "w", dims: [4, 500] },
      { name: "v", dims: [500] },
    ],
    outputs: [{ name: "y", dims: [4, 500] }],
    nodes: [node("Sub", ["w", "v"], ["y"])],
  });
  const weights = [
    { name: "w", path, offset: 3, lengthBytes: 8000, dims: [4, 500], switch: 1 },
    { name: "v", path, offset: 8003, lengthBytes: 2000, dims: [500], switch: -1 },
  ];

  test("are read from the file at any offset, rounded while their switch is on, and as before afterwards", async () => {
    await using session = await open(model, { weights });
    const finite = (await castPair(first)).map((x, i) => (Number.isFinite(x) ? x : Math.sign(first[i] ?? 0) * 65504));
    for (const [position, values] of [
      [0, first],
      [1, await castPair(first)],
      [2, finite],
      [0, first],
    ] as const) {
      const { outputs } = await session.run({ switches: Uint8Array.of(0, position, 0, 0), fetch: ["y"] });
      expect(floatValues(outputs.get("y"))).toEqual(values.map((x, i) => x - (second[i % 500] ?? 0)));
    }
  });

  test("that the file does not hold are a build error", async () => {
    const bad = (change: object) => open(model, { weights: weights.map((w) => ({ ...w, ...change })) });
    await expect(bad({ offset: 9000 })).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD" });
    await expect(bad({ dims: [3, 3] })).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD" });
    await expect(bad({ path: join(folder, "missing") })).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD" });
    await expect(bad({ switch: 4 })).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD" });
    await expect(bad({ name: "nobody" })).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD" });
  });
});
