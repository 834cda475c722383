import type { FixReport } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { choicesBetween } from "./choices.js";

const report = (more: Partial<FixReport>): FixReport => ({
  outcome: "fixed",
  fixes: [{ id: "f", kind: "fuse-norm", title: "one LayerNormalization", layers: ["norm"] }],
  leftOut: [],
  none: [],
  tolerance: 1e-4,
  fp32Change: 0,
  ...more,
});
const pins = { pins: ["norm", "dense"], error: 0.005, fp32Share: 0.1 };
const best = (p: typeof pins, fixes: FixReport, tolerance = 0.01) => choicesBetween(p, fixes, tolerance)?.find((c) => c.best)?.kind;

describe("pins against fixes", () => {
  it("prefers what keeps the tolerance with the least work in FP32", () => {
    expect(best(pins, report({ allHalfAfter: 0.009 }))).toBe("fixes");
    expect(best(pins, report({ allHalfAfter: 0.02, withPins: { pins: ["dense"], error: 0.008, fp32Share: 0.06 } }))).toBe("fixes-and-pins");
    expect(best(pins, report({ allHalfAfter: 0.02, withPins: { pins: ["dense"], error: 0.012, fp32Share: 0.06 } }))).toBe("pins");
  });

  it("edits nothing where no pin is needed either way", () => {
    expect(best({ pins: [], error: 0.002, fp32Share: 0 }, report({ allHalfAfter: 0.001 }))).toBe("pins");
  });

  it("takes the pins that are still needed, not those that were asked for", () => {
    const withPins = { pins: ["dense", "other"], error: 0.004, fp32Share: 0.3, needed: { pins: ["dense"], error: 0.007, fp32Share: 0.02 } };
    const choices = choicesBetween(pins, report({ allHalfAfter: 0.5, withPins }), 0.01);
    expect(choices?.at(-1)).toMatchObject({
      kind: "fixes-and-pins",
      pins: ["dense"],
      error: 0.007,
      fp32Share: 0.02,
      meets: true,
      best: true,
    });
  });

  it("names the smallest error where nothing keeps the tolerance, and what is not finite never does", () => {
    const infinite = { ...pins, error: Number.POSITIVE_INFINITY };
    expect(best(infinite, report({ allHalfAfter: 0.5 }))).toBe("fixes");
    expect(choicesBetween(infinite, report({ allHalfAfter: Number.NaN }), Number.POSITIVE_INFINITY)?.map((c) => c.meets)).toEqual([
      false,
      false,
    ]);
  });

  it("is nothing where no fix was measured", () => {
    expect(choicesBetween(pins, undefined, 0.01)).toBeUndefined();
    expect(choicesBetween(pins, report({}), 0.01)).toBeUndefined();
    expect(choicesBetween(pins, report({ outcome: "changes-too-much", allHalfAfter: 0.1 }), 0.01)).toBeUndefined();
  });
});
