import type { Trial } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { errorScale, powerLabel, powersOfTen } from "./axis.js";
import { bar } from "./bars.js";
import { paretoFront, trialsChart } from "./trials.js";

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

test("the chart of trials has a place for no pins, for exact and for broken ones, and says of each what was tried and measured", () => {
  const t = (fp32Share: number, measuredError: number, more: Partial<Trial> = {}): Trial => ({
    pins: Array.from({ length: Math.round(1000 * fp32Share) }, (_, i) => `pin ${i}`),
    purpose: "front",
    predictedError: 2 * measuredError,
    measuredError,
    nonFinite: !Number.isFinite(measuredError),
    fp32Share,
    ...more,
  });
  const chosen = t(0.01, 2e-3, { purpose: "<walk>", heldBackError: 3e-3 });
  const trials = [
    t(0, 0.5, { purpose: "all FP16" }),
    t(1, 0),
    chosen,
    t(0.5, Number.POSITIVE_INFINITY),
    t(0.002, 0.1, { purpose: "pins like" }),
  ];
  const predicted = [0, 0.01, 1].map((fp32Share) => ({ fp32Share, pins: 0, error: 0.4 / (1 + 100 * fp32Share) }));
  const { text } = trialsChart(trials, { chosen, tolerance: 0.01, predicted });
  expect(text).toContain("&lt;walk&gt;: 10 pins, 1.0 % of the work in FP32, error 0.002, predicted 0.004, on held-back samples 0.003");
  expect(text).toContain("all FP16: 0 pins, 0 % of the work in FP32, error 0.5");
  expect(text).toMatch(/front: 500 pins, 50 % of the work in FP32, not finite/);
  for (const shape of ["half", "searched", "like", "chosen"]) expect(text, shape).toContain(`trial-${shape}`);
  expect(text).not.toMatch(/NaN|Infinity|undefined/);
  expect(/<path class="walk" d="M[^"]+"/.test(text)).toBe(true);
  const without = trialsChart([t(0, 0.5)], { chosen: undefined, tolerance: 0 }).text;
  expect(without).not.toMatch(/NaN|Infinity|undefined|predicted from the sweep/);
});
