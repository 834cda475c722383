import { fusedAttentions } from "@halfscope/analysis";
import type { EngineRecord, EngineRole, ErrorStats } from "@halfscope/core";
import { type DeviceBuildRequest, type DeviceEngine, type EnginePrecision, halfTimeShare, summariseLatency } from "@halfscope/engine";
import { layerPins } from "./device-files.js";
import { type ComparedOutputs, compareOutputs, feedFor, mergeCompared, type Outputs } from "./device-values.js";
import type { KeptEngine } from "./engine-journal.js";
import { failureOf } from "./failure.js";
import { proofsOf } from "./pin-proofs.js";
import type { DeviceSession } from "./session.js";

/** One engine with a set of pins. */
export interface EngineSpec {
  role: Exclude<EngineRole, "reference">;
  title: string;
  pins: readonly string[];
  /** The file to build from where precision is said by types, or what writes it; made from the pins when absent. */
  path?: string | (() => Promise<string>) | undefined;
  /** What else the file differs in from the model. */
  edits?: readonly string[] | undefined;
  /** The steps mean nothing without it: where it fails, so do they. Else the failure is a record like any other. Defaults to false. */
  needed?: boolean;
}

/** An engine while it lives. */
export interface BuiltEngine {
  outputs: readonly Outputs[];
  precision: EnginePrecision;
  record: EngineRecord;
}

/** Timed requests, and how long they may take in all. */
const [warmup, requests, mostMilliseconds] = [10, 100, 5000];
const profiledRuns = 10;

export const outcomeOf = (error: number, tolerance: number): NonNullable<EngineRecord["outcome"]> =>
  !Number.isFinite(error) ? "not-finite" : error <= tolerance ? "within" : "not-within";

/** What an engine's figures hang on, for the journal. */
export const engineKey = (s: DeviceSession, { pins, edits }: Pick<EngineSpec, "pins" | "edits">): object => ({
  ...s.identity,
  typing: s.typing,
  pins: [...pins].sort(),
  ...(edits && { edits }),
});

/**
 * Builds one engine and measures it: its final outputs on every sample against the reference engine's, latency, engine layers, whether each pin took effect. What the journal
 * has is not built again, unless `use` wants the engine itself. A build that fails whatever the moment is in the journal too: minutes that end the same way teach nobody
 * anything; `--fresh` tries it again.
 */
export async function measureEngine(
  s: DeviceSession,
  spec: EngineSpec,
  use?: (engine: DeviceEngine, built: BuiltEngine) => Promise<void>,
): Promise<EngineRecord> {
  const key = engineKey(s, spec);
  const known = s.journal.get("engine", key);
  if (known?.failed !== undefined && spec.needed !== true) {
    s.bench.progress.note(`Not built again: ${spec.title} ${known.failed} (--fresh tries it once more)`);
    return recordOf(s, spec, known);
  }
  if (known !== undefined && known.failed === undefined && use === undefined) return recordOf(s, spec, known);
  const reference = await s.reference();
  const { request, drop } = await requestOf(s, spec);
  const start = performance.now();
  try {
    await using engine = await s.engine(request);
    const outputs = await s.outputsOf(engine);
    const { error, stats, notCompared } = await judged(s, reference.outputs, outputs);
    const { layers, ...measured } = await timesOf(s, engine);
    const kept: KeptEngine = {
      typing: s.typing,
      half: s.bench.precision,
      pins: spec.pins,
      marked: 0,
      buildSeconds: engine.buildSeconds,
      ...(engine.planBytes !== undefined && { planBytes: engine.planBytes }),
      messages: engine.messages,
      error,
      outputs: Object.fromEntries(stats),
      ...(notCompared && { notCompared }),
      ...measured,
      ...(layers && (await proofsOf(s.bench, spec.pins, layers, request.path, s.typing))),
      ...(engine.placement && { placement: engine.placement }),
    };
    s.journal.add("engine", key, kept);
    const record = recordOf(s, spec, kept);
    await use?.(engine, { outputs, precision: request.precision, record });
    if (spec.edits === undefined && spec.role !== "guides") await s.plan?.offer(s, engine, request.precision, record);
    return record;
  } catch (error) {
    const failure = failureOf(error);
    if (failure === undefined || spec.needed) throw error;
    const failed = failedEngine(s, spec.pins, failure.text, (performance.now() - start) / 1000);
    if (failure.lasting) s.journal.add("engine", key, failed);
    s.warn(`The engine "${spec.title}" ${failure.text}`);
    return recordOf(s, spec, failed);
  } finally {
    await drop();
  }
}

/** What is left of an engine that there is not. */
export const failedEngine = (s: DeviceSession, pins: readonly string[], failed: string, seconds: number): KeptEngine => ({
  typing: s.typing,
  half: s.bench.precision,
  pins,
  marked: 0,
  buildSeconds: seconds,
  messages: [],
  failed,
});

export function recordOf(s: DeviceSession, { role, title }: Pick<EngineRecord, "role" | "title">, kept: KeptEngine): EngineRecord {
  const fused = kept.layers && fusedAttentions(kept.layers);
  return {
    role,
    title,
    ...kept,
    ...(fused !== undefined && { fusedAttentions: fused }),
    ...(kept.error !== undefined && { outcome: outcomeOf(kept.error, s.tolerance) }),
  };
}

/** What to build, and what to do when it is no longer needed. */
async function requestOf(
  s: DeviceSession,
  spec: EngineSpec,
): Promise<{ request: Pick<DeviceBuildRequest, "label" | "path" | "precision">; drop: () => Promise<void> }> {
  const label = spec.title;
  if (s.typing === "weak") {
    const pins = await layerPins(s.bench, spec.pins, "float32");
    const constraints = pins.length > 0 ? ("obey" as const) : ("none" as const);
    const precision = { kind: "weak" as const, half: s.bench.precision, pins, constraints };
    return { request: { label, path: await s.files.reference(), precision }, drop: async () => {} };
  }
  const path = typeof spec.path === "function" ? await spec.path() : (spec.path ?? (await s.files.mixed(spec.pins)));
  return { request: { label, path, precision: { kind: "typed" } }, drop: () => s.files.drop(path) };
}

/** Error of the worst sample, and statistics over all that could be compared. An output that could not is infinitely wrong; the record says which it was. */
export async function judged(
  s: DeviceSession,
  reference: readonly Outputs[],
  candidate: readonly Outputs[],
): Promise<{ error: number; stats: ReadonlyMap<string, ErrorStats> } & Pick<EngineRecord, "notCompared">> {
  const { judges } = await s.reference();
  const samples: ComparedOutputs[] = [];
  let worst = 0;
  for (const [i, judge] of judges.entries()) {
    const { error, nonFinite } = await judge.judge(candidate[i] ?? new Map());
    worst = Math.max(worst, nonFinite || Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
    samples.push(await compareOutputs(reference[i] ?? new Map(), candidate[i] ?? new Map(), s.outputs));
  }
  return { error: worst, ...mergeCompared(samples) };
}

/** Latency of a request with the first sample, and the engine's layers with their times. */
export async function timesOf(s: DeviceSession, engine: DeviceEngine): Promise<Pick<KeptEngine, "latency" | "layers" | "halfTimeShare">> {
  const feed = await feedFor(engine, s.bench.feeds[0]);
  const times = await engine.time(feed, { warmup, requests, maxMilliseconds: mostMilliseconds, signal: s.bench.signal });
  const layers = await engine.layers(feed, profiledRuns);
  const share = layers && halfTimeShare(layers);
  return {
    latency: summariseLatency(times, warmup),
    ...(layers && { layers }),
    ...(share !== undefined && { halfTimeShare: share }),
  };
}
