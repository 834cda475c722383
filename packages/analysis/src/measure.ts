import {
  type DecisionChange,
  InputError,
  isFloat,
  type MeasureMode,
  type Measurement,
  type Measurements,
  type PrecisionPlan,
  type Progress,
  type TensorStatus,
} from "@halfscope/core";
import { EnginePair, type Feed, floatOutputs } from "@halfscope/engine";
import { nonDeterministic, switchesFromPlan } from "@halfscope/precision";
import { mergeRuns, type SampleRun } from "./samples.js";
import type { Subject } from "./subject.js";

export interface MeasureOptions {
  mode: MeasureMode;
  plan: PrecisionPlan;
  /** What to round, where a plan cannot say it; the plan then only names the policy of constants. */
  switches?: Uint8Array | undefined;
  progress: Progress;
  signal?: AbortSignal | undefined;
  /** Tensors to compare; all float tensors by default. */
  observe?: ((tensor: string) => boolean) | undefined;
}

/** A sample with the subject of its shapes. */
export interface Sample {
  subject: Subject;
  feed: Feed;
}

/**
 * A paired run per sample: every float tensor compared, reference against candidate, in bodies too; statistics of several samples as one. The first sample's
 * subject speaks for all: they differ in shapes only.
 * Throws ERR_REFERENCE_NOT_FINITE when the reference's own outputs hold NaN: then FP16 is not what is wrong.
 */
export async function measure(subject: Subject, feed: Feed, o: MeasureOptions, more: readonly Sample[] = []): Promise<Measurements> {
  const samples = [{ subject, feed }, ...more];
  let all: SampleRun | undefined;
  let compared = 0;
  // One pair per shape of sample, the others of that shape run on it.
  for (const shape of new Set(samples.map((s) => s.subject))) {
    using pair = await buildPair(shape, o);
    compared = Math.max(compared, pair.decided.length);
    const feeds = samples.filter((s) => s.subject === shape).map((s) => s.feed);
    const step = o.progress.step(`Comparing ${pair.compared.length} tensors (${o.mode})`, pair.compared.length * feeds.length);
    for (const [i, each] of feeds.entries()) {
      const run = await runSample(shape, pair, each, o, (done) => step.update(i * pair.compared.length + done));
      all = all === undefined ? run : mergeRuns(all, run);
    }
    step.end();
  }
  const tensors = [...(all?.tensors.values() ?? [])];
  const judged = floatOutputs(subject.view, subject.types);
  const outputs = Object.fromEntries(tensors.filter((t) => judged.includes(t.tensor)).map((t) => [t.tensor, t.stats]));
  refuseBrokenReference(outputs, tensors);
  return {
    mode: o.mode,
    constants: o.plan.constants,
    tensors,
    outputs,
    decisions: { changed: [...(all?.decisions.values() ?? [])].filter((d) => d.differing > 0), compared },
    ...coverageOf(subject, new Set(tensors.map((t) => t.tensor)), all?.notExecuted ?? new Set()),
  };
}

const buildPair = (subject: Subject, o: MeasureOptions): Promise<EnginePair> =>
  EnginePair.build(
    {
      ...subject,
      placements: subject.roundings.placements,
      switches: o.switches ?? switchesFromPlan(o.plan, subject.roundings),
      mode: o.mode,
      layerOfSite: new Map(subject.roundings.sites.flatMap((s) => (s.layer === undefined ? [] : [[s.id, s.layer] as const]))),
      observe: o.observe,
      isRandom: (node) => nonDeterministic(node, subject.model.opsets),
    },
    subject.engine,
  );

async function runSample(
  { layerOf }: Subject,
  pair: EnginePair,
  feed: Feed,
  o: MeasureOptions,
  progress: (done: number) => void,
): Promise<SampleRun> {
  const run = pair.compared.length + pair.decided.length === 0 ? undefined : await pair.run(feed, { signal: o.signal, progress });
  const tensors = new Map<string, Measurement>();
  const notExecuted = new Set<string>();
  pair.compared.forEach(({ tensor, node }, i) => {
    const stats = run?.stats[i];
    if (stats === undefined) {
      notExecuted.add(tensor);
      return;
    }
    const { count = 1, worst = 0, worstError = 0, firstBroken = -1 } = run?.executions[i] ?? {};
    const rounds = count > 1 ? { rounds: { count, worst, worstError, firstBroken } } : {};
    tensors.set(tensor, { tensor, node, layer: layerOf.get(node) ?? "", stats, ...rounds });
  });
  const decisions = pair.decided.flatMap(({ tensor, node }, i): [string, DecisionChange][] => {
    const found = run?.decisions[i];
    if (found === undefined) return [];
    const { differing, count, firstIndex, reference, candidate } = found;
    return [[tensor, { tensor, node, layer: layerOf.get(node) ?? "", differing, count, firstIndex, reference, candidate }]];
  });
  return { tensors, decisions: new Map(decisions), notExecuted };
}

function refuseBrokenReference(outputs: Measurements["outputs"], tensors: readonly Measurement[]): void {
  const broken = Object.entries(outputs).find(([, s]) => s.nanReference > 0 || s.infReference > 0);
  if (broken === undefined) return;
  const first = tensors.find((t) => t.stats.nanReference > 0) ?? tensors.find((t) => t.stats.infReference > 0);
  throw new InputError(
    "ERR_REFERENCE_NOT_FINITE",
    `The reference itself is not finite: output "${broken[0]}" has ${broken[1].nanReference} NaN and ${broken[1].infReference} Inf in FP32.`,
    {
      hint: `Nothing can be said about another precision until that is mended. It starts at tensor "${first?.tensor ?? broken[0]}"; check the feeds (a fully masked row?) and the weights.`,
      context: { output: broken[0], firstTensor: first?.tensor },
    },
  );
}

function coverageOf(
  subject: Subject,
  compared: ReadonlySet<string>,
  notExecuted: ReadonlySet<string>,
): Pick<Measurements, "coverage" | "notSupported"> {
  const coverage: Record<TensorStatus, number> = { compared: 0, "not-float": 0, constant: 0, "not-executed": 0, "not-supported": 0 };
  const notSupported: { tensor: string; reason: string }[] = [];
  let unobserved = 0;
  for (const init of [...subject.view.initializers.values(), ...subject.view.sparse.values()])
    coverage[isFloat(init.dtype) ? "constant" : "not-float"]++;
  for (const tensor of subject.view.producer.keys()) {
    const dtype = subject.types.get(tensor)?.dtype ?? "unknown";
    if (compared.has(tensor)) coverage.compared++;
    else if (notExecuted.has(tensor)) coverage["not-executed"]++;
    else if (dtype === "float32") {
      coverage["not-supported"]++;
      unobserved++;
    } else if (isFloat(dtype)) {
      coverage["not-supported"]++;
      notSupported.push({ tensor, reason: `${dtype} tensors are left as they are` });
    } else if (dtype === "unknown") {
      coverage["not-supported"]++;
      notSupported.push({ tensor, reason: "no tensor (sequence, optional or map), or its type is not known" });
    } else coverage["not-float"]++;
  }
  if (unobserved > 0) notSupported.push({ tensor: `${unobserved} tensors`, reason: "left out by choice" });
  for (const [node, reason] of subject.roundings.floats.fixedNodes) {
    const tensor = subject.view.nodes[node]?.outputs.find((t) => t !== "") ?? `node ${node}`;
    notSupported.push({ tensor, reason: `its node stays in FP32: ${reason}` });
  }
  return { coverage, notSupported };
}
