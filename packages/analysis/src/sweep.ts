import {
  CancelledError,
  type LayerSensitivity,
  type PrecisionPlan,
  type Progress,
  type Sensitivity,
  type Site,
  type SiteSensitivity,
  switchOff,
} from "@halfscope/core";
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
  /** Sweep every site by itself, also those that no plan can tell apart. Defaults to false. */
  everySite?: boolean | undefined;
  /** Seconds of one bare pass, for the figure in the result. */
  barePassSeconds?: number | undefined;
}

export const isSiteSensitivity = (v: unknown): v is SiteSensitivity =>
  typeof v === "object" &&
  v !== null &&
  typeof (v as SiteSensitivity).site === "string" &&
  typeof (v as SiteSensitivity).outputError === "number" &&
  Array.isArray((v as SiteSensitivity).perOutput);

/** What each group of sites alone, in FP16, does to the final outputs. Nothing is rebuilt between candidates. Resumes from the journal. */
export async function sweepSites(o: SweepOptions): Promise<Sensitivity> {
  const baseSwitches = switchesFromPlan(o.base, o.roundings);
  const placementsOf = new Map<string, number[]>();
  o.roundings.placements.forEach((p, i) => {
    if (baseSwitches[i] !== switchOff) placementsOf.set(p.site, [...(placementsOf.get(p.site) ?? []), i]);
  });
  const groups = groupSites(
    o.roundings.sites.filter((s) => placementsOf.has(s.id)),
    new Set(o.base.pins.map((p) => p.layer)),
    o.everySite ?? false,
  );
  const step = o.progress.step(`Sweeping ${groups.length} groups of sites`, groups.length);
  const measured: SiteSensitivity[] = [];
  let seconds = 0;
  let candidates = 0;
  for (const group of groups) {
    if (o.signal?.aborted) throw new CancelledError();
    let found = o.journal.get(keyOf(group));
    if (found === undefined) {
      const switches = new Uint8Array(baseSwitches.length);
      for (const site of group) for (const i of placementsOf.get(site.id) ?? []) switches[i] = baseSwitches[i] ?? switchOff;
      const start = performance.now();
      found = await sensitivityOf(group, switches, o.evaluate);
      seconds += (performance.now() - start) / 1000;
      candidates++;
      o.journal.add(keyOf(group), found);
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
    predictedError: worst(
      addInSquares(
        measured.map((m) => m.perOutput),
        all.perOutput.length,
      ),
    ),
    candidates,
    barePassesPerCandidate: candidates === 0 || o.barePassSeconds === undefined ? Number.NaN : seconds / candidates / o.barePassSeconds,
  };
}

type SiteGroup = readonly [Site, ...Site[]];

/** Sites charged to one layer, of one kind, that the same pins make vanish. In graph order. */
function groupSites(sites: readonly Site[], pinned: ReadonlySet<string>, everySite: boolean): SiteGroup[] {
  const groups = new Map<string, [Site, ...Site[]]>();
  for (const site of sites) {
    const needed = site.touching.filter((l) => !pinned.has(l)).sort();
    const key = everySite ? site.id : JSON.stringify([site.kind, site.layer, ...needed]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [site]);
    else group.push(site);
  }
  return [...groups.values()];
}

/** The journal's key: a group of the same first site but other members is another candidate. */
const keyOf = (group: SiteGroup): string => (group.length === 1 ? group[0].id : `${group[0].id} +${group.length - 1}`);

async function sensitivityOf(group: SiteGroup, switches: Uint8Array, evaluate: Evaluate): Promise<SiteSensitivity> {
  const { error, perOutput, maxAbs, nonFinite } = await evaluate(switches);
  const [{ id, kind, layer }] = group;
  return { site: id, sites: group.map((s) => s.id), kind, layer, outputError: error, perOutput, outputMaxAbs: maxAbs, nonFinite };
}

/** A layer's sensitivity: its own sites in squares, split by cause. Worst first. */
export function layersFromSites(sites: readonly SiteSensitivity[]): LayerSensitivity[] {
  const byLayer = new Map<string, SiteSensitivity[]>();
  for (const s of sites) if (s.layer !== undefined) byLayer.set(s.layer, [...(byLayer.get(s.layer) ?? []), s]);
  const total = (list: readonly SiteSensitivity[]) =>
    worst(
      addInSquares(
        list.map((s) => s.perOutput),
        list[0]?.perOutput.length ?? 0,
      ),
    );
  return [...byLayer]
    .map(([layer, list]) => ({
      layer,
      outputError: total(list),
      activation: total(list.filter((s) => s.kind !== "weight")),
      weight: total(list.filter((s) => s.kind === "weight")),
      overflow: list.some((s) => s.nonFinite),
      sites: list.reduce((n, s) => n + s.sites.length, 0),
    }))
    .sort((a, b) => (a.outputError === b.outputError ? 0 : b.outputError > a.outputError ? 1 : -1));
}
