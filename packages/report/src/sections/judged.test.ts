import type { ResultDocument, Sensitivity } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { renderHtml } from "../page.js";
import { exampleResult } from "../testing/example-result.js";

const swept = exampleResult({ blocks: 2, upTo: "swept" });
const sectionOf = (more: Partial<Sensitivity>, result: ResultDocument = swept): string => {
  const page = renderHtml({ ...result, sensitivity: { ...(result.sensitivity as Sensitivity), ...more } });
  return /<section id="cost".*?<\/section>/s.exec(page)?.[0] ?? "";
};
const layers = swept.sensitivity?.layers ?? [];
const figures = { count: 256, maxAbs: 0.5, meanAbs: 0.125, relativeL2: 0.0625, cosine: 0.998, nonFinite: 0 };

describe("the section of costs", () => {
  test("says nothing of what an older result does not hold", () => {
    const section = sectionOf({});
    expect(section).toContain("added in squares");
    for (const word of ["Noise floor", "sums inside products", "Padded", "Swept on", "estimated", "The final outputs with"])
      expect(section).not.toContain(word);
  });

  test("shows accumulation as a cause of its own", () => {
    const section = sectionOf({ layers: layers.map((l, i) => ({ ...l, ...(i === 0 && { accumulation: 0.0123 }) })) });
    expect(section).toContain("sums inside products");
    expect(section).toContain("bar-three");
    expect(section).toContain("0.0123");
  });

  test("tells how the parts were added, and what squares alone would say", () => {
    expect(sectionOf({ predictedInSquares: 0.5 })).toMatch(/with their signs.*all in squares would be.*0\.5/s);
  });

  test("tells the noise floor, from samples or from perturbations, and marks the layers below", () => {
    const noise = { perOutput: [0.002, 0.001], spread: [0.002, 0.001], perturbations: 0, samples: 4, below: 3 };
    const below = layers.map((l, i) => ({ ...l, ...(i === 1 && { belowFloor: true as const }) }));
    const tokens = sectionOf({ noise, layers: below });
    expect(tokens).toMatch(/Noise floor.*0\.002.*the spread over 4 samples.*3 groups/s);
    expect(tokens.match(/>noise</g)).toHaveLength(1);
    expect(sectionOf({ noise: { ...noise, perturbations: 3, relative: 1e-6 } })).toContain("3 runs with inputs moved");
  });

  test("says what padding, metric and samples make of the numbers", () => {
    const section = sectionOf({
      samples: 3,
      metric: 0.25,
      judgement: {
        figure: "metric",
        metric: { path: "words<b>.mjs", digest: "00" },
        padding: { rule: "a rule", kept: false, masks: [{ input: "attention_mask", outputs: ["logits"], leftOut: 40, of: 128 }] },
        classRule: "a rule",
      },
    });
    expect(section).toContain("Swept on 3 samples");
    expect(section).toContain("40 of 128 positions");
    expect(section).toContain("words&lt;b&gt;.mjs");
  });

  test("lists every output with its figures, classes where there are any", () => {
    const classes = { read: "logits" as const, count: 2, rows: 128, top1Agreement: 0.96875, klDivergence: 0.0005 };
    const section = sectionOf({ figures: { hidden: figures, logits: { ...figures, classes } } });
    expect(section).toContain("same class");
    expect(section).toMatch(/97 %/);
    expect(sectionOf({ figures: { hidden: figures } })).not.toContain("same class");
  });

  test("says what an adaptive sweep did not open", () => {
    const set = { name: "encoder/layer.0", sites: 9, perOutput: [0.1], outputError: 0.1, opened: true };
    const section = sectionOf({
      adaptive: {
        threshold: 0.05,
        estimated: 12,
        estimatedShare: 0.03,
        captured: 0.97,
        sets: [set, { ...set, opened: false }],
        additivity: { blocks: 1.02, opened: [1] },
      },
      layers: layers.map((l) => ({ ...l, estimated: true })),
    });
    expect(section).toMatch(/2 sets.*1 of them opened.*12 groups.*3\.0 %.*1\.02/s);
    expect(section).toContain(">estimated<");
  });
});
