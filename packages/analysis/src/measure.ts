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

/**
 * One paired run: every float tensor of the main graph compared, reference against candidate.
 * Throws ERR_REFERENCE_NOT_FINITE when the reference's own outputs hold NaN: then FP16 is not what is wrong.
 */
export async function measure(subject: Subject, feed: Feed, o: MeasureOptions): Promise<Measurements> {
  const { roundings, layerOf } = subject;
  using pair = await EnginePair.build(
    {
      ...subject,
      placements: roundings.placements,
      switches: o.switches ?? switchesFromPlan(o.plan, roundings),
      mode: o.mode,
      layerOfSite: new Map(roundings.sites.flatMap((s) => (s.layer === undefined ? [] : [[s.id, s.layer] as const]))),
      observe: o.observe,
      isRandom: (node) => nonDeterministic(node, subject.model.opsets),
    },
    subject.engine,
  );
  const step = o.progress.step(`Comparing ${pair.compared.length} tensors (${o.mode})`, pair.compared.length);
  const run = pair.compared.length === 0 ? undefined : await pair.run(feed, { signal: o.signal, progress: (done) => step.update(done) });
  step.end();
  const tensors: Measurement[] = [];
  const notExecuted = new Set<string>();
  pair.compared.forEach(({ tensor, node }, i) => {
    const stats = run?.stats[i];
    if (stats === undefined) notExecuted.add(tensor);
    else {
      const { count = 1, worst = 0, worstError = 0, firstBroken = -1 } = run?.executions[i] ?? {};
      const rounds = count > 1 ? { rounds: { count, worst, worstError, firstBroken } } : {};
      tensors.push({ tensor, node, layer: layerOf.get(node) ?? "", stats, ...rounds });
    }
  });
  const changed = pair.decided.flatMap(({ tensor, node }, i): DecisionChange[] => {
    const found = run?.decisions[i];
    if (found === undefined || found.differing === 0) return [];
    const { differing, count, firstIndex, reference, candidate } = found;
    return [{ tensor, node, layer: layerOf.get(node) ?? "", differing, count, firstIndex, reference, candidate }];
  });
  const outputs = Object.fromEntries(
    tensors.filter((t) => floatOutputs(subject.view, subject.types).includes(t.tensor)).map((t) => [t.tensor, t.stats]),
  );
  refuseBrokenReference(outputs, tensors);
  return {
    mode: o.mode,
    constants: o.plan.constants,
    tensors,
    outputs,
    decisions: { changed, compared: pair.decided.length },
    ...coverageOf(subject, new Set(tensors.map((t) => t.tensor)), notExecuted),
  };
}

function refuseBrokenReference(outputs: Measurements["outputs"], tensors: readonly Measurement[]): void {
  const broken = Object.entries(outputs).find(([, s]) => s.nanReference > 0 || s.infReference > 0);
  if (broken === undefined) return;
  const first = tensors.find((t) => t.stats.nanReference > 0) ?? tensors.find((t) => t.stats.infReference > 0);
  throw new InputError(
    "ERR_REFERENCE_NOT_FINITE",
    `The reference itself is not finite: output "${broken[0]}" has ${broken[1].nanReference} NaN and ${broken[1].infReference} Inf in FP32.`,
    {
      hint: `Nothing can be said about FP16 until that is mended. It starts at tensor "${first?.tensor ?? broken[0]}"; check the feeds (a fully masked row?) and the weights.`,
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
  for (const init of subject.view.initializers.values()) coverage[isFloat(init.dtype) ? "constant" : "not-float"]++;
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
