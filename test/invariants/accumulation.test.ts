/** Sums of products in FP16, and nodes that round as one: what must hold between the engines that have them. */
import { join } from "node:path";
import { isExact, switchOff } from "@halfscope/core";
import { EnginePair } from "@halfscope/engine";
import { allHalf, switchesFromPlan } from "@halfscope/precision";
import { compareStep, type Workbench } from "halfscope";
import { describe, expect, it, type TestContext } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { sharedModel } from "../shared-models.js";
import { candidateOutputs, difference, openBench, randomPlan, realiseAndRun } from "../support/bench.js";
import { temporaryFolder } from "../support/model-file.js";
import { randomModel } from "../support/random-model.js";

const folder = temporaryFolder();
const madeBert = async (name: string) =>
  (await makeBert({ path: join(folder, `${name}.onnx`), layers: 2, hidden: 64, heads: 4, vocab: 200, maxPosition: 64 })).path;

async function expectOneMeaning(bench: Workbench): Promise<void> {
  const plans = [0, 0.4].map((share, i) => randomPlan(bench, share, "finite", 5 + i));
  const outputs = await candidateOutputs(bench, plans);
  for (const [i, plan] of plans.entries()) {
    const file = await realiseAndRun(bench, plan, join(folder, "mixed.onnx"));
    expect(difference(file.outputs, outputs[i]!), `${plan.pins.length} of ${bench.layers.length} layers pinned`).toBeUndefined();
  }
}

describe("under --like tensorrt, a plan's switches and its file give the same bits", () => {
  const ofModel = async (context: TestContext, name: string) => {
    using bench = await openBench(sharedModel(context, name, "model.onnx"), { like: "tensorrt" });
    await expectOneMeaning(bench);
  };
  for (const name of ["bert-toy-op12", "yolox-nano-op11", "magika-v3_3-op15", "basic-pitch-op15", "gpt2-pt-op11", "mobilenetv3-dynamo"])
    it(`of ${name}`, { timeout: 120_000 }, (context) => ofModel(context, name));

  it("of a made BERT, and of random graphs", { timeout: 240_000 }, async () => {
    using bert = await openBench(await madeBert("meaning"), { like: "tensorrt" });
    await expectOneMeaning(bert);
    for (let seed = 1; seed <= 10; seed++) {
      using bench = await openBench(randomModel(folder, seed), { like: "tensorrt" });
      await expectOneMeaning(bench);
    }
  });
});

describe("under --like ort-cuda, what is fused in the plan is fused in its file", () => {
  // RMS normalizations, decomposed ones with an epsilon that FP16 holds, and scaled attention products.
  for (const name of [
    "bert-squad-pt-op11",
    "gpt2-pt-op11",
    "llama-ts",
    "convnext-ts",
    "deberta-v2-dynamo",
    "bert-small-dynamo-op20",
    "cct-xs-plate-ocr-op15",
  ])
    it(`of ${name}`, { timeout: 120_000 }, async (context) => {
      using bench = await openBench(sharedModel(context, name, "model.onnx"), { like: "ort-cuda" });
      await expectOneMeaning(bench);
    });

  it("of a made BERT, and of random graphs", { timeout: 240_000 }, async () => {
    using bert = await openBench(await madeBert("fused"), { like: "ort-cuda" });
    expect((await bert.subject()).roundings.keptFull?.size).toBeGreaterThan(0);
    await expectOneMeaning(bert);
    for (let seed = 1; seed <= 10; seed++) {
      using bench = await openBench(randomModel(folder, seed), { like: "ort-cuda" });
      await expectOneMeaning(bench);
    }
  });
});

describe("a candidate under --like tensorrt", () => {
  it("with every switch off is the reference bit for bit, and switches leave no trace", async () => {
    using bench = await openBench(await madeBert("off"), { like: "tensorrt" });
    const { roundings } = await bench.subject();
    const off = new Uint8Array(roundings.placements.length);
    const on = switchesFromPlan(allHalf("", "finite"), roundings);
    const reference = (await bench.reference()).outputs;
    const before = await bench.outputStats(bench.feeds[0], off);
    await bench.outputStats(bench.feeds[0], on);
    const after = await bench.outputStats(bench.feeds[0], off);
    for (const stats of [before, after]) for (const s of stats.values()) expect(isExact(s)).toBe(true);
    expect(reference.size).toBe(before.size);
  });

  it("with its roundings alone, the multiply-adds in two, is what --like pytorch is, and differs from it by its sums", async () => {
    const path = await madeBert("sums");
    using tensorrt = await openBench(path, { like: "tensorrt" });
    using pytorch = await openBench(path, { like: "pytorch", profile: { constants: "finite" } });
    const { roundings } = await tensorrt.subject();
    const { keptFull, ...twice } = roundings;
    expect(keptFull?.size).toBeGreaterThan(0);
    const all = switchesFromPlan(allHalf("", "finite"), twice);
    const roundingsOnly = all.map((s, i) => (roundings.placements[i]?.at === "product" ? switchOff : s));
    expect(roundings.placements.some((p) => p.at === "product")).toBe(true);
    const ofTensorrt = await tensorrt.evaluator()(roundingsOnly);
    const ofPytorch = await pytorch.evaluator()(switchesFromPlan(allHalf("", "finite"), (await pytorch.subject()).roundings));
    expect(ofTensorrt).toEqual(ofPytorch);
    expect((await tensorrt.evaluator()(all)).error).toBeGreaterThan(ofPytorch.error);
  });

  it("does in the pair what it does alone", async () => {
    using bench = await openBench(await madeBert("pair"), { like: "tensorrt" });
    const subject = await bench.subject();
    const switches = switchesFromPlan(allHalf("", "finite"), subject.roundings);
    using pair = await EnginePair.build(
      { ...subject, placements: subject.roundings.placements, switches, mode: "accumulated", layerOfSite: new Map() },
      { threads: 2 },
    );
    const run = await pair.run(bench.feeds[0]);
    const alone = await bench.outputStats(bench.feeds[0], switches);
    for (const [name, stats] of alone) {
      const inPair = run.stats[pair.compared.findIndex((c) => c.tensor === name)];
      expect(inPair?.maxAbs).toBe(stats.maxAbs);
      expect(inPair?.sumSquaredError).toBeCloseTo(stats.sumSquaredError, 12);
    }
  });

  it("charges the sums to their own layer when layers are isolated", async () => {
    const path = await madeBert("isolated");
    using tensorrt = await openBench(path, { like: "tensorrt" });
    using pytorch = await openBench(path, { like: "pytorch" });
    const [summed, plain] = [await compareStep(tensorrt), await compareStep(pytorch)];
    const plainStats = new Map(plain.isolated.tensors.map((t) => [t.tensor, t.stats]));
    const products = new Set((await tensorrt.subject()).roundings.placements.filter((p) => p.at === "product").map((p) => p.tensor));
    const layersOfProducts = new Set(summed.isolated.tensors.filter((t) => products.has(t.tensor)).map((t) => t.layer));
    const { keptFull = new Set() } = (await tensorrt.subject()).roundings;
    const layersOfMultiplyAdds = new Set(summed.isolated.tensors.filter((t) => keptFull.has(t.tensor)).map((t) => t.layer));
    for (const t of summed.isolated.tensors) {
      const stats = plainStats.get(t.tensor);
      if (!layersOfProducts.has(t.layer) && !layersOfMultiplyAdds.has(t.layer)) expect(t.stats, t.tensor).toEqual(stats);
    }
    const larger = summed.isolated.tensors.filter(
      (t) => products.has(t.tensor) && t.stats.sumAbs > (plainStats.get(t.tensor)?.sumAbs ?? 0),
    );
    expect(larger.length).toBeGreaterThan(products.size / 2);
  });
});
