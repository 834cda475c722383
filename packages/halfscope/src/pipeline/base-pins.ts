import { findOrigins, measure } from "@halfscope/analysis";
import type { Origin, PrecisionPlan } from "@halfscope/core";
import { withPins } from "@halfscope/precision";
import type { Workbench } from "./workbench.js";

/** Rounds of pin and look again; an overflow can hide others behind it. */
const maxRounds = 40;

/**
 * Pins layers around harmful overflows until none is left: the plan that a sweep can start from. Returns all origins met on the way, harmless ones too.
 * `plan` must write constants finite, or they would be met again in every round.
 */
export async function pinOverflows(
  bench: Workbench,
  plan: PrecisionPlan,
): Promise<{ pins: { layer: string; reason: string }[]; origins: Origin[] }> {
  const subject = await bench.subject();
  const sites = new Map(subject.roundings.sites.map((s) => [s.tensor, s]));
  const pins: { layer: string; reason: string }[] = [];
  const origins = new Map<string, Origin>();
  for (let round = 0; round < maxRounds; round++) {
    const measured = await measure(subject, bench.feeds[0], {
      mode: "accumulated",
      plan: withPins(
        plan,
        pins.map((p) => p.layer),
      ),
      progress: bench.progress,
      signal: bench.signal,
    });
    const found = findOrigins(measured, bench.view, new Set());
    let added = 0;
    for (const origin of found) {
      if (!origins.has(origin.tensor)) origins.set(origin.tensor, origin);
      if (origin.kind === "harmless-overflow") continue;
      for (const layer of sites.get(origin.tensor)?.touching ?? [origin.layer]) {
        if (pins.some((p) => p.layer === layer)) continue;
        pins.push({ layer, reason: `overflow at "${origin.tensor}": ${origin.evidence}` });
        added++;
      }
    }
    if (added === 0) break;
  }
  return { pins, origins: [...origins.values()] };
}
