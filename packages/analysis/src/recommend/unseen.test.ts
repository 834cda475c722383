import { describe, expect, it } from "vitest";
import { normal, seeded } from "../../../../test/support/model-file.js";
import { unseenBound } from "./unseen.js";

describe("the error that an unseen sample stays below", () => {
  it("holds in about 95 of 100 cases for errors that scatter by factors", () => {
    const random = seeded(4);
    for (const n of [3, 6, 12]) {
      let held = 0;
      for (let round = 0; round < 4000; round++) {
        const spread = 0.05 + random();
        const error = () => 0.01 * Math.exp(spread * normal(random));
        const bound = unseenBound(Array.from({ length: n }, error)) as number;
        held += Number(error() <= bound);
      }
      expect(held / 4000, `${n} samples`).toBeGreaterThan(0.93);
      expect(held / 4000, `${n} samples`).toBeLessThan(0.985);
    }
  });

  it("is never below what was seen, and is that where nothing scatters", () => {
    expect(unseenBound([0.01, 0.01, 0.01])).toBeCloseTo(0.01, 15);
    expect(unseenBound([0, 0, 0])).toBe(0);
    expect(unseenBound([0.02, 0.01, 0.015, 0.01])).toBeGreaterThan(0.02);
    expect(unseenBound([0.01, Number.POSITIVE_INFINITY, 0.01])).toBe(Number.POSITIVE_INFINITY);
    expect(Number.isFinite(unseenBound([0, 0.01, 0.02]) as number)).toBe(true);
  });

  it("is not told from one or two samples", () => {
    expect([unseenBound([]), unseenBound([1]), unseenBound([1, 2])]).toEqual([undefined, undefined, undefined]);
  });
});
