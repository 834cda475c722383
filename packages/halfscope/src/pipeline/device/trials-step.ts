import { cheaper, nextEngineTrial, PinCosts, type TriedPins } from "@halfscope/analysis";
import type { DeviceResult, DeviceTensor, EngineRecord, Sensitivity } from "@halfscope/core";
import { measureEngine } from "./measure-engine.js";
import { type DeviceSession, meanSeconds } from "./session.js";

export interface EngineTrials {
  engines: readonly EngineRecord[];
  trials: NonNullable<DeviceResult["trials"]>;
  refined: DeviceResult["refined"];
}

/** Layers whose tensors stop being finite first are looked for among so many. */
const mostSuspects = 32;

/**
 * A bounded number of builds that refine the pins where the engine does not agree with the recommendation: more where it misses the tolerance, fewer where it is far
 * below. What was measured already is a trial at no price; a set of which no engine can be built counts as tried, and says nothing.
 */
export async function trialsStep(
  s: DeviceSession,
  o: {
    sensitivity: Sensitivity;
    prefer: "pins" | "work";
    allHalf: EngineRecord;
    recommended: EngineRecord;
    tensors: readonly DeviceTensor[];
    /** The emulation's error of a set of pins. */
    emulate: (pins: readonly string[]) => Promise<number>;
    /** Builds at most. */
    most: number;
  },
  keep: (found: EngineTrials) => Promise<void>,
): Promise<EngineTrials> {
  const { most } = o;
  const { roundings, types } = await s.bench.subject();
  const search = {
    sites: roundings.sites,
    measured: o.sensitivity.sites,
    layers: s.bench.layers,
    base: o.sensitivity.basePins,
    prices: new PinCosts(roundings.floats, types),
    prefer: o.prefer,
    tolerance: s.tolerance,
    suspects: suspectsIn(o.tensors),
    emulate: o.emulate,
  };
  const tried = new Map<string, TriedPins>();
  const trials: EngineTrials["trials"][number][] = [];
  const engines: EngineRecord[] = [];
  const add = (record: EngineRecord, why: string) => {
    const { pins, failed, error = Number.POSITIVE_INFINITY } = record;
    tried.set([...pins].sort().join("\0"), { pins, error, ...(failed !== undefined && { failed: true }) });
    trials.push({
      ...{ pins, error, why },
      ...(record.latency && { milliseconds: record.latency.p50 }),
      ...(failed !== undefined && { failed }),
    });
  };
  add(o.allHalf, "no pins");
  if (o.recommended.pins.length > 0) add(o.recommended, "recommended on the CPU");
  const found = (): EngineTrials => ({ engines, trials, refined: refinedBy(search, trials, o.recommended) });
  for (let i = 0; i < most; i++) {
    const next = await nextEngineTrial(search, [...tried.values()]);
    if (next === undefined) break;
    s.bench.progress.note(`Engine trial ${i + 1} of at most ${most}, about ${meanSeconds(s.buildSeconds).toFixed(0)} s each: ${next.why}.`);
    const record = await measureEngine(s, { role: "trial", title: `trial ${i + 1}`, pins: inOrder(s, next.pins) });
    engines.push(record);
    add(record, next.why);
    await keep(found());
  }
  return found();
}

const inOrder = (s: DeviceSession, pins: readonly string[]): string[] => {
  const wanted = new Set(pins);
  return s.bench.layers.map((l) => l.id).filter((id) => wanted.has(id));
};

/** Layers whose tensors are not finite on the engine where the reference is, in graph order. */
function suspectsIn(tensors: readonly DeviceTensor[]): string[] {
  const layers = new Set<string>();
  for (const { layer, measured } of tensors) if (measured.nonFiniteMismatch > 0 && layers.size < mostSuspects) layers.add(layer);
  return [...layers];
}

/** The set that meets the tolerance with the fewest pins, or with the least work where that was asked for; undefined where that is the recommended one. */
export function refinedBy(
  search: Parameters<typeof cheaper>[0] & { tolerance: number },
  trials: EngineTrials["trials"],
  recommended: Pick<EngineRecord, "pins" | "outcome">,
): DeviceResult["refined"] {
  const chosen = (t: (typeof trials)[number]) =>
    t.pins.length === recommended.pins.length && t.pins.every((p) => recommended.pins.includes(p));
  // Between equals the recommended set stays.
  const [first, ...others] = trials.filter((t) => t.error <= search.tolerance).toSorted((a, b) => Number(chosen(b)) - Number(chosen(a)));
  if (first === undefined) return undefined;
  const best = others.reduce((a, b) => cheaper(search, a, b), first);
  return chosen(best) ? undefined : { pins: best.pins, error: best.error };
}
