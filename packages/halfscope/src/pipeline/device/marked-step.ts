import { type DeviceTensor, type EngineRecord, type ErrorStats, type Measurements, meanAbs, relativeL2 } from "@halfscope/core";
import { type DeviceEngine, type EnginePrecision, groupTensors } from "@halfscope/engine";
import { halfWordOf } from "./device-files.js";
import { compareOutputs, feedFor, mergeSamples, type Outputs } from "./device-values.js";
import type { KeptEngine, KeptTensors } from "./engine-journal.js";
import { tensorsToMark } from "./markable.js";
import { judged, measureEngine, recordOf } from "./measure-engine.js";
import { typingWords } from "./options.js";
import type { DeviceSession } from "./session.js";

export interface MarkedPair {
  /** The unmarked all-FP16 engine first, then the marked pairs. */
  engines: readonly EngineRecord[];
  tensors: readonly DeviceTensor[];
  notObserved: readonly { tensor: string; reason: string }[];
  marking: KeptTensors["marking"];
  /** Of running and comparing what was marked, builds left out. */
  seconds: number;
}

/** Device memory that marked tensors of one engine may take: a part of what there is, since both engines and their activations live beside them. */
const [shareOfMemory, assumedMemory] = [1 / 16, 32e9];

/**
 * The all-FP16 engine, unmarked, and the FP32 and all-FP16 engines with every float tensor marked that the graph names, compared tensor by tensor. Marking changes what is
 * fused, so the marked engine's final outputs stand beside the unmarked one's.
 */
export async function markedStep(s: DeviceSession, prediction: Measurements): Promise<MarkedPair> {
  const word = halfWordOf(s.bench.precision);
  const title = `all ${word}, ${typingWords(s.typing, s.environment.backend)}`;
  const how = s.options.observe ?? "outputs";
  const spec = { role: "all-half", title, pins: [] } as const;
  if (how === "none") {
    const engine = await measureEngine(s, spec);
    return { engines: [engine], tensors: [], notObserved: [], marking: [], seconds: 0 };
  }
  const key = { ...s.identity, typing: s.typing, observe: how, tensors: prediction.tensors.map((t) => t.tensor) };
  let kept = s.journal.get("tensors", key);
  let outputs: readonly Outputs[] | undefined;
  const keepOutputs = async (_: DeviceEngine, found: readonly Outputs[]) => {
    outputs = found;
  };
  const plain = await measureEngine(s, spec, kept === undefined ? keepOutputs : undefined);
  if (kept === undefined) {
    kept = await compareMarked(s, prediction, outputs ?? []);
    s.journal.add("tensors", key, kept);
  }
  const groups = kept.engines.length;
  const marked = kept.engines.flatMap(({ reference, candidate }, i): EngineRecord[] => {
    const group = groups > 1 ? `, group ${i + 1} of ${groups}` : "";
    const and = `${reference.marked} tensors marked${group}`;
    return [
      { role: "reference", title: `FP32, ${and}`, ...reference },
      recordOf(s, { role: "all-half", title: `${title}, ${and}` }, candidate),
    ];
  });
  return { engines: [plain, ...marked], tensors: beside(kept.tensors, prediction), ...pick(kept) };
}

const pick = ({ notObserved, marking, seconds }: KeptTensors): Pick<MarkedPair, "notObserved" | "marking" | "seconds"> => ({
  notObserved,
  marking,
  seconds,
});

async function compareMarked(s: DeviceSession, prediction: Measurements, unmarked: readonly Outputs[]): Promise<KeptTensors> {
  const { bench } = s;
  const full = await s.files.reference();
  const half = s.typing === "typed" ? await s.files.mixed([]) : full;
  try {
    const { tensors, notObserved } = await tensorsToMark(bench, prediction, [...new Set([full, half])]);
    const { groups, notes } = groupTensors(tensors, { limitBytes: (s.environment.memoryBytes ?? assumedMemory) * shareOfMemory });
    for (const note of notes) bench.progress.note(note);
    const found: KeptTensors = { engines: [], tensors: [], notObserved: [...notObserved], marking: [], seconds: 0 };
    for (const [i, group] of groups.entries()) {
      const label = groups.length > 1 ? `, tensors marked, group ${i + 1} of ${groups.length}` : ", tensors marked";
      await compareGroup(s, { full, half, tensors: group.tensors, label, unmarked }, found);
    }
    const order = new Map(tensors.map((t, i) => [t.tensor, i]));
    found.tensors.sort((a, b) => (order.get(a[0]) ?? 0) - (order.get(b[0]) ?? 0));
    return found;
  } finally {
    if (half !== full) await s.files.drop(half);
  }
}

interface Group {
  full: string;
  half: string;
  tensors: readonly string[];
  label: string;
  unmarked: readonly Outputs[];
}

async function compareGroup(s: DeviceSession, group: Group, found: KeptTensors): Promise<void> {
  const { bench, device } = s;
  const { observe = "outputs" } = device.options;
  const how = observe === "none" ? "outputs" : observe;
  const marks = { observe: { tensors: group.tensors, how } };
  await using reference = await s.engine({ label: `FP32${group.label}`, path: group.full, precision: { kind: "full" }, ...marks });
  // Weakly typed, a builder may leave a marked network in FP32: each layer that gives a marked tensor is asked for FP16.
  const weak = { kind: "weak", half: bench.precision, pins: [], constraints: "prefer" } as const;
  const precision: EnginePrecision = s.typing === "typed" ? { kind: "typed" } : weak;
  const word = halfWordOf(bench.precision);
  await using candidate = await s.engine({
    label: `all ${word}${group.label}`,
    path: group.half,
    precision,
    observe: { ...marks.observe, preferHalf: true },
  });
  const samples: ReadonlyMap<string, ErrorStats>[] = [];
  const step = bench.progress.step(`Comparing ${group.tensors.length} tensors on the engine`, group.tensors.length * bench.feeds.length);
  for (const [i, feed] of bench.feeds.entries()) {
    const run = await device.backend.compare(reference, candidate, await feedFor(reference, feed), group.tensors, {
      signal: bench.signal,
      progress: (done) => step.update(i * group.tensors.length + done),
    });
    samples.push(run.stats);
    found.seconds += run.seconds;
    if (i === 0) found.notObserved.push(...run.notCompared.filter((n) => !found.notObserved.some((o) => o.tensor === n.tensor)));
  }
  step.end();
  const merged = mergeSamples(samples);
  const compared = merged.size;
  found.tensors.push(...merged);
  for (const n of [...reference.notObserved, ...candidate.notObserved])
    if (!found.notObserved.some((o) => o.tensor === n.tensor)) found.notObserved.push(n);
  const outputs = await s.outputsOf(candidate);
  const ours = (await s.reference()).outputs;
  const { error, stats } = await judged(s, ours, outputs);
  found.engines.push({
    reference: { ...keptOf(reference, compared), typing: "full" },
    candidate: {
      ...keptOf(candidate, compared),
      typing: s.typing,
      half: bench.precision,
      error,
      outputs: Object.fromEntries(stats),
    },
  });
  await addMarking(s, found, group.unmarked, outputs, ours, stats);
}

const keptOf = (engine: DeviceEngine, marked: number): Omit<KeptEngine, "typing"> => ({
  pins: [],
  marked,
  buildSeconds: engine.buildSeconds,
  ...(engine.planBytes !== undefined && { planBytes: engine.planBytes }),
  messages: engine.messages,
  ...(engine.placement && { placement: engine.placement }),
});

/** Of several groups, what marking changed most counts. */
async function addMarking(
  s: DeviceSession,
  found: KeptTensors,
  unmarked: readonly Outputs[],
  marked: readonly Outputs[],
  reference: readonly Outputs[],
  markedStats: ReadonlyMap<string, ErrorStats>,
): Promise<void> {
  const [differences, plain] = [[] as ReadonlyMap<string, ErrorStats>[], [] as ReadonlyMap<string, ErrorStats>[]];
  for (const [i, outputs] of unmarked.entries()) {
    differences.push(await compareOutputs(outputs, marked[i] ?? new Map(), s.outputs));
    plain.push(await compareOutputs(reference[i] ?? new Map(), outputs, s.outputs));
  }
  const unmarkedStats = mergeSamples(plain);
  for (const [output, difference] of mergeSamples(differences)) {
    const [m, u] = [markedStats.get(output), unmarkedStats.get(output)];
    if (m === undefined || u === undefined) continue;
    const change = { output, difference, markedError: errorOf(m), unmarkedError: errorOf(u) };
    const before = found.marking.findIndex((c) => c.output === output);
    if (before < 0) found.marking.push(change);
    else if (errorOf(difference) > errorOf(found.marking[before]?.difference ?? difference)) found.marking[before] = change;
  }
}

/** Sums leave out what is not finite; such a tensor is infinitely wrong, not exact. */
const errorOf = (e: ErrorStats): number => (e.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : relativeL2(e));
const meanOf = (e: ErrorStats): number => (e.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : meanAbs(e));

function beside(measured: KeptTensors["tensors"], prediction: Measurements): DeviceTensor[] {
  const predicted = new Map(prediction.tensors.map((t) => [t.tensor, t]));
  return measured.map(([tensor, stats]) => {
    const p = predicted.get(tensor);
    return {
      tensor,
      layer: p?.layer ?? "",
      measured: stats,
      ...(p && {
        predicted: { meanAbs: meanOf(p.stats), relativeL2: errorOf(p.stats), ...(p.band && { band: p.band.meanAbs }) },
      }),
    };
  });
}
