import { findOrigins, measure } from "@halfscope/analysis";
import type { Measurements, Origin, PrecisionPlan } from "@halfscope/core";
import { withPins } from "@halfscope/precision";
import type { Workbench } from "./workbench.js";

/** Rounds of pin and look again; an overflow can hide others behind it. */
const maxRounds = 40;

/**
 * Pins layers around harmful overflows until none is left: the plan that a sweep can start from. Returns all origins met on the way, harmless ones too, and the last
 * measurement, in which no harmful one is left.
 * `plan` must write constants finite, or they would be met again in every round.
 */
export async function pinOverflows(
  bench: Workbench,
  plan: PrecisionPlan,
): Promise<{ pins: { layer: string; reason: string }[]; origins: Origin[]; repaired: Measurements | undefined }> {
  const subject = await bench.subject();
  const { floats, sites } = subject.roundings;
  const touching = new Map(sites.map((s) => [s.tensor, s.touching]));
  const pins = new Map<string, string>();
  const origins = new Map<string, Origin>();
  let last: Measurements | undefined;
  for (let round = 0; round < maxRounds; round++) {
    const measured = await measure(subject, bench.feeds[0], {
      mode: "accumulated",
      plan: withPins(plan, [...pins.keys()]),
      progress: bench.progress,
      signal: bench.signal,
    });
    last = measured;
    const stats = new Map(measured.tensors.map((t) => [t.tensor, t.stats]));
    const before = pins.size;
    for (const origin of findOrigins(measured, bench.view, new Set(), bench.precision)) {
      if (!origins.has(origin.tensor)) origins.set(origin.tensor, origin);
      if (origin.kind === "harmless-overflow") continue;
      for (const layer of layersToPin(origin.tensor, origin.layer))
        if (!pins.has(layer)) pins.set(layer, `overflow at "${origin.tensor}": ${origin.evidence}`);
    }
    if (pins.size === before) break;

    /** What touches the tensor; when all that is pinned already, what touches the inputs that were flushed to zero on the way there. */
    function layersToPin(tensor: string, fallback: string): string[] {
      const seen = new Set<string>();
      for (let tensors = [tensor]; tensors.length > 0; ) {
        const layers = tensors.flatMap((t) => floats.rootsOf.get(t) ?? []).flatMap((root) => touching.get(root.tensor) ?? []);
        if (layers.some((l) => !pins.has(l))) return layers;
        for (const t of tensors) seen.add(t);
        const inputs = tensors.flatMap((t) => bench.view.producer.get(t)?.inputs ?? []);
        tensors = [...new Set(inputs)].filter(
          (t) => !seen.has(t) && ((stats.get(t)?.flushed ?? 0) > 0 || bench.view.producer.get(t) === undefined),
        );
      }
      return [fallback];
    }
  }
  return { pins: [...pins].map(([layer, reason]) => ({ layer, reason })), origins: [...origins.values()], repaired: last };
}
