import type { BenchComparison, BenchDifference, BenchPoint, LatencySummary } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { benchWarnings, judgeBench } from "./judge-bench.js";

const difference = (relativeL2: number, more: Partial<BenchDifference> = {}): BenchDifference => ({
  requests: 4,
  bitIdentical: relativeL2 === 0,
  maxAbs: relativeL2,
  meanAbs: relativeL2 / 2,
  relativeL2,
  notFinite: 0,
  worst: { request: 1, output: "y" },
  outputs: {},
  ...more,
});
const at = (batch: number, o: Partial<BenchComparison>): BenchComparison => ({ shape: "s", batch, ...o });

describe("the verdict", () => {
  it("is that of the worst batched request against the reference", () => {
    const comparisons = [
      at(1, { single: difference(0), reference: difference(1e-3) }),
      at(4, { single: difference(2e-3), reference: difference(5e-3) }),
    ];
    expect(judgeBench(comparisons, 1e-2)).toEqual({
      outcome: "within",
      against: "reference",
      tolerance: 1e-2,
      error: 5e-3,
      worst: { shape: "s", batch: 4, request: 1, output: "y" },
      batched: { maxAbs: 2e-3, relativeL2: 2e-3, bitIdentical: false },
      mixes: false,
    });
    expect(judgeBench(comparisons, 4e-3).outcome).toBe("not-within");
    expect(judgeBench(comparisons, 5e-3).outcome).toBe("within");
  });
  it("is not finite with one NaN in one batch, however large the tolerance", () => {
    const nan = difference(Number.POSITIVE_INFINITY, { notFinite: 1 });
    expect(judgeBench([at(1, { reference: difference(0) }), at(2, { reference: nan })], 1e9).outcome).toBe("not-finite");
  });
  it("does not pass where the reference is all zeros and the candidate is not, and does not call that infinite", () => {
    expect(judgeBench([at(2, { reference: difference(Number.POSITIVE_INFINITY) })], 1e9).outcome).toBe("not-within");
  });
  it("is none where nothing was compared", () => {
    const { worst: _, ...noFloat } = difference(0);
    expect(
      judgeBench([at(1, { reference: noFloat }), at(2, { refusal: { kind: "refused", code: "ERR_PROFILE", reason: "" } })], 1).outcome,
    ).toBe("not-judged");
    expect(judgeBench([], 1).outcome).toBe("not-judged");
  });
  it("is of batching alone where requests are held against single ones, whatever the reference says", () => {
    const all = [
      at(1, { single: difference(0), reference: difference(0.9) }),
      at(4, { single: difference(2e-3), reference: difference(0.9) }),
    ];
    expect(judgeBench(all, 1e-2, "single")).toMatchObject({ outcome: "within", against: "single", error: 2e-3, worst: { batch: 4 } });
    expect(judgeBench(all, 1e-3, "single").outcome).toBe("not-within");
  });
  it("is none about batches where only single requests were sent again, unless these are not finite", () => {
    expect(judgeBench([at(1, { single: difference(0) })], 1e-2, "single").outcome).toBe("not-judged");
    expect(judgeBench([at(1, { single: difference(Number.POSITIVE_INFINITY, { notFinite: 3 }) })], 1e-2, "single").outcome).toBe(
      "not-finite",
    );
    expect(judgeBench([at(1, { single: difference(0.5) })], 1e-2, "single").outcome).toBe("not-within");
  });
  it("does not blame the model for an engine that does not repeat itself", () => {
    const neighbours = difference(2e-6);
    expect(judgeBench([at(1, { single: difference(0) }), at(2, { neighbours })], 1).mixes).toBe(true);
    expect(judgeBench([at(1, { single: difference(1e-6) }), at(2, { neighbours })], 1).mixes).toBe(false);
    expect(judgeBench([at(1, { single: difference(1e-6) }), at(2, { neighbours: difference(1e-4) })], 1).mixes).toBe(true);
  });
});

describe("warnings", () => {
  const latency = (o: Partial<LatencySummary> = {}): LatencySummary => ({
    ...{ requests: 100, warmup: 10, mean: 1, p50: 1, p95: 1, p99: 1, min: 1, max: 1, variation: 0.01 },
    ...o,
  });
  const point = (o: Partial<BenchPoint> = {}): BenchPoint => ({
    role: "reference",
    shape: "s",
    batch: 1,
    contexts: 1,
    rounds: [],
    latency: latency(),
    drift: 0,
    ...o,
  });
  const machine = { platform: "", node: "", processor: "", cores: 4, memoryBytes: 1, load: [0.1, 3] as const };

  it("are none on a quiet machine", () => {
    expect(benchWarnings({ machine, points: [point()], comparisons: [] })).toEqual([]);
  });
  it.each([
    ["a busy machine", { machine: { ...machine, load: [2.5, 0] as const } }, /busy before the measurement: 2\.5 processes/],
    [
      "times that vary",
      { points: [point(), point({ latency: latency({ variation: 0.5 }) })] },
      /more than 20 % of their mean at 1 of 2 points; worst 50 %/,
    ],
    ["a clock that falls", { points: [point({ drift: 0.3 })] }, /30 % slower than the first/],
    ["a clock that rises", { points: [point({ drift: -0.3 })] }, /30 % faster than the first/],
    [
      "requests that disturb each other",
      { comparisons: [at(1, { single: difference(0), atOnce: difference(1e-3) })] },
      /served at once.*0\.00100/,
    ],
    [
      "single points whose clock was another one in the end",
      { points: [point({ drift: 0.42 }), point({ drift: -0.05 }), point({ drift: 0.01 })] },
      /by more than 20 % at 1 of 3 points; worst \+42 %/,
    ],
    ["few requests", { points: [point({ latency: latency({ requests: 12 }) })] }, /p99 of fewer than 100 requests/],
  ])("tell of %s", (_, change, words) => {
    const found = benchWarnings({ machine, points: [point()], comparisons: [], ...change });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(words);
  });
  it("say nothing of a load that the measurement made itself, nor of what the system does not tell", () => {
    const { load: _, ...untold } = machine;
    expect(benchWarnings({ machine: untold, points: [], comparisons: [] })).toEqual([]);
  });
});
