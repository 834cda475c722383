import { findOrigins, hasBands, measure, type RankBy, rankLayers, type Sample, withBands } from "@halfscope/analysis";
import { type Hazard, halfWords, type Measurements, type Origin, type ResultDocument } from "@halfscope/core";
import { allHalf, rangeOf } from "@halfscope/precision";
import { pinOverflows } from "./base-pins.js";
import { requireComparable, restorationWarnings, warningsOf } from "./judgeable.js";
import type { Workbench } from "./workbench.js";

/** Overflow origins found so far, and the pins that they need. */
export interface Compared {
  isolated: Measurements;
  accumulated: Measurements;
  /** With overflow origins pinned and constants finite; undefined where nothing overflows. */
  repaired: Measurements | undefined;
  hazards: readonly Hazard[];
  origins: readonly Origin[];
  basePins: readonly { layer: string; reason: string }[];
  /** What was left out, for the result. */
  warnings: readonly string[];
}

/**
 * Measures every tensor, isolated and accumulated, of the candidate with every layer in FP16 as the engine's profile makes it, and looks for first
 * origins of overflow: also those that an overflowing constant hides.
 */
export async function compareStep(bench: Workbench, o: { observe?: ((tensor: string) => boolean) | undefined } = {}): Promise<Compared> {
  const subject = await bench.subject();
  requireComparable(subject);
  const own = await bench.ownPlan();
  const warnings = [...(own ? restorationWarnings(bench.model.path, own, halfWords[bench.precision]) : []), ...warningsOf(subject)];
  for (const w of warnings) bench.progress.note(`Warning: ${w}`);
  bench.scanAhead();
  const feed = bench.feeds[0];
  const given = { pins: own?.pins ?? [] };
  const plan = { ...allHalf(bench.model.digest, bench.profile.constants, bench.precision), ...given };
  // Final outputs are always compared: they are what is judged.
  const observe = o.observe && ((tensor: string) => bench.view.graphOutputs.has(tensor) || o.observe?.(tensor) === true);
  // A file that is in FP16 already is measured as it is, not as a plan of pins would have it.
  const common = { plan, switches: own?.switches, progress: bench.progress, signal: bench.signal, observe };
  const more: Sample[] = [];
  for (const other of bench.feeds.slice(1)) more.push({ subject: await bench.subject(other), feed: other });
  const isolated = await measure(subject, feed, { ...common, mode: "isolated" }, more);
  const whole = await measure(subject, feed, { ...common, mode: "accumulated" }, more);
  const accumulated =
    bench.profile.pieces === "auto" && hasBands(subject)
      ? await withBands(subject, feed, { ...common, mode: "accumulated" }, whole)
      : whole;
  const ranges = new Map(accumulated.tensors.map((t) => [t.tensor, rangeOf(t.stats)]));
  const hazards = await bench.hazards((t) => ranges.get(t));
  const constants = new Set(hazards.filter((h) => h.code === "weight-overflow" || h.code === "mask-constant").map((h) => h.tensor));
  const origins = findOrigins(accumulated, bench.view, constants, bench.precision);
  const basePins: { layer: string; reason: string }[] = [...given.pins];
  let repaired: Measurements | undefined;
  if (origins.length > 0) {
    const behind = await pinOverflows(bench, { ...allHalf(bench.model.digest, "finite", bench.precision), ...given });
    for (const o of behind.origins) if (!origins.some((known) => known.tensor === o.tensor)) origins.push(o);
    basePins.push(...behind.pins);
    repaired = behind.repaired;
  }
  return { isolated, accumulated, repaired, hazards, origins, basePins, warnings };
}

/** The parts of a result that a comparison fills. */
export const withCompared = (result: ResultDocument, c: Compared, by: RankBy = "relative"): ResultDocument => ({
  ...result,
  hazards: c.hazards,
  warnings: [...result.warnings, ...c.warnings],
  isolated: c.isolated,
  accumulated: c.accumulated,
  ...(c.repaired && { accumulatedRepaired: c.repaired }),
  ranking: rankLayers(result.layers, c, c.origins, by),
});
