import type { Agreement, DeviceResult, EngineRecord, EngineRole, LatencySummary, PinProof, ResultDocument } from "@halfscope/core";

export type EngineOutcome = "within" | "not-within" | "not-finite";

/** A real engine's part of a result, looked up by what its engines are for. */
export interface DeviceView {
  device: DeviceResult;
  /** "TensorRT 10.6.0 on NVIDIA H200". */
  place: string;
  tolerance: number;
  /** As users would build them: without observed tensors where there is such an engine. */
  reference: EngineRecord | undefined;
  allHalf: EngineRecord | undefined;
  recommended: EngineRecord | undefined;
  /** Another set of pins that meets the tolerance on the engine: what the trials ended with. */
  refined: MeasuredSet | undefined;
  /** Pins that an engine computes in FP16 all the same, or that nobody finds in it. */
  ignored: readonly { engine: EngineRecord; proof: PinProof }[];
  /** Nodes that a GPU's engine left to the CPU. */
  fallbacks: readonly Fallback[];
  /** Engines that could not be built or run. */
  failures: readonly EngineRecord[];
  /** Verdicts in which prediction and engine differ. */
  contradictions: readonly Agreement["verdicts"][number][];
}

/** A set of pins that was measured on the engine. */
export interface MeasuredSet {
  pins: readonly string[];
  error: number;
  milliseconds: number | undefined;
}

export interface Fallback {
  engine: EngineRecord;
  provider: string;
  nodes: number;
  /** Of all its nodes, whatever ran them. */
  of: number;
  operators: Readonly<Record<string, number>>;
}

/** What `result.device` says, or undefined where no engine was asked. */
export function deviceViewOf(result: Pick<ResultDocument, "device">, tolerance: number): DeviceView | undefined {
  const { device } = result;
  if (device === undefined) return undefined;
  const { environment: e, engines } = device;
  const recommended = pick(engines, "recommended");
  return {
    device,
    place: `${e.library} ${e.version}${e.gpu === undefined ? "" : ` on ${e.gpu}`}`,
    tolerance,
    reference: pick(engines, "reference"),
    allHalf: pick(engines, "all-half"),
    recommended,
    refined: refinedOf(device, recommended, tolerance),
    ignored: engines.flatMap((engine) =>
      (engine.proofs ?? []).filter((p) => p.outcome === "ignored" || p.outcome === "not-found").map((proof) => ({ engine, proof })),
    ),
    fallbacks: e.backend === "ort-cpu" ? [] : engines.flatMap(fallbacksOf),
    failures: engines.filter((e) => e.failed !== undefined),
    contradictions: (device.agreement?.verdicts ?? []).filter((v) => v.predicted !== v.measured),
  };
}

/** Unmarked before marked, a later build before an earlier one. */
const pick = (engines: readonly EngineRecord[], role: EngineRole): EngineRecord | undefined =>
  engines.findLast((e) => e.role === role && e.marked === 0) ?? engines.findLast((e) => e.role === role);

/** A NaN or an infinity never passes, whatever the record says of it. Undefined for a reference, and where nothing was compared or built. */
export function outcomeOf(e: Pick<EngineRecord, "error" | "outcome" | "failed">, tolerance: number): EngineOutcome | undefined {
  if (e.failed !== undefined) return undefined;
  if (e.outcome === "not-finite" || (e.error !== undefined && !Number.isFinite(e.error))) return "not-finite";
  return e.outcome ?? (e.error === undefined ? undefined : e.error <= tolerance ? "within" : "not-within");
}

function refinedOf(device: DeviceResult, recommended: EngineRecord | undefined, tolerance: number): MeasuredSet | undefined {
  const { refined, trials = [] } = device;
  if (refined !== undefined) {
    const trial = trials.find((t) => samePins(t.pins, refined.pins));
    return { ...refined, milliseconds: trial?.milliseconds };
  }
  if (recommended === undefined || outcomeOf(recommended, tolerance) === "within") return undefined;
  const time = (t: (typeof trials)[number]) => t.milliseconds ?? Number.POSITIVE_INFINITY;
  const [best] = trials
    .filter((t) => outcomeOf(t, tolerance) === "within" && !samePins(t.pins, recommended.pins))
    .toSorted((a, b) => compare(time(a), time(b)) || compare(a.error, b.error));
  return best && { pins: best.pins, error: best.error, milliseconds: best.milliseconds };
}

const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);

export const samePins = (a: readonly string[], b: readonly string[]): boolean => {
  const set = new Set(a);
  return set.size === new Set(b).size && b.every((p) => set.has(p));
};

function fallbacksOf(engine: EngineRecord): Fallback[] {
  const placement = engine.placement ?? [];
  const of = placement.reduce((n, p) => n + p.nodes, 0);
  return placement
    .filter((p) => /cpu/i.test(p.provider) && p.nodes > 0)
    .map((p) => ({ engine, provider: p.provider, nodes: p.nodes, of, operators: p.operators }));
}

/** How much of a latency is beyond another, in percent of it, and whether requests vary by more than that. */
export function priceOf(latency: LatencySummary, other: LatencySummary): { share: number; noise: boolean } {
  const share = latency.p50 / other.p50 - 1;
  // Standard deviations of single requests: a difference of medians below them may be luck.
  return { share, noise: Math.abs(share) <= Math.hypot(latency.variation, other.variation) };
}
