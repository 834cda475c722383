import type { Trial } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { errorScale, powerLabel, powersOfTen } from "./axis.js";
import { bar } from "./bars.js";
import { paretoFront } from "./trials.js";

describe("error axes", () => {
  test("cover the values with whole powers of ten", () => {
    expect(errorScale([3e-4, 0.02], [0, 100]).domain()).toEqual([1e-4, 0.1]);
    expect(powersOfTen(errorScale([3e-4, 0.02], [0, 100])).map(powerLabel)).toEqual(["10⁻⁴", "10⁻³", "0.01", "0.1"]);
  });
  test("survive no values, one value, zeros and what is not finite", () => {
    for (const values of [[], [0], [Number.NaN], [Number.POSITIVE_INFINITY], [1e-3], [5e-324], [1.7e308], [1e-300, 1e300]]) {
      const scale = errorScale(values, [0, 100]);
      for (const v of [...values, 1]) if (Number.isFinite(v) && v > 0) expect(scale(v)).toBeGreaterThanOrEqual(0);
      expect(powersOfTen(scale).length).toBeLessThanOrEqual(9);
      expect(powersOfTen(scale).every(Number.isFinite)).toBe(true);
    }
  });
});

test("the parts of a bar share its length by squared error", () => {
  const widths = [
    ...bar(5, 10, [
      { kind: "one", value: 4 },
      { kind: "two", value: 3 },
    ]).text.matchAll(/bar-(?:one|two)" x="([\d.]+)%" width="([\d.]+)%"/g),
  ];
  expect(widths.map((w) => [Number(w[1]), Number(w[2])])).toEqual([
    [0, 32],
    [32, 18],
  ]);
});

test("the front keeps what no other trial beats on both error and share", () => {
  const t = (fp32Share: number, measuredError: number, nonFinite = false): Trial => ({
    pins: [],
    purpose: "",
    predictedError: undefined,
    measuredError,
    nonFinite,
    fp32Share,
  });
  const front = paretoFront([t(0.3, 0.1), t(0, 0.9), t(0.1, 0.2), t(0.2, 0.5), t(0.05, Number.NaN), t(0, 0.01, true), t(0.1, 0.3)]);
  expect(front.map((x) => [x.fp32Share, x.measuredError])).toEqual([
    [0, 0.9],
    [0.1, 0.2],
    [0.3, 0.1],
  ]);
});
