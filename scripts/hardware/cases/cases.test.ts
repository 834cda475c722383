import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { switchesFromPlan } from "@halfscope/precision";
import { compareStep } from "halfscope";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { outcomeOf } from "../measuring/outcome.js";
import { Studied } from "../measuring/studied.js";
import { hazardCases } from "./index.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-cases-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function predictionOf(id: string, constants: "finite" | "overflow" = "finite") {
  const found = hazardCases.find((c) => c.id === id);
  if (found === undefined) return expect.unreachable(`there is no case ${id}`);
  const path = await found.make().write(join(folder, id));
  using studied = await Studied.open(path, { like: "tensorrt", feeds: [join(folder, id, "test_data_set_0")] });
  const { roundings } = await studied.bench.subject();
  const stats = await studied.bench.outputStats(studied.feed, switchesFromPlan(studied.plan([], constants), roundings));
  return { ...outcomeOf(stats.values()), hazards: (await compareStep(studied.bench)).hazards.map((h) => h.code as string) };
}

test("every case has an id and a title of its own", () => {
  expect(new Set(hazardCases.map((c) => c.id)).size).toBe(hazardCases.length);
  for (const c of hazardCases) expect(c.id).toMatch(/^[a-z0-9.-]+$/);
});

describe("what halfscope predicts for the cases that everybody knows", () => {
  test.each([
    ["norm-written-out-1000", "wrong", "decomposed-layer-norm"],
    ["norm-written-out-300", "wrong", "decomposed-layer-norm"],
    ["norm-inside-1000", "wrong", "decomposed-layer-norm"],
    ["epsilon-1e-12-rows-without-variance", "NaN", "epsilon-underflow"],
    ["softmax-by-hand-12", "NaN", "decomposed-softmax"],
    ["softmax-by-hand-10", "wrong", "decomposed-softmax"],
    ["division-epsilon-1e-8", "NaN", "epsilon-underflow"],
    ["division-of-vanishing", "NaN", "small-divisor"],
    ["logarithm-1e-10", "Inf", "epsilon-underflow"],
    ["reciprocal-small", "Inf", "range-overflow"],
    ["attention-large-scores", "NaN", "range-overflow"],
    ["weights-underflow", "wrong", "weight-underflow"],
    ["positions-4095", "wrong", "inexact-positions"],
  ])("%s is %s, and its hazard is %s", async (id, outcome, hazard) => {
    const found = await predictionOf(id);
    expect(found.outcome).toBe(outcome);
    expect(found.hazards).toContain(hazard);
  });

  test.each([
    "norm-written-out-200",
    "norm-node-1000",
    "softmax-by-hand-shifted",
    "softmax-node-1000",
    "attention-plain",
    "mask-1e4",
    "mask-inf",
    "gelu-tanh-60",
    "embedding",
  ])("%s is fine", async (id) => expect((await predictionOf(id)).outcome).toBe("fine"));

  test("a mask that a plain cast turns to infinity is NaN where a row sees nothing; a finite one keeps the order of scores that FP32 loses", async () => {
    expect((await predictionOf("mask-empty-rows-1e9", "overflow")).outcome).toBe("NaN");
    expect((await predictionOf("mask-empty-rows-1e9")).outcome).toBe("wrong");
    expect((await predictionOf("mask-empty-rows-1e4")).outcome).toBe("fine");
  });
});
