/** What a plan means does not depend on how it is run: by switches in one engine, or by types and Casts in a file. */
import { join } from "node:path";
import { allHalf, roundedUses, withPins } from "@halfscope/precision";
import type { Workbench } from "halfscope";
import { describe, expect, it, type TestContext } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { sharedModel } from "../shared-models.js";
import { candidateOutputs, difference, openBench, randomPlan, realiseAndRun } from "../support/bench.js";
import { temporaryFolder } from "../support/model-file.js";
import { randomModel } from "../support/random-model.js";

const folder = temporaryFolder();
const shares = [0, 0.3, 0.8];
/** More of them once in a while: HALFSCOPE_RANDOM_GRAPHS=1000. */
const randomGraphs = Number(process.env.HALFSCOPE_RANDOM_GRAPHS ?? 30);
const policies = ["finite", "overflow"] as const;

/** For several plans: the file rounds what the plan rounds, and both emulations give the same bits. */
async function expectOneMeaning(bench: Workbench, seed: number): Promise<void> {
  const { roundings } = await bench.subject();
  const plans = policies.flatMap((p, i) => shares.map((share, k) => randomPlan(bench, share, p, seed + 10 * i + k)));
  const outputs = await candidateOutputs(bench, plans);
  for (const [i, plan] of plans.entries()) {
    const file = await realiseAndRun(bench, plan, join(folder, "mixed.onnx"));
    const expected = roundedUses(plan, roundings);
    const what = `${plan.pins.length} of ${bench.layers.length} layers pinned, constants ${plan.constants}`;
    expect([...file.sites.uses].filter((u) => !expected.has(u)).slice(0, 5), `${what}: rounded only in the file`).toEqual([]);
    expect([...expected].filter((u) => !file.sites.uses.has(u)).slice(0, 5), `${what}: rounded only by the plan`).toEqual([]);
    expect(difference(file.outputs, outputs[i]!), what).toBeUndefined();
  }
}

async function expectOfModel(context: TestContext, name: string): Promise<void> {
  using bench = await openBench(sharedModel(context, name, "model.onnx"));
  await expectOneMeaning(bench, 1);
  const [allInHalf] = await candidateOutputs(bench, [allHalf(bench.model.digest, "finite")]);
  expect(difference(allInHalf!, (await bench.reference()).outputs), "FP16 must change something").toBeDefined();
}

describe("a plan's switches and its file round the same uses and give the same bits", () => {
  for (const name of [
    "bert-toy-op12",
    "gpt2-pt-op11",
    "yolox-nano-op11",
    "magika-v3_3-op15",
    "basic-pitch-op15",
    "bert-squad-pt-op11",
    "bert-small-dynamo-op20",
    "llama-ts",
    "convnext-ts",
    "mobilenetv3-dynamo",
    "cct-xs-plate-ocr-op15",
    "deberta-v2-dynamo",
  ])
    it(`of ${name}`, { timeout: 120_000 }, (context) => expectOfModel(context, name));

  it.each(["decomposed", "layernorm"] as const)("of a made BERT (%s)", { timeout: 120_000 }, async (style) => {
    const { path } = await makeBert({ path: join(folder, `${style}.onnx`), layers: 2, hidden: 32, heads: 4, vocab: 99, style, head: "qa" });
    using bench = await openBench(path);
    await expectOneMeaning(bench, 7);
  });

  it("of random graphs", { timeout: 120_000 + 1000 * randomGraphs }, async () => {
    for (let seed = 1; seed <= randomGraphs; seed++) {
      using bench = await openBench(randomModel(folder, seed));
      await expectOneMeaning(bench, 100 * seed).catch((cause: unknown) => {
        throw new Error(`random graph of seed ${seed}: ${(cause as Error).message}`, { cause });
      });
    }
  });
});

it("with every layer pinned, the file is the reference: no Cast, no FP16 weight, the same bits", async () => {
  const { path } = await makeBert({ path: join(folder, "pinned.onnx"), layers: 2, hidden: 32, heads: 4, vocab: 99 });
  using bench = await openBench(path);
  const plan = withPins(
    allHalf(bench.model.digest, "finite"),
    bench.layers.map((l) => l.id),
  );
  const { sites, outputs } = await realiseAndRun(bench, plan, join(folder, "all-pinned.onnx"));
  expect([sites.casts, sites.halfWeights, sites.uses.size]).toEqual([0, 0, 0]);
  expect(difference(outputs, (await bench.reference()).outputs)).toBeUndefined();
});
