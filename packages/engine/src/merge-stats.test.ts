import { type ErrorStats, finitePairs, isExact, meanAbs, mergeStats, relativeL2 } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { normal, seeded } from "../../../test/support/model-file.js";
import { plainStats } from "./testing/plain-stats.js";

const specials = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e-7, -3e-8, 65504, 65520, 1e30, 1e-40];

function pairOf(random: () => number, count: number, kind: "plain" | "special" | "broken"): [Float32Array, Float32Array] {
  const pick = () => specials[Math.floor(random() * specials.length)] ?? 0;
  const value = () => (kind === "special" && random() < 0.3 ? pick() : normal(random) * 2 ** Math.floor(20 * random() - 10));
  const reference = Float32Array.from({ length: count }, value);
  const candidate = reference.map((r) => (kind === "broken" ? Number.NaN : random() < 0.2 ? pick() : r * (1 + 1e-3 * normal(random))));
  return [reference, candidate];
}

const concat = (a: Float32Array, b: Float32Array) => Float32Array.from([...a, ...b]);
const sums = ["sumAbs", "sumSquaredError", "sumSquaredReference", "sumUlp"] as const;
function expectSame(merged: ErrorStats, whole: ErrorStats) {
  for (const field of sums) expect(Math.abs(merged[field] - whole[field])).toBeLessThanOrEqual(1e-12 * Math.abs(whole[field]));
  const zeroed = Object.fromEntries(sums.map((s) => [s, 0]));
  expect({ ...merged, ...zeroed }).toEqual({ ...whole, ...zeroed });
}

describe("merged statistics equal those of the whole", () => {
  const kinds = ["plain", "special", "broken"] as const;
  for (const first of kinds)
    for (const second of kinds)
      it(`of a ${first} part and a ${second} part`, () => {
        const random = seeded(kinds.indexOf(first) * 3 + kinds.indexOf(second) + 1);
        for (const [n, m] of [
          [1, 1],
          [0, 5],
          [5, 0],
          [0, 0],
          [17, 40],
          [200, 3],
        ] as const) {
          const [r1, c1] = pairOf(random, n, first);
          const [r2, c2] = pairOf(random, m, second);
          expectSame(mergeStats(plainStats(r1, c1), plainStats(r2, c2)), plainStats(concat(r1, r2), concat(c1, c2)));
        }
      });

  it("whatever way three parts are put together", () => {
    const random = seeded(99);
    const parts = [7, 1, 30].map((n) => plainStats(...pairOf(random, n, "special"))) as [ErrorStats, ErrorStats, ErrorStats];
    expectSame(mergeStats(mergeStats(parts[0], parts[1]), parts[2]), mergeStats(parts[0], mergeStats(parts[1], parts[2])));
  });

  it("takes the first of equal maxima, as one pass does", () => {
    const a = plainStats(Float32Array.of(1, 2), Float32Array.of(1.5, 2));
    const b = plainStats(Float32Array.of(5), Float32Array.of(5.5));
    expect(mergeStats(a, b)).toMatchObject({ maxIndex: 0, maxReference: 1 });
    expect(mergeStats(b, a)).toMatchObject({ maxIndex: 0, maxReference: 5 });
  });
});

describe("what is derived from statistics", () => {
  const of = (r: number[], c: number[]) => plainStats(Float32Array.from(r), Float32Array.from(c));
  it("is 0 for nothing, infinite where only the reference is 0, and never exact with a NaN", () => {
    const none = of([], []);
    expect([meanAbs(none), relativeL2(none), finitePairs(none), isExact(none)]).toEqual([0, 0, 0, true]);
    expect(relativeL2(of([0, 0], [0, 1]))).toBe(Number.POSITIVE_INFINITY);
    expect(isExact(of([1, Number.NaN], [1, Number.NaN]))).toBe(false);
    expect(isExact(of([1, Number.POSITIVE_INFINITY], [1, Number.POSITIVE_INFINITY]))).toBe(true);
    expect(meanAbs(of([1, 2, Number.NaN], [2, 2, 0]))).toBe(0.5);
  });
});
