import { CancelledError, type LayerSensitivity, type PrecisionPlan, type Progress, type Sensitivity, type Site, type SiteSensitivity, switchOff } from "@halfscope/core";
import { type Roundings, switchesFromPlan } from "@halfscope/precision";
import type { Journal } from "./journal.js";
import { addInSquares, type Evaluate, worst } from "./output-error.js";

export interface SweepOptions {
  roundings: Roundings;
  /** Plan whose sites are swept: all FP16, or with overflow origins pinned. A site acts as this plan has it. */
  base: PrecisionPlan;
  evaluate: Evaluate;
  journal: Journal<SiteSensitivity>;
  progress: Progress;
  signal?: AbortSignal | undefined;
  /** Seconds of one bare pass, for the figure in the result. */
  barePassSeconds?: number | undefined;
}

export const isSiteSensitivity = (v: unknown): v is SiteSensitivity =>
  typeof v === "object" && v !== null && typeof (v as SiteSensitivity).site === "string" && typeof (v as SiteSensitivity).outputError === "number" && Array.isArray((v as SiteSensitivity).perOutput);

/** What each site alone, in FP16, does to the final outputs. Nothing is rebuilt between candidates. Resumes from the journal. */
export async function sweepSites(o: SweepOptions): Promise<Sensitivity> {
  const baseSwitches = switchesFromPlan(o.base, o.roundings);
  const placementsOf = new Map<string, number[]>();
  o.roundings.placements.forEach((p, i) => {
    if (baseSwitches[i] !== switchOff) placementsOf.set(p.site, [...(placementsOf.get(p.site) ?? []), i]);
  });
  const active = o.roundings.sites.filter((s) => placementsOf.has(s.id));
  const step = o.progress.step(`Sweeping ${active.length} sites`, active.length);
  const measured: SiteSensitivity[] = [];
  let seconds = 0;
  let candidates = 0;
  for (const site of active) {
    if (o.signal?.aborted) throw new CancelledError();
    let found = o.journal.get(site.id);
    if (found === undefined) {
      const switches = new Uint8Array(baseSwitches.length);
      for (const i of placementsOf.get(site.id) ?? []) switches[i] = baseSwitches[i] ?? switchOff;
      const start = performance.now();
      found = await sensitivityOf(site, switches, o.evaluate);
      seconds += (performance.now() - start) / 1000;
      candidates++;
      o.journal.add(site.id, found);
    }
    measured.push(found);
    step.update(measured.length);
  }
  const all = await o.evaluate(baseSwitches);
  step.end();
  return {
    basePins: o.base.pins.map((p) => p.layer),
    sites: measured,
    layers: layersFromSites(measured),
    measuredError: all.error,
    predictedError: worst(addInSquares(measured.map((m) => m.perOutput), all.perOutput.length)),
    candidates,
    barePassesPerCandidate: candidates === 0 || o.barePassSeconds === undefined ? Number.NaN : seconds / candidates / o.barePassSeconds,
  };
}

async function sensitivityOf(site: Site, switches: Uint8Array, evaluate: Evaluate): Promise<SiteSensitivity> {
  const { error, perOutput, maxAbs, nonFinite } = await evaluate(switches);
  return { site: site.id, kind: site.kind, tensor: site.tensor, layer: site.layer, outputError: error, perOutput, outputMaxAbs: maxAbs, nonFinite };
}

/** A layer's sensitivity: its own sites in squares, split by cause. Worst first. */
export function layersFromSites(sites: readonly SiteSensitivity[]): LayerSensitivity[] {
  const byLayer = new Map<string, SiteSensitivity[]>();
  for (const s of sites) if (s.layer !== undefined) byLayer.set(s.layer, [...(byLayer.get(s.layer) ?? []), s]);
  const total = (list: readonly SiteSensitivity[]) => worst(addInSquares(list.map((s) => s.perOutput), list[0]?.perOutput.length ?? 0));
  return [...byLayer]
    .map(([layer, list]) => ({
      layer,
      outputError: total(list),
      activation: total(list.filter((s) => s.kind !== "weight")),
      weight: total(list.filter((s) => s.kind === "weight")),
      overflow: list.some((s) => s.nonFinite),
      sites: list.length,
    }))
    .sort((a, b) => (a.outputError === b.outputError ? 0 : b.outputError > a.outputError ? 1 : -1));
}
