import type { ResultDocument } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { answerOf } from "./answer.js";
import { exampleResult } from "./testing/example-result.js";
import { viewOf } from "./view.js";

const answer = (result: ResultDocument) => answerOf(viewOf(result));

describe("the answer", () => {
  test("to a healthy model is that no pins are needed", () => {
    const a = answer(exampleResult({ faults: false, blocks: 12 }));
    expect(a.kind).toBe("yes");
    expect(a.headline).toBe("Yes: FP16 works here, no pins needed.");
    expect(a.alarm).toBeUndefined();
  });

  test("to a model with a silent overflow names the pins, both errors and the tolerance, and sounds the alarm", () => {
    const result = exampleResult();
    const a = answer(result);
    expect(a.kind).toBe("mixed");
    expect(a.headline).toBe(`Yes, with ${result.recommendation?.pins.length} of ${result.layers.length} layers in FP32.`);
    expect(a.detail).toContain("0.71 from FP32, above the tolerance of 0.01");
    expect(a.detail).toContain("within the tolerance of 0.01 (the written file)");
    expect(a.alarm).toMatch(/^1 silent overflow in FP16/);
  });

  test("follows the verdict on the file where it contradicts the recommendation", () => {
    const result = exampleResult();
    const verdict = { ...result.verdict!, outcome: "not-within" as const, error: 0.02 };
    const a = answer({ ...result, verdict });
    expect(a.kind).toBe("no");
    expect(a.detail).toContain("0.02 from FP32, above the tolerance");
  });

  test("is no when the written file's outputs are not finite, whatever its error says", () => {
    const result = exampleResult();
    const a = answer({ ...result, verdict: { ...result.verdict!, outcome: "not-finite", error: 0 } });
    expect(a.kind).toBe("no");
    expect(a.detail).toContain("the final outputs are not finite");
  });

  test("is no when samples that were held back are above the tolerance", () => {
    const { verdict, verdictAllHalf, ...result } = exampleResult({ upTo: "recommended" });
    const a = answer({ ...result, recommendation: { ...result.recommendation!, heldBackError: 0.5 } });
    expect(a.kind).toBe("no");
  });

  test("of a comparison alone says what it knows and what comes next", () => {
    const a = answer(exampleResult({ upTo: "compared" }));
    expect(a.kind).toBe("no");
    expect(a.next).toMatch(/^halfscope debug /);
    expect(answer(exampleResult({ upTo: "compared", faults: false })).kind).toBe("yes");
    expect(answer(exampleResult({ upTo: "inspected" })).kind).toBe("unknown");
  });

  test("warns of inputs that were made up, and not of real ones", () => {
    const result = exampleResult({ blocks: 1 });
    expect(answer(result).notes.join()).toContain("made up");
    const feeds = result.feeds.map((f) => f.map((x) => ({ ...x, origin: "samples.npz" })));
    expect(answer({ ...result, feeds }).notes.join()).not.toContain("made up");
  });
});
