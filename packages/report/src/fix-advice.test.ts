import type { FixReport } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { fixAdvice } from "./fix-advice.js";
import { renderMarkdown } from "./markdown.js";
import { renderHtml } from "./page.js";
import { renderTerminalSummary } from "./terminal.js";
import { exampleResult } from "./testing/example-result.js";
import { viewOf } from "./view.js";

const example = exampleResult();
const pins = (example.recommendation?.pins ?? []).map((p) => p.layer);
const title = "encoder/layer.8/<LayerNorm>: 9 nodes to one LayerNormalization";
const report = (measured: Partial<FixReport>): FixReport => ({
  outcome: "fixed",
  fixes: [{ id: "fuse-norm:x", kind: "fuse-norm", title, note: "a <note>", layers: ["x"] }],
  leftOut: [],
  none: [],
  tolerance: 1e-4,
  fp32Change: 2e-7,
  allHalfBefore: Number.POSITIVE_INFINITY,
  ...measured,
});
const advice = (measured: Partial<FixReport>) => fixAdvice(viewOf({ ...example, fixes: report(measured) }));

describe("the advice about fixes", () => {
  test("prefers them to all pins where FP16 then meets the tolerance", () => {
    expect(advice({ allHalfAfter: 0.001 })).toMatch(/^Prefer it to the (\d+ pins|pin): .* no pin at all the error is 0.001/);
  });

  test("prefers them to some pins where the others keep the tolerance", () => {
    const withPins = { pins: pins.slice(1), replaced: pins.slice(0, 1), error: 0.002 };
    expect(advice({ allHalfAfter: 0.5, withPins })).toMatch(/^Prefer it to 1 of the \d+ pins?: .*the error is 0.002/);
  });

  test("keeps the pins where fixes do not bring the error down", () => {
    expect(advice({ allHalfAfter: Number.POSITIVE_INFINITY })).toMatch(
      /outputs are not finite with it: above the tolerance .* the pins stay/,
    );
  });

  test("says nothing where nothing was tried", () => {
    expect(fixAdvice(viewOf(example))).toBeUndefined();
    expect(advice({ fixes: [], allHalfAfter: 0.1 })).toBeUndefined();
  });
});

test("every form of the report tells it, with names and notes escaped", () => {
  const result = { ...example, fixes: report({ allHalfAfter: 0.001 }) };
  expect(renderTerminalSummary(result)).toContain("Prefer it to the");
  expect(renderMarkdown(result)).toContain("\\<LayerNorm\\>");
  const page = renderHtml(result);
  expect(page).toContain("Prefer it to the");
  expect(page).toContain("a &lt;note&gt;");
  expect(page).not.toContain("<LayerNorm>");
});
