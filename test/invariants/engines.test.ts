/** What must hold between the engines of one model, whatever they are built of. */
import { join } from "node:path";
import { measure } from "@halfscope/analysis";
import { isExact, type PrecisionPlan, type TensorValue } from "@halfscope/core";
import { compareTensors, EnginePair, floatOutputs, OutputEngine } from "@halfscope/engine";
import { allHalf, switchesFromPlan } from "@halfscope/precision";
import type { Workbench } from "halfscope";
import { describe, expect, it, type TestContext } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { sharedModel } from "../shared-models.js";
import { candidateOutputs, difference, type Outputs, openBench, randomPlan } from "../support/bench.js";
import { runWithCastPairs } from "../support/cast-pairs.js";
import { temporaryFolder } from "../support/model-file.js";
import { randomModel } from "../support/random-model.js";

const folder = temporaryFolder();
const bert = (style: "decomposed" | "layernorm", heads = 4) =>
  makeBert({ path: join(folder, `${style}.onnx`), layers: 2, hidden: 64, heads, vocab: 200, style, head: "qa" }).then((m) => m.path);

/** Paths of models that need no collection beside the checkout, and of some that do. */
const models: Readonly<Record<string, (context: TestContext) => Promise<string> | string>> = {
  "a made BERT (decomposed)": () => bert("decomposed"),
  "a made BERT (LayerNormalization nodes)": () => bert("layernorm"),
  ...Object.fromEntries([3, 5, 8, 13].map((seed) => [`random graph ${seed}`, () => randomModel(folder, seed)])),
  ...Object.fromEntries(
    ["gpt2-pt-op11", "yolox-nano-op11", "magika-v3_3-op15", "bert-small-dynamo-op20", "llama-ts"].map((name) => [
      name,
      (context: TestContext) => sharedModel(context, name, "model.onnx"),
    ]),
  ),
};

interface PairOutputs {
  reference: Outputs;
  candidate: Outputs;
  pair: EnginePair;
  stats: Awaited<ReturnType<EnginePair["run"]>>["stats"];
}
/** Runs the pair with everything compared and fetches the final outputs of both branches. */
async function runPair<T>(bench: Workbench, plan: PrecisionPlan, use: (run: PairOutputs) => T | Promise<T>): Promise<T> {
  const subject = await bench.subject();
  const { roundings } = subject;
  using pair = await EnginePair.build(
    {
      ...subject,
      placements: roundings.placements,
      switches: switchesFromPlan(plan, roundings),
      mode: "accumulated",
      layerOfSite: new Map(),
    },
    { threads: bench.threads },
  );
  const names = floatOutputs(bench.view, subject.types);
  const run = await pair.run(bench.feeds[0], { fetch: [...new Set(names.flatMap((n) => [n, pair.candidateName(n)]))] });
  const side = (nameOf: (n: string) => string) => new Map(names.map((n) => [n, run.outputs.get(nameOf(n)) as TensorValue]));
  return use({ reference: side((n) => n), candidate: side(pair.candidateName), pair, stats: run.stats });
}

describe.each(Object.entries(models))("of %s", (_, pathOf) => {
  it("the candidate with every switch off is the reference, before and after others were on", async (context) => {
    using bench = await openBench(await pathOf(context));
    const off: PrecisionPlan = { ...allHalf(bench.model.digest, "finite"), defaultPrecision: "float32" };
    const on = allHalf(bench.model.digest, "finite");
    const mixed = randomPlan(bench, 0.5, "overflow", 4);
    const { outputs: reference } = await bench.reference();
    const [off1, on1, mixed1, off2, mixed2, on2] = await candidateOutputs(bench, [off, on, mixed, off, mixed, on]);
    expect(difference(off1!, reference)).toBeUndefined();
    expect(difference(off2!, reference)).toBeUndefined();
    expect(difference(on2!, on1!)).toBeUndefined();
    expect(difference(mixed2!, mixed1!)).toBeUndefined();
    expect(difference(on1!, reference)).toBeDefined();
  });

  it("one thread and two give the same bits", async (context) => {
    using bench = await openBench(await pathOf(context));
    const plans = [allHalf(bench.model.digest, "finite"), randomPlan(bench, 0.4, "finite", 3)];
    const one = await candidateOutputs(bench, plans, 1);
    const two = await candidateOutputs(bench, plans, 2);
    for (const [i] of plans.entries()) expect(difference(one[i]!, two[i]!)).toBeUndefined();
  });

  it("observing every tensor changes no bit of either branch's outputs, and its statistics are those of the outputs", async (context) => {
    using bench = await openBench(await pathOf(context));
    for (const plan of [allHalf(bench.model.digest, "overflow"), randomPlan(bench, 0.4, "finite", 9)]) {
      const [alone] = await candidateOutputs(bench, [plan]);
      await runPair(bench, plan, async ({ reference, candidate, pair, stats }) => {
        expect(difference(reference, (await bench.reference()).outputs), "reference").toBeUndefined();
        expect(difference(candidate, alone!), "candidate").toBeUndefined();
        for (const [name, value] of reference) {
          const slot = pair.compared.findIndex((c) => c.tensor === name);
          expect(stats[slot], name).toEqual(await compareTensors(value, alone!.get(name)!));
        }
      });
    }
  });

  it("a comparison of the reference with itself is exactly zero on every tensor, in both modes", async (context) => {
    using bench = await openBench(await pathOf(context));
    const subject = await bench.subject();
    const plan: PrecisionPlan = { ...allHalf(bench.model.digest, "overflow"), defaultPrecision: "float32" };
    for (const mode of ["accumulated", "isolated"] as const) {
      const { tensors } = await measure(subject, bench.feeds[0], { mode, plan, progress: bench.progress });
      expect(tensors.length).toBeGreaterThan(5);
      expect(tensors.filter((t) => !isExact(t.stats) && t.stats.nanReference === 0).map((t) => t.tensor)).toEqual([]);
    }
  });

  it("roundings equal explicit pairs of Casts, bit for bit", async (context) => {
    using bench = await openBench(await pathOf(context));
    for (const plan of [allHalf(bench.model.digest, "overflow"), randomPlan(bench, 0.4, "overflow", 6)]) {
      const { outputs, rounds } = await runWithCastPairs(bench, plan);
      expect(rounds).toBeGreaterThan(3);
      const [alone] = await candidateOutputs(bench, [plan]);
      expect(difference(outputs, alone!)).toBeUndefined();
    }
  });
});

it("alone, operators that hand values on have no error, though what arrives is wrong", async () => {
  using bench = await openBench(await bert("decomposed"));
  const subject = await bench.subject();
  const plan = allHalf(bench.model.digest, "finite");
  const common = { plan, progress: bench.progress };
  const isolated = await measure(subject, bench.feeds[0], { ...common, mode: "isolated" });
  const accumulated = await measure(subject, bench.feeds[0], { ...common, mode: "accumulated" });
  const moving = (tensor: string) => /Reshape|Transpose/.test(bench.view.producer.get(tensor)?.opType ?? "");
  const moved = isolated.tensors.filter((t) => moving(t.tensor));
  expect(moved.length).toBeGreaterThan(8);
  expect(moved.filter((t) => t.stats.maxAbs > 0).map((t) => t.tensor)).toEqual([]);
  expect(accumulated.tensors.filter((t) => moving(t.tensor)).every((t) => t.stats.maxAbs > 0)).toBe(true);
});

it("an engine that was built for one feed takes another of the same shape, and back, without a trace", async () => {
  using bench = await openBench(await bert("layernorm"), { samples: 2 });
  const subject = await bench.subject();
  const [first, second] = bench.feeds;
  using engine = await OutputEngine.candidate({ ...subject, placements: subject.roundings.placements }, { threads: 2 });
  const switches = switchesFromPlan(allHalf(bench.model.digest, "finite"), subject.roundings);
  const run = async (feed: typeof first) => {
    engine.setFeed(feed);
    return (await engine.outputsOf({ switches })).outputs;
  };
  const before = await run(first);
  expect(difference(await run(second!), before)).toBeDefined();
  expect(difference(await run(first), before)).toBeUndefined();
});
