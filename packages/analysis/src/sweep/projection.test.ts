import { describe, expect, it } from "vitest";
import {
  packProjection,
  predictError,
  project,
  projectionBuckets,
  projectionOf,
  type SignedError,
  unpackProjection,
} from "./projection.js";

/** A linear congruential generator: the test needs numbers, not randomness. */
function numbers(count: number, seed: number): Float64Array {
  let state = seed * 2654435761;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
const norm = (v: ArrayLike<number>) => Math.hypot(...Array.from(v));
const plus = (a: Float64Array, b: Float64Array) => a.map((v, i) => v + (b[i] ?? 0));
const site = (kind: SignedError["kind"], vector: Float64Array): SignedError => ({
  kind,
  perOutput: [norm(vector)],
  signed: [[packProjection(project(vector))]],
});

describe("a projection", () => {
  it("of a sum is the sum of the projections", () => {
    const [a, b] = [numbers(5000, 1), numbers(5000, 2)];
    const codes = projectionOf(5000);
    const sum = plus(project(a, codes), project(b, codes));
    project(plus(a, b), codes).forEach((v, i) => {
      expect(v).toBeCloseTo(sum[i] ?? 0, 9);
    });
  });

  it("keeps lengths to a few percent, and outputs of few elements as they are", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const v = numbers(20_000, seed);
      expect(norm(project(v)) / norm(v)).toBeGreaterThan(0.85);
      expect(norm(project(v)) / norm(v)).toBeLessThan(1.15);
    }
    const few = numbers(projectionBuckets, 3);
    expect(project(few)).toEqual(few);
  });

  it("uses its buckets evenly, and both signs", () => {
    const codes = projectionOf(projectionBuckets * 100);
    const counts = new Array<number>(projectionBuckets).fill(0);
    for (const c of codes) counts[c >> 1]!++;
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(Math.max(...counts)).toBeLessThan(160);
    expect(codes.reduce((n, c) => n + (c & 1), 0) / codes.length).toBeCloseTo(0.5, 1);
  });

  it("survives its text to a percent, and damaged texts are none", () => {
    const v = project(numbers(3000, 7));
    const back = unpackProjection(packProjection(v)) as Float64Array;
    expect(norm(back.map((x, i) => x - (v[i] ?? 0))) / norm(v)).toBeLessThan(0.01);
    for (const bad of ["", "AAAA", 5, undefined, Buffer.alloc(5000).toString("base64")]) expect(unpackProjection(bad)).toBeUndefined();
    expect(packProjection(new Float64Array(4))).toBe("");
    expect(packProjection(Float64Array.of(1, Number.NaN, Number.POSITIVE_INFINITY))).toBe("");
  });
});

describe("the error predicted for several sites", () => {
  const shared = numbers(4000, 1);
  it("adds weights with sign: equal ones double, opposite ones vanish", () => {
    const weight = site("weight", shared);
    expect(predictError([weight])[0]).toBeCloseTo(norm(shared), 9);
    expect(predictError([weight, weight])[0]).toBeCloseTo(2 * norm(shared), 6);
    expect(
      predictError([
        weight,
        site(
          "weight",
          shared.map((v) => -v),
        ),
      ])[0],
    ).toBeCloseTo(0, 6);
  });

  it("adds fresh roundings, accumulations and inputs in squares, whatever their signs", () => {
    for (const kind of ["activation", "accumulation", "input"] as const)
      expect(predictError([site(kind, shared), site(kind, shared)])[0]).toBeCloseTo(Math.SQRT2 * norm(shared), 9);
  });

  it("is near the length of the true sum for many weights in part alike", () => {
    const vectors = Array.from({ length: 30 }, (_, i) => plus(numbers(20_000, i + 10), numbers(20_000, 9).map((v) => v * 0.4))); // biome-ignore format: one vector, one line
    const truth = norm(vectors.reduce(plus));
    const squares = Math.hypot(...vectors.map(norm));
    const predicted = predictError(vectors.map((v) => site("weight", v)))[0] as number;
    expect(predicted / truth).toBeGreaterThan(0.93);
    expect(predicted / truth).toBeLessThan(1.07);
    expect(squares / truth).toBeLessThan(0.6);
  });

  it("takes each sample by itself and the mean of the squares over them", () => {
    const both = (kind: SignedError["kind"]): SignedError => ({
      kind,
      perOutput: [Math.sqrt(12.5)],
      perSample: [[3], [4]],
      signed: [[packProjection(Float64Array.of(1, 0))], [packProjection(Float64Array.of(0, 1))]],
    });
    const opposite: SignedError = {
      ...both("weight"),
      signed: [[packProjection(Float64Array.of(-1, 0))], [packProjection(Float64Array.of(0, 1))]],
    };
    expect(predictError([both("weight")])[0]).toBeCloseTo(Math.sqrt(12.5), 9);
    expect(predictError([both("weight"), opposite])[0]).toBeCloseTo(Math.sqrt((0 + 64) / 2), 9);
  });

  it("is infinite where one site is, output by output, and zero of none", () => {
    const broken: SignedError = { kind: "weight", perOutput: [Number.POSITIVE_INFINITY, 0.5] };
    expect(predictError([broken, { kind: "activation", perOutput: [1, 0] }])).toEqual([Number.POSITIVE_INFINITY, 0.5]);
    expect(predictError([])).toEqual([]);
  });
});
