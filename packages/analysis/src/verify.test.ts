import type { ErrorStats } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { allNan, off, overflown, statsOf } from "../../../test/support/stats.js";
import { addInSquares, type OutputError, outputErrorFrom, worst } from "./judge/output-error.js";
import { verdictFrom } from "./verify.js";

const sites = {
  uses: new Set<string>(),
  outputs: new Set<string>(),
  tensors: new Set(["a", "b"]),
  casts: 3,
  halfWeights: 4,
  fullWeights: 5,
  types: ["float16"] as const,
};
const verdict = (tolerance: number, ...samples: Record<string, ErrorStats>[]) =>
  verdictFrom(
    samples.map((s) => new Map(Object.entries(s))),
    tolerance,
    sites,
    { mapped: 6, unmapped: 7 },
  );

describe("a verdict", () => {
  it("is within at the tolerance itself and not within above it, by the worst output of the worst sample", () => {
    const samples = [
      { y: off(0.001), z: off(0.003) },
      { y: off(0.004), z: off(0.002) },
    ];
    const { error } = verdict(1, ...samples);
    expect(error).toBeCloseTo(0.004, 10);
    expect(verdict(error, ...samples).outcome).toBe("within");
    expect(verdict(error * 0.999, ...samples).outcome).toBe("not-within");
    expect(verdict(1, ...samples)).toMatchObject({
      samples: 2,
      sitesOn: 2,
      halfWeights: 4,
      casts: 3,
      mappedTensors: 6,
      unmappedTensors: 7,
    });
    expect(verdict(1, ...samples).outputs.y?.count).toBe(200);
  });

  it("is what a judge says of the samples, where one has: of each output the figures where it is worst", () => {
    const figures = (relativeL2: number) => ({ count: 8, maxAbs: 1, meanAbs: 0.1, relativeL2, cosine: 1, nonFinite: 0 });
    const judged = (y: number, z: number): OutputError => ({
      error: Math.max(y, z),
      perOutput: [y, z],
      maxAbs: 1,
      nonFinite: false,
      figures: { y: figures(y), z: figures(z) },
    });
    const samples = [new Map([["y", off(0.9)]]), new Map([["y", off(0.9)]])];
    const found = verdictFrom(samples, 0.3, sites, { mapped: 0, unmapped: 0 }, [judged(0.1, 0.2), judged(0.3, 0.1)]);
    expect(found).toMatchObject({ outcome: "within", error: 0.3, figures: { y: { relativeL2: 0.3 }, z: { relativeL2: 0.2 } } });
    const broken = { ...judged(0.1, 0.1), error: Number.POSITIVE_INFINITY, nonFinite: true };
    expect(verdictFrom(samples, 1, sites, { mapped: 0, unmapped: 0 }, [judged(0, 0), broken]).outcome).toBe("not-finite");
  });

  it.each([
    ["NaN", allNan()],
    ["one NaN among good values", off(0, { nanCandidate: 1, nonFiniteMismatch: 1 })],
    ["an overflow", overflown(1, 1e5)],
    ["a candidate that is finite where the reference is not", statsOf({ infReference: 1, nonFiniteMismatch: 1 })],
  ])("with %s never passes, at any tolerance and in any sample", (_, bad) => {
    for (const samples of [[{ y: bad }], [{ y: off(0) }, { y: bad }], [{ y: off(0), z: bad }]] as Record<string, ErrorStats>[][])
      for (const tolerance of [0, 1e-2, 1e300, Number.POSITIVE_INFINITY]) {
        const found = verdict(tolerance, ...samples);
        expect([found.outcome, found.error, found.maxAbs]).toEqual(["not-finite", Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
      }
  });

  it("never passes when a sum is NaN, or the tolerance is", () => {
    expect(verdict(1, { y: statsOf({ sumSquaredError: Number.NaN }) }).outcome).not.toBe("within");
    expect(verdict(Number.NaN, { y: off(0.1) }).outcome).not.toBe("within");
  });

  it("never passes when nothing was compared", () => {
    expect(verdict(1).outcome).toBe("not-finite");
    expect(verdict(1, {}).outcome).not.toBe("within");
  });

  it("passes an exact copy at tolerance 0", () => {
    expect(verdict(0, { y: statsOf() })).toMatchObject({ outcome: "within", error: 0, maxAbs: 0 });
  });
});

describe("errors of outputs", () => {
  it("count an output that is not finite as infinitely wrong", () => {
    expect(outputErrorFrom([off(0.25), allNan()])).toEqual({
      error: Number.POSITIVE_INFINITY,
      perOutput: [0.25, Number.POSITIVE_INFINITY],
      maxAbs: Number.POSITIVE_INFINITY,
      nonFinite: true,
    });
  });
  it("add in squares, output by output", () => {
    expect(
      addInSquares(
        [
          [3, 1],
          [4, 0],
          [0, 2],
        ],
        2,
      ),
    ).toEqual([5, Math.sqrt(5)]);
    expect(addInSquares([], 3)).toEqual([0, 0, 0]);
    expect(worst(addInSquares([[1, Number.POSITIVE_INFINITY]], 2))).toBe(Number.POSITIVE_INFINITY);
  });
});
