import { type DeviceTensor, type EngineRecord, type ErrorStats, type Measurements, meanAbs } from "@halfscope/core";
import { type DeviceEngine, type EnginePrecision, groupTensors } from "@halfscope/engine";
import { halfWordOf } from "./device-files.js";
import { feedFor, mergeSamples, type Outputs } from "./device-values.js";
import type { KeptEngine, KeptTensors } from "./engine-journal.js";
import { type EngineFailure, failureOf } from "./failure.js";
import { LeftOut } from "./left-out.js";
import { tensorsToMark } from "./markable.js";
import { addMarking, errorOf } from "./marking-change.js";
import { type BuiltEngine, failedEngine, judged, measureEngine, recordOf } from "./measure-engine.js";
import { typingWords } from "./options.js";
import { fusedOver } from "./prediction.js";
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

/** Device memory that one group's tensors may take. */
export const markingLimit = (s: DeviceSession): number => (s.environment.memoryBytes ?? assumedMemory) * shareOfMemory;

/** For the journal. */
export const tensorsKey = (s: DeviceSession, prediction: Measurements): object => ({
  ...s.identity,
  typing: s.typing,
  observe: s.options.observe ?? "outputs",
  tensors: prediction.tensors.map((t) => t.tensor),
});

export const allHalfTitle = (s: DeviceSession): string =>
  `all ${halfWordOf(s.bench.precision)}, ${typingWords(s.typing, s.environment.backend)}`;

/**
 * The all-FP16 engine, unmarked, and the FP32 and all-FP16 engines with every float tensor marked that the graph names, compared tensor by tensor. Marking changes what is
 * fused, so the marked engine's final outputs stand beside the unmarked one's. A group of which an engine cannot be built is told as such, and its tensors as not observed.
 */
export async function markedStep(s: DeviceSession, prediction: Measurements): Promise<MarkedPair> {
  const title = allHalfTitle(s);
  const how = s.options.observe ?? "outputs";
  const spec = { role: "all-half", title, pins: [] } as const;
  if (how === "none") {
    const engine = await measureEngine(s, spec);
    return { engines: [engine], tensors: [], notObserved: [], marking: [], seconds: 0 };
  }
  const key = tensorsKey(s, prediction);
  let kept = s.journal.get("tensors", key);
  let outputs: readonly Outputs[] | undefined;
  const keepOutputs = async (_: DeviceEngine, built: BuiltEngine) => {
    outputs = built.outputs;
  };
  const plain = await measureEngine(s, spec, kept === undefined ? keepOutputs : undefined);
  if (kept === undefined) {
    const found = await compareMarked(s, prediction, outputs ?? []);
    kept = found.kept;
    if (found.lasting) s.journal.add("tensors", key, kept);
  }
  const groups = kept.engines.length;
  const marked = kept.engines.flatMap(({ reference, candidate }, i): EngineRecord[] => {
    const group = groups > 1 ? `, group ${i + 1} of ${groups}` : "";
    const and = `${reference.marked} tensors marked${group}`;
    return [
      recordOf(s, { role: "reference", title: `FP32, ${and}` }, reference),
      ...(candidate === undefined ? [] : [recordOf(s, { role: "all-half", title: `${title}, ${and}` }, candidate)]),
    ];
  });
  return { engines: [plain, ...marked], tensors: beside(kept.tensors, prediction, await fusedOver(s.bench)), ...pick(kept) };
}

const pick = ({ notObserved, marking, seconds }: KeptTensors): Pick<MarkedPair, "notObserved" | "marking" | "seconds"> => ({
  notObserved,
  marking,
  seconds,
});

/** `lasting`: whatever failed fails again. */
async function compareMarked(
  s: DeviceSession,
  prediction: Measurements,
  unmarked: readonly Outputs[],
): Promise<{ kept: KeptTensors; lasting: boolean }> {
  const { bench } = s;
  const full = await s.files.reference();
  const half = s.typing === "typed" ? await s.files.mixed([]) : full;
  try {
    const { tensors, notObserved } = await tensorsToMark(bench, prediction, [...new Set([full, half])]);
    const { groups, notes } = groupTensors(tensors, { limitBytes: markingLimit(s) });
    for (const note of notes) bench.progress.note(note);
    const found: KeptTensors = { engines: [], tensors: [], notObserved: [...notObserved], marking: [], seconds: 0 };
    let lasting = true;
    // What everything is compared with: where it cannot be had, nothing goes on.
    await s.reference();
    for (const [i, group] of groups.entries()) {
      const label = groups.length > 1 ? `, tensors marked, group ${i + 1} of ${groups.length}` : ", tensors marked";
      const failure = await compareGroup(s, { full, half, tensors: group.tensors, label, unmarked }, found);
      lasting &&= failure?.lasting ?? true;
    }
    const order = new Map(tensors.map((t, i) => [t.tensor, i]));
    found.tensors.sort((a, b) => (order.get(a[0]) ?? 0) - (order.get(b[0]) ?? 0));
    return { kept: found, lasting };
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

/** Adds to `found` what a group gives, or what failed: then the failure is returned too. */
async function compareGroup(s: DeviceSession, group: Group, found: KeptTensors): Promise<EngineFailure | undefined> {
  const start = performance.now();
  const built: { reference?: KeptEngine } = {};
  try {
    await observeGroup(s, group, found, built);
    return undefined;
  } catch (error) {
    const failure = failureOf(error);
    if (failure === undefined) throw error;
    const seconds = (performance.now() - start) / 1000 - (built.reference?.buildSeconds ?? 0);
    const failed = { ...failedEngine(s, [], failure.text, seconds), marked: group.tensors.length };
    const { half: _, ...full } = failed;
    found.engines.push(
      built.reference === undefined ? { reference: { ...full, typing: "full" } } : { reference: built.reference, candidate: failed },
    );
    const which = built.reference === undefined ? "FP32" : `all-${halfWordOf(s.bench.precision)}`;
    s.warn(`The ${which} engine with ${group.tensors.length} tensors marked ${failure.text}`);
    const reason = `the ${which} engine that shows it ${failure.text}`;
    for (const tensor of group.tensors) if (!found.notObserved.some((o) => o.tensor === tensor)) found.notObserved.push({ tensor, reason });
    return failure;
  }
}

async function observeGroup(s: DeviceSession, group: Group, found: KeptTensors, built: { reference?: KeptEngine }): Promise<void> {
  const { bench, device } = s;
  const { observe = "outputs" } = device.options;
  const how = observe === "none" ? "outputs" : observe;
  const marks = { observe: { tensors: group.tensors, how } };
  await using reference = await s.engine({ label: `FP32${group.label}`, path: group.full, precision: { kind: "full" }, ...marks });
  built.reference = { ...keptOf(reference, group.tensors.length), typing: "full" };
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
  const left = new LeftOut(bench.feeds.length);
  const unshown = new Map([...reference.notObserved, ...candidate.notObserved].map((n) => [n.tensor, n.reason]));
  let seconds = 0;
  const step = bench.progress.step(`Comparing ${group.tensors.length} tensors on the engine`, group.tensors.length * bench.feeds.length);
  for (const [i, feed] of bench.feeds.entries()) {
    const run = await device.backend.compare(reference, candidate, await feedFor(reference, feed), group.tensors, {
      signal: bench.signal,
      progress: (done) => step.update(i * group.tensors.length + done),
    });
    samples.push(run.stats);
    seconds += run.seconds;
    for (const { tensor, reason } of run.notCompared) left.add(tensor, i, reason);
    // Whatever a library says nothing of is told all the same.
    for (const tensor of group.tensors)
      if (!run.stats.has(tensor)) left.add(tensor, i, unshown.get(tensor) ?? "the engine gave no figures of it");
  }
  step.end();
  const merged = mergeSamples(samples);
  const coverage = left.coverage();
  const compared = merged.size;
  const outputs = await s.outputsOf(candidate);
  const ours = (await s.reference()).outputs;
  const { error, stats, notCompared } = await judged(s, ours, outputs);
  // From here on nothing fails: a group is there as a whole or not at all.
  found.seconds += seconds;
  for (const [tensor, one] of merged) {
    const some = coverage.get(tensor);
    found.tensors.push(some === undefined ? [tensor, one] : [tensor, one, some]);
  }
  for (const [tensor, { compared: some, reason }] of coverage)
    if (some === 0 && !found.notObserved.some((o) => o.tensor === tensor)) found.notObserved.push({ tensor, reason });
  found.engines.push({
    reference: { ...keptOf(reference, compared), typing: "full" },
    candidate: {
      ...keptOf(candidate, compared),
      typing: s.typing,
      half: bench.precision,
      error,
      outputs: Object.fromEntries(stats),
      ...(notCompared && { notCompared }),
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

/** Sums leave out what is not finite; see `errorOf`. */
const meanOf = (e: ErrorStats): number => (e.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : meanAbs(e));

/** What was measured of each tensor, and what was predicted of it; of those in `without` nothing was. */
function beside(measured: KeptTensors["tensors"], prediction: Measurements, without: ReadonlySet<string>): DeviceTensor[] {
  const predicted = new Map(prediction.tensors.map((t) => [t.tensor, t]));
  return measured.map(([tensor, stats, coverage]) => {
    const p = predicted.get(tensor);
    return {
      tensor,
      layer: p?.layer ?? "",
      measured: stats,
      ...(coverage && { coverage }),
      ...(p &&
        !without.has(tensor) && {
          predicted: { meanAbs: meanOf(p.stats), relativeL2: errorOf(p.stats), ...(p.band && { band: p.band.meanAbs }) },
        }),
    };
  });
}
