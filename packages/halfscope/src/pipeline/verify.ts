import { type OutputError, verdictFrom } from "@halfscope/analysis";
import { type ErrorStats, type HalfType, InputError, type PrecisionPlan, type TensorTypes, type Verdict } from "@halfscope/core";
import { inferTypes, OutputEngine, shapesOfFeed } from "@halfscope/engine";
import { checkExternalData, type GraphView, listLayers, type Node, readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import {
  allHalf,
  engineFaults,
  isHalfType,
  keptFullBy,
  mapNames,
  movedInputs,
  productSums,
  restoreSites,
  switchesFromPlan,
} from "@halfscope/precision";
import { compareMappedTensors } from "./compare-tensors.js";
import type { Workbench } from "./workbench.js";

/**
 * The measured verdict on any FP16 or mixed-precision file made from the bench's model, by halfscope or another tool: its final outputs on every
 * sample, with each tensor in those types emulated, against the FP32 original. With `tensors`, its inner tensors too, on the first sample.
 */
export async function verifyStep(
  bench: Workbench,
  candidatePath: string,
  tolerance: number,
  o: { tensors?: boolean } = {},
): Promise<Verdict> {
  const model = unfoldModel(await readModel(candidatePath));
  checkExternalData(model);
  const view = viewGraph(model.graph);
  requireSameFace(
    bench,
    view.graph.inputs.filter((i) => !view.initializers.has(i.name)).map((i) => i.name),
    view.graph.outputs.map((v) => v.name),
    candidatePath,
  );
  const types = await inferTypes(model, view, shapesOfFeed(bench.feeds[0]));
  const isMover = (node: Node, type: HalfType) => movedInputs(node, type) !== undefined;
  const sumsOf = productSums(bench.profile, { view, types });
  const keepsFull = keptFullBy(bench.profile, { view, types, layers: listLayers(model, view) });
  for (const warning of faultsOf(bench, view, types)) bench.progress.note(`Warning: ${warning}`);
  const samples: ReadonlyMap<string, ErrorStats>[] = [];
  const judged: OutputError[] = [];
  const step = bench.progress.step(`Verifying ${candidatePath}`, bench.feeds.length);
  for (const feed of bench.feeds) {
    using engine = await OutputEngine.restored(
      { model, view, types, feedShapes: shapesOfFeed(feed), isMover, sumsOf, keepsFull },
      { threads: bench.threads },
    );
    engine.setFeed(feed);
    engine.setReference((await bench.reference(feed)).outputs);
    const { stats, outputs } = await engine.evaluate({ signal: bench.signal, values: true });
    samples.push(stats);
    judged.push(await (await bench.judge(feed)).judge(outputs, { figures: true }));
    step.update(samples.length);
  }
  step.end();
  const subject = await bench.subject();
  const names = mapNames(subject, { view, types });
  const computed = [...view.producer.keys()].filter((t) => isHalfType(types.get(t)?.dtype) || types.get(t)?.dtype === "float32");
  const sites = restoreSites(view, types, (t) => names.original.get(t) ?? t);
  const counts = { mapped: computed.length - names.unmapped.length, unmapped: names.unmapped.length };
  const verdict: Verdict = {
    ...verdictFrom(samples, tolerance, sites, counts, judged),
    judgement: await bench.judgement(),
    unmapped: names.unmapped,
  };
  if (o.tensors !== true) return verdict;
  const feed = bench.feeds[0];
  const converted = { model, view, types, feedShapes: shapesOfFeed(feed), isMover, sumsOf, keepsFull };
  const { layers, origins } = await compareMappedTensors(bench, feed, converted, names);
  return { ...verdict, layers, origins };
}

/** Nodes of a file that are in FP16 though the engine computes them wrongly in it. The emulation sums them in FP32, so no figure shows it. */
function faultsOf({ profile }: Workbench, view: GraphView, types: TensorTypes): string[] {
  const reasonOf = engineFaults(profile, { view, types });
  return view.order.flatMap((node) => {
    const reason = types.get(node.outputs[0] ?? "")?.dtype === "float16" ? reasonOf(node) : undefined;
    return reason === undefined
      ? []
      : [`${node.opType} "${node.name || node.outputs[0]}" is in FP16, and ${reason}: the verdict does not show that. Keep it in FP32.`];
  });
}

/** The same model with every layer in FP16 and finite constants, for comparison; `change` may add pins. */
export async function verifyAllHalf(
  bench: Workbench,
  tolerance: number,
  change: (plan: PrecisionPlan) => PrecisionPlan = (plan) => plan,
): Promise<Verdict> {
  const { roundings } = await bench.subject();
  const switches = switchesFromPlan(change(allHalf(bench.model.digest, "finite", bench.precision)), roundings);
  const samples: ReadonlyMap<string, ErrorStats>[] = [];
  const judged: OutputError[] = [];
  for (const feed of bench.feeds) {
    samples.push(await bench.outputStats(feed, switches));
    judged.push(await bench.evaluator(feed)(switches, { figures: true }));
  }
  const sites = {
    uses: new Set<string>(),
    outputs: new Set<string>(),
    tensors: new Set(roundings.sites.map((s) => s.tensor)),
    casts: 0,
    halfWeights: roundings.sites.filter((s) => s.kind === "weight").length,
    fullWeights: 0,
    types: [bench.precision],
  };
  return { ...verdictFrom(samples, tolerance, sites, { mapped: 0, unmapped: 0 }, judged), judgement: await bench.judgement() };
}

function requireSameFace(bench: Workbench, inputs: readonly string[], outputs: readonly string[], path: string): void {
  const fed = [...bench.feeds[0].tensors.keys()];
  const missing = [...fed.filter((n) => !inputs.includes(n)), ...inputs.filter((n) => !fed.includes(n))];
  const lost = bench.view.graph.outputs.map((v) => v.name).filter((n) => !outputs.includes(n));
  if (missing.length === 0 && lost.length === 0) return;
  throw new InputError(
    "ERR_MODEL_UNSUPPORTED",
    `${path} is no version of ${bench.model.path}: ${missing.length > 0 ? `inputs differ (${missing.join(", ")})` : `outputs are missing (${lost.join(", ")})`}.`,
    {
      hint: "Give the FP16 or mixed file that was made from this model.",
    },
  );
}
