import { InternalError } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../../test/support/model-file.js";
import { quantile, summariseLatency, throughput } from "./latency.js";

const times = (milliseconds: readonly number[], device?: readonly number[]) => ({
  milliseconds: Float64Array.from(milliseconds),
  ...(device !== undefined && { deviceMilliseconds: Float64Array.from(device) }),
  wallMilliseconds: milliseconds.reduce((a, b) => a + b, 0),
});

/** Times, numpy's quantiles 0.5, 0.95 and 0.99 of them (numpy.quantile, linear), and numpy's std(ddof=1) over mean. */
const numpy: readonly (readonly [readonly number[], readonly [number, number, number], number])[] = [
  [[2.5024, 2.0058], [2.2541, 2.47757, 2.497434], 0.15578245310200955],
  [[1.7189, 2.6183, 1.6628], [1.7189, 2.52836, 2.600312], 0.2680988483749977],
  [[3.5736, 2.7097, 2.4438, 0.6959, 0.3607], [2.4438, 3.40082, 3.539044], 0.7023728715381712],
  [
    [
      0.7612, 2.816, 2.4072, 0.5534, 2.7952, 1.238, 1.2396, 4.6335, 2.2899, 2.6256, 2.6504, 0.5414, 2.7383, 8.7191, 0.8225, 3.7913, 4.0693,
      4.0275, 1.4066, 1.7059,
    ],
    [2.5164, 4.837780000000002, 7.9428359999999945],
    0.7317470617741283,
  ],
];

describe("summariseLatency", () => {
  it.each(numpy)("gives numpy's numbers for %j", (milliseconds, [p50, p95, p99], variation) => {
    const summary = summariseLatency(times(milliseconds), 3);
    expect(summary.p50).toBeCloseTo(p50, 12);
    expect(summary.p95).toBeCloseTo(p95, 12);
    expect(summary.p99).toBeCloseTo(p99, 12);
    expect(summary.variation).toBeCloseTo(variation, 12);
    expect(summary).toMatchObject({
      requests: milliseconds.length,
      warmup: 3,
      min: Math.min(...milliseconds),
      max: Math.max(...milliseconds),
    });
    expect(summary.deviceP50).toBeUndefined();
  });

  it("is that request for a single one, without variation", () => {
    expect(summariseLatency(times([4.5], [4]), 0)).toEqual({
      requests: 1,
      warmup: 0,
      mean: 4.5,
      p50: 4.5,
      p95: 4.5,
      p99: 4.5,
      min: 4.5,
      max: 4.5,
      variation: 0,
      deviceP50: 4,
    });
  });

  it("has no variation where no time passed", () => {
    expect(summariseLatency(times([0, 0]), 0).variation).toBe(0);
  });

  it.each([[[]], [[1, Number.NaN]], [[Number.POSITIVE_INFINITY]], [[-1, 2]]])("refuses %j", (milliseconds) => {
    expect(() => summariseLatency(times(milliseconds), 0)).toThrow(InternalError);
  });

  it("refuses device times that are none", () => {
    expect(() => summariseLatency(times([1, 2], [1, Number.NaN]), 0)).toThrow(InternalError);
  });

  it("does not sort the caller's times", () => {
    const given = times([3, 1, 2]);
    summariseLatency(given, 0);
    expect([...given.milliseconds]).toEqual([3, 1, 2]);
  });

  it("keeps percentiles in order and inside, whatever the times and their order", () => {
    const random = seeded(2);
    for (let i = 0; i < 300; i++) {
      const values = Array.from({ length: 1 + Math.floor(random() * 50) }, () => random() ** 4 * 100);
      const summary = summariseLatency(times(values), 0);
      const ordered = [summary.min, summary.p50, summary.p95, summary.p99, summary.max];
      expect(ordered).toEqual(ordered.toSorted((a, b) => a - b));
      expect(summary.mean).toBeGreaterThanOrEqual(summary.min - 1e-12);
      expect(summary.mean).toBeLessThanOrEqual(summary.max + 1e-12);
      const { mean: _, variation: __, ...exact } = summariseLatency(times(values.toReversed()), 0);
      expect(summary).toMatchObject(exact);
    }
  });
});

describe("quantile", () => {
  it("takes the ends beyond 0 and 1, and is NaN of nothing", () => {
    expect(quantile([1, 2, 3], -1)).toBe(1);
    expect(quantile([1, 2, 3], 2)).toBe(3);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe("throughput", () => {
  it("counts requests, or samples of batches, over wall time: contexts overlap", () => {
    const overlapping = { milliseconds: Float64Array.of(10, 10, 10, 10), wallMilliseconds: 20 };
    expect(throughput(overlapping)).toBe(200);
    expect(throughput(overlapping, 8)).toBe(1600);
  });

  it("is 0 where no time passed, and refuses a time that is none", () => {
    expect(throughput({ milliseconds: Float64Array.of(1), wallMilliseconds: 0 })).toBe(0);
    expect(() => throughput({ milliseconds: Float64Array.of(1), wallMilliseconds: Number.NaN })).toThrow(InternalError);
  });
});
