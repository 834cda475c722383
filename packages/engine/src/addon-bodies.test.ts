import { mergeStats, relativeL2 } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { compare, differs, floats, floatValues, graph, int64s, node, round, tinyModel } from "../../../test/support/tiny-model.js";
import { OrtSession, type RunResult, type SessionOptions } from "./addon.js";
import { plainStats } from "./testing/plain-stats.js";

const open = (model: Uint8Array, more: Partial<SessionOptions> = {}): Promise<OrtSession> =>
  OrtSession.create({ model, folder: "", threads: 2, optimization: "disabled", prepacking: false, switchCount: 1, slotCount: 2, ...more });
const on = Uint8Array.of(1);
/** To FP16 and back. Values of these tests are powers of two, or far from ties. */
const rounded = (x: number): number => {
  if (Math.abs(x) >= 65520) return Math.sign(x) * Number.POSITIVE_INFINITY;
  const unit = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -14) - 10);
  return x === 0 ? 0 : Math.round(x / unit) * unit;
};

/**
 * A loop that multiplies by `factor` in each iteration, on the reference's side and, rounded, on the candidate's. Its Compare and Differs have no reader.
 * Fed: `n` iterations, the first state twice.
 */
function loopModel(factor: number, dims: readonly (string | number)[] = [3]): Uint8Array {
  const body = graph({
    inputs: [
      { name: "i", dtype: "int64", dims: [] },
      { name: "going", dtype: "bool", dims: [] },
      { name: "r", dims },
      { name: "c", dims },
    ],
    outputs: [
      { name: "still", dtype: "bool", dims: [] },
      { name: "r1", dims },
      { name: "c1", dims },
    ],
    nodes: [
      node("Identity", ["going"], ["still"]),
      node("Mul", ["r", "factor"], ["r1"]), // factor: a constant of the main graph
      node("Mul", ["c", "factor"], ["c0"]),
      round("c0", "c1", 0),
      compare("r1", "c1", 1),
      node("Cast", ["r1"], ["ri"], { to: 7 }),
      node("Cast", ["c1"], ["ci"], { to: 7 }),
      differs("ri", "ci", 0),
    ],
  });
  return tinyModel({
    inputs: [
      { name: "n", dtype: "int64", dims: [] },
      { name: "x", dims },
    ],
    outputs: [
      { name: "r2", dims },
      { name: "c2", dims },
    ],
    nodes: [node("Greater", ["n", "zero"], ["start"]), node("Loop", ["n", "start", "x", "x"], ["r2", "c2"], { body })],
    constants: { factor: { dims: [], values: Float32Array.of(factor) }, zero: { dims: [], values: BigInt64Array.of(0n) } },
  });
}

async function runLoop(factor: number, start: Float32Array, iterations: number, more: Partial<SessionOptions> = {}): Promise<RunResult> {
  await using session = await open(loopModel(factor), { decisionCount: 1, ...more });
  session.setFeed("n", int64s([iterations], []));
  session.setFeed("x", floats(start));
  return await session.run({ switches: on, fetch: ["r2", "c2"] });
}

/** What the loop does, iteration by iteration, in TypeScript. */
function loopTwin(factor: number, start: Float32Array, iterations: number) {
  const f = Math.fround(factor);
  let reference = start;
  let candidate = start;
  return Array.from({ length: iterations }, () => {
    reference = reference.map((x) => x * f);
    candidate = candidate.map((x) => rounded(Math.fround(x * f)));
    return plainStats(reference, candidate);
  });
}

describe("a comparison in the body of a Loop", () => {
  test.each(["disabled", "basic"] as const)(
    "is executed each time though nobody reads it, and names the iteration that overflows (%s)",
    async (optimization) => {
      const run = await runLoop(2, Float32Array.of(0.5, 0.25, -0.125), 20, { optimization });
      expect(run.executed).toEqual([false, true]);
      // 0.5 * 2^17 = 65536: the 17th of 20.
      expect(run.executions[1]).toMatchObject({
        count: 20,
        worst: 16,
        firstBroken: 16,
        worstError: Number.POSITIVE_INFINITY,
        shapeMismatches: 0,
      });
      const expected = loopTwin(2, Float32Array.of(0.5, 0.25, -0.125), 20).reduce(mergeStats);
      expect(run.stats[1]).toEqual(expected);
      expect(expected).toMatchObject({ count: 60, overflowed: 4 + 3 + 2 });
      expect([...floatValues(run.outputs.get("c2"))][0]).toBe(Number.POSITIVE_INFINITY);
    },
  );

  test("merges as mergeStats does, and names the first iteration with the largest relative L2", async () => {
    const start = Float32Array.of(1, 3, 7);
    const parts = loopTwin(1.0007, start, 30);
    const errors = parts.map(relativeL2);
    const run = await runLoop(1.0007, start, 30);
    const { sumAbs, sumSquaredError, sumSquaredReference, sumUlp, ...exact } = parts.reduce(mergeStats);
    expect(run.stats[1]).toMatchObject(exact);
    expect(run.stats[1]?.sumSquaredError).toBeCloseTo(sumSquaredError, 14);
    expect(run.stats[1]?.sumSquaredReference).toBeCloseTo(sumSquaredReference, 9);
    expect(run.stats[1]?.sumAbs).toBeCloseTo(sumAbs, 12);
    expect(run.stats[1]?.sumUlp).toBeCloseTo(sumUlp, 9);
    const worst = errors.indexOf(Math.max(...errors));
    expect(run.executions[1]).toMatchObject({ count: 30, worst, firstBroken: -1 });
    expect(run.executions[1]?.worstError).toBeCloseTo(errors[worst] ?? 0, 12);
  });

  test("that is not entered is not executed", async () => {
    const run = await runLoop(2, new Float32Array(3), 0);
    expect(run.executed).toEqual([false, false]);
    expect(run.executions[1]).toMatchObject({ count: 0, worst: -1, firstBroken: -1 });
    expect(run.decisions[0]).toMatchObject({ count: 0, executions: 0, firstIndex: -1 });
  });

  test("starts anew in every run, gives the same bits in each, and counts its slot once", async () => {
    await using session = await open(loopModel(1.0007, ["k"]), { decisionCount: 1 });
    session.setFeed("n", int64s([7], []));
    const results: RunResult[] = [];
    for (const size of [200_001, 3, 200_001]) {
      session.setFeed("x", floats(Float32Array.from({ length: size }, (_, i) => Math.sin(i))));
      results.push(await session.run({ switches: on, fetch: ["c2"] }));
      expect(session.comparesDone()).toBe(1);
    }
    expect(results[0]?.stats).toEqual(results[2]?.stats);
    expect(results.map((r) => r.stats[1]?.count)).toEqual([7 * 200_001, 21, 7 * 200_001]);
    const off = await session.run({ fetch: ["c2"] });
    expect(off.stats[1]).toMatchObject({ maxAbs: 0, nonFiniteMismatch: 0 });
    expect(off.executions[1]).toMatchObject({ worst: 0, worstError: 0 });
  });
});

describe("decisions in the body of a Loop", () => {
  test("are counted over all iterations, with the first that turned", async () => {
    // 1024.5 is 1024 in FP16, which makes 2048 of 2049 in the second iteration.
    const run = await runLoop(2, Float32Array.of(1, 512.25, 0), 3);
    expect(run.decisions[0]).toEqual({
      count: 9,
      differing: 2,
      firstIndex: 4,
      reference: 2049,
      candidate: 2048,
      shapeMismatches: 0,
      executions: 3,
    });
  });
});

describe("a comparison in the branches of an If", () => {
  const branch = (operator: string, slot: number) =>
    graph({
      inputs: [],
      outputs: [{ name: `y${slot}`, dims: ["n"] }],
      nodes: [node(operator, ["x"], [`a${slot}`]), round(`a${slot}`, `y${slot}`, 0), compare(`a${slot}`, `y${slot}`, slot)],
    });
  const model = tinyModel({
    inputs: [
      { name: "which", dtype: "bool", dims: [] },
      { name: "x", dims: ["n"] },
    ],
    outputs: [{ name: "y", dims: ["n"] }],
    nodes: [node("If", ["which"], ["y"], { then_branch: branch("Neg", 0), else_branch: branch("Exp", 1) })],
  });

  test("is executed in the branch that is taken, with values of the graph around it", async () => {
    await using session = await open(model);
    session.setFeed("x", floats(Float32Array.of(1.0001, 12)));
    for (const taken of [0, 1]) {
      session.setFeed("which", { dtype: "bool", dims: [], data: Uint8Array.of(1 - taken) });
      const run = await session.run({ switches: on, fetch: ["y"] });
      expect(run.executed).toEqual([taken === 0, taken === 1]);
      expect(run.stats[taken]).toMatchObject({ count: 2, overflowed: taken, nonFiniteMismatch: taken });
      expect(run.executions[taken]).toMatchObject({ count: 1, worst: 0, firstBroken: taken === 0 ? -1 : 0 });
      expect(floatValues(run.outputs.get("y"))[0]).toBe(taken === 0 ? -1 : rounded(Math.fround(Math.exp(Math.fround(1.0001)))));
    }
  });

  test("inside a Loop sees the iterations in which its branch was taken", async () => {
    const body = graph({
      inputs: [
        { name: "i", dtype: "int64", dims: [] },
        { name: "going", dtype: "bool", dims: [] },
      ],
      outputs: [
        { name: "still", dtype: "bool", dims: [] },
        { name: "y", dims: ["n"] },
      ],
      nodes: [
        node("Identity", ["going"], ["still"]),
        node("Less", ["i", "two"], ["which"]),
        node("If", ["which"], ["y"], { then_branch: branch("Neg", 0), else_branch: branch("Exp", 1) }),
      ],
    });
    const nested = tinyModel({
      inputs: [
        { name: "n", dtype: "int64", dims: [] },
        { name: "x", dims: ["n"] },
      ],
      outputs: [{ name: "ys", dims: ["m", "n"] }],
      nodes: [node("Loop", ["n", ""], ["ys"], { body })],
      constants: { two: { dims: [], values: BigInt64Array.of(2n) } },
    });
    await using session = await open(nested);
    session.setFeed("n", int64s([5], []));
    session.setFeed("x", floats(Float32Array.of(1.0001, 2)));
    const run = await session.run({ switches: on, fetch: ["ys"] });
    expect(run.executions.map((e) => e.count)).toEqual([2, 3]);
    expect(run.stats.map((s) => s.count)).toEqual([4, 6]);
  });
});

describe("a comparison in the body of a Scan", () => {
  test("is executed once for each slice", async () => {
    const body = graph({
      inputs: [
        { name: "sum", dims: [2] },
        { name: "x", dims: [2] },
      ],
      outputs: [
        { name: "sum1", dims: [2] },
        { name: "y", dims: [2] },
      ],
      nodes: [node("Add", ["sum", "x"], ["sum0"]), round("sum0", "sum1", 0), node("Neg", ["sum1"], ["y"]), compare("sum0", "sum1", 0)],
    });
    const model = tinyModel({
      inputs: [
        { name: "zero", dims: [2] },
        { name: "xs", dims: ["n", 2] },
      ],
      outputs: [{ name: "ys", dims: ["n", 2] }],
      nodes: [node("Scan", ["zero", "xs"], ["last", "ys"], { body, num_scan_inputs: 1 })],
    });
    await using session = await open(model);
    session.setFeed("zero", floats(new Float32Array(2)));
    session.setFeed("xs", floats(Float32Array.of(1000, 1, 1001, 1, 48.5, 65504, 3, 3), [4, 2]));
    const run = await session.run({ switches: on, fetch: ["ys"] });
    // Sums before rounding: (1000, 1) (2001, 2) (2049.5, 65506) (2053, 65507): 2049.5 -> 2050, 65506 -> 65504, 2053 -> 2052 (a tie).
    expect([...floatValues(run.outputs.get("ys"))]).toEqual([-1000, -1, -2001, -2, -2050, -65504, -2052, -65504]);
    expect(run.executions[0]).toMatchObject({ count: 4, worst: 3 });
    expect(run.stats[0]).toMatchObject({ count: 8, maxAbs: 3, maxIndex: 7, sumAbs: 0.5 + 2 + 1 + 3 });
  });
});

describe("shapes that the candidate changed", () => {
  // The number of elements that are kept depends on the values: rounding turns 0.9996 into 1, which is kept.
  const body = graph({
    inputs: [
      { name: "i", dtype: "int64", dims: [] },
      { name: "going", dtype: "bool", dims: [] },
    ],
    outputs: [
      { name: "still", dtype: "bool", dims: [] },
      { name: "scale", dims: [] },
    ],
    nodes: [
      node("Identity", ["going"], ["still"]),
      node("Cast", ["i"], ["scale"], { to: 1 }),
      node("Mul", ["x", "scale"], ["r"]),
      round("r", "c", 0),
      ...["r", "c"].flatMap((side) => [
        node("Cast", [side], [`${side}i`], { to: 7 }),
        node("Cast", [`${side}i`], [`${side}b`], { to: 9 }),
        node("Compress", [side, `${side}b`], [`${side}k`], { axis: 0 }),
        node("NonZero", [`${side}i`], [`${side}n`]),
      ]),
      compare("rk", "ck", 0),
      differs("rn", "cn", 0),
    ],
  });
  const model = tinyModel({
    inputs: [
      { name: "n", dtype: "int64", dims: [] },
      { name: "x", dims: ["k"] },
    ],
    outputs: [{ name: "y", dims: ["m"] }],
    nodes: [node("Loop", ["n", ""], ["y"], { body })],
  });

  test("are counted, skipped, and never pass", async () => {
    await using session = await open(model, { slotCount: 1, decisionCount: 1 });
    session.setFeed("n", int64s([3], []));
    session.setFeed("x", floats(Float32Array.of(0.9999, 0.25, 1)));
    const run = await session.run({ switches: on, fetch: ["y"] });
    // Times 0: nothing is kept. Times 1: [1] against [1, 1]. Times 2: [1.9998, 2] against [2, 2].
    expect(run.executions[0]).toMatchObject({ count: 3, shapeMismatches: 1, worst: 1, firstBroken: -1 });
    expect(run.stats[0]).toMatchObject({ count: 4, nonFiniteMismatch: 2, maxIndex: 2 });
    expect(run.decisions[0]).toMatchObject({ count: 4, differing: 2, shapeMismatches: 1, executions: 3, firstIndex: -1 });
  });
});
