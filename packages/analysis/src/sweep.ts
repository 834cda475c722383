import {
  CancelledError,
  type LayerSensitivity,
  type PrecisionPlan,
  type Progress,
  type Sensitivity,
  type Site,
  type SiteSensitivity,
  switchOff,
  UsageError,
} from "@halfscope/core";
import { type Roundings, switchesFromPlan } from "@halfscope/precision";
import type { Journal } from "./journal.js";
import { addInSquares, type Evaluate, worst } from "./output-error.js";
import { addsWithSign, predictError } from "./projection.js";

export interface SweepOptions {
  roundings: Roundings;
  /** Plan whose sites are swept: all FP16, or with overflow origins pinned. A site acts as this plan has it. */
  base: PrecisionPlan;
  evaluate: Evaluate;
  /** Shorter engines for candidates that change only the later part of the graph; `evaluate` runs them all when absent. */
  segments?: Segments | undefined;
  journal: Journal<SiteSensitivity>;
  progress: Progress;
  signal?: AbortSignal | undefined;
  /** Sweep every site by itself, also those that no plan can tell apart. Defaults to false. */
  everySite?: boolean | undefined;
  /** Which groups to sweep here, by their place in graph order (see `isOfShard`); all when absent. What the others lack in the journal is `left`. */
  only?: ((group: number) => boolean) | undefined;
  /** Seconds of one bare pass, for the figure in the result. */
  barePassSeconds?: number | undefined;
}

/** Engines that start at a cut. Opened one at a time: live sessions disturb each other. */
export interface Segments {
  /** The latest segment in which all these placements act as in the whole graph; 0 is the whole graph. */
  segmentOf(placements: readonly number[]): number;
  /** Cost of a candidate there, as a share of a whole pass; for the estimate of the time left. */
  shareOf(segment: number): number;
  open(segment: number): Promise<{ evaluate: Evaluate; close(): void }>;
}

export const isSiteSensitivity = (v: unknown): v is SiteSensitivity =>
  typeof v === "object" &&
  v !== null &&
  typeof (v as SiteSensitivity).site === "string" &&
  typeof (v as SiteSensitivity).kind === "string" &&
  ["string", "undefined"].includes(typeof (v as SiteSensitivity).layer) &&
  typeof (v as SiteSensitivity).outputError === "number" &&
  typeof (v as SiteSensitivity).outputMaxAbs === "number" &&
  typeof (v as SiteSensitivity).nonFinite === "boolean" &&
  isListOf((v as SiteSensitivity).sites, "string") &&
  isListOf((v as SiteSensitivity).perOutput, "number");

const isListOf = (v: unknown, type: "string" | "number"): boolean => Array.isArray(v) && v.every((x) => typeof x === type);

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
  const found = new Map<SiteGroup, SiteSensitivity>();
  for (const group of groups) {
    const before = o.journal.get(keyOf(group));
    if (before !== undefined) found.set(group, sameGroup(group, before));
  }
  o.journal.expect(groups.map(keyOf));
  const placements = (group: SiteGroup) => group.flatMap((site) => placementsOf.get(site.id) ?? []);
  const todo = groupBy(
    groups.filter((g, i) => !found.has(g) && (o.only?.(i) ?? true)),
    (g) => o.segments?.segmentOf(placements(g)) ?? 0,
  );
  // In thousandths of a pass: candidates behind late cuts are cheap, and counting heads would make the estimate far too long.
  const unitsOf = (segment: number) => Math.round(1000 * (o.segments?.shareOf(segment) ?? 1));
  const step = o.progress.step(
    `Sweeping ${groups.filter((_, i) => o.only?.(i) ?? true).length} groups of sites`,
    [...todo].reduce((n, [segment, members]) => n + members.length * unitsOf(segment), 0),
  );
  let units = 0;
  let seconds = 0;
  for (const [segment, members] of [...todo].sort(([a], [b]) => a - b)) {
    const start = performance.now();
    const engine = segment === 0 ? undefined : await o.segments?.open(segment);
    try {
      for (const group of members) {
        if (o.signal?.aborted) throw new CancelledError();
        const switches = new Uint8Array(baseSwitches.length);
        for (const i of placements(group)) switches[i] = baseSwitches[i] ?? switchOff;
        const result = await sensitivityOf(group, switches, engine?.evaluate ?? o.evaluate);
        o.journal.add(keyOf(group), result);
        found.set(group, result);
        units += unitsOf(segment);
        step.update(units);
      }
    } finally {
      engine?.close();
    }
    seconds += (performance.now() - start) / 1000;
  }
  const candidates = [...todo.values()].reduce((n, members) => n + members.length, 0);
  const measured = groups.flatMap((g) => found.get(g) ?? []);
  const left = groups.length - measured.length;
  const all = await o.evaluate(baseSwitches);
  step.end();
  return {
    basePins: o.base.pins.map((p) => p.layer),
    sites: measured,
    layers: layersFromSites(measured),
    measuredError: all.error,
    predictedError: worst(predictError(measured)),
    predictedInSquares: worst(
      addInSquares(
        measured.map((m) => m.perOutput),
        all.perOutput.length,
      ),
    ),
    candidates: measured.length,
    ...(left > 0 && { left }),
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

/** Journals come from anywhere: what a key holds must be about its group. */
function sameGroup(group: SiteGroup, before: SiteSensitivity): SiteSensitivity {
  const [{ id, kind, layer }] = group;
  const same =
    before.site === id && before.kind === kind && before.layer === layer && before.sites.join("\0") === group.map((s) => s.id).join("\0");
  if (same) return before;
  throw new UsageError("ERR_JOURNAL", `The journal's result for "${keyOf(group)}" is about other sites.`, {
    hint: "Start anew with --fresh, or use another output folder.",
  });
}

async function sensitivityOf(group: SiteGroup, switches: Uint8Array, evaluate: Evaluate): Promise<SiteSensitivity> {
  const { perOutput, maxAbs, nonFinite, metric, signed } = await evaluate(switches, { signed: addsWithSign(group[0].kind) });
  const [{ id, kind, layer }] = group;
  return {
    site: id,
    sites: group.map((s) => s.id),
    kind,
    layer,
    outputError: worst(perOutput),
    perOutput,
    outputMaxAbs: maxAbs,
    nonFinite,
    ...(signed && { signed: [signed] }),
    ...(metric !== undefined && { metric }),
  };
}

/** A layer's sensitivity: its own sites together, and split by cause. Worst first. */
export function layersFromSites(sites: readonly SiteSensitivity[]): LayerSensitivity[] {
  const byLayer = new Map<string, SiteSensitivity[]>();
  for (const s of sites) if (s.layer !== undefined) byLayer.set(s.layer, [...(byLayer.get(s.layer) ?? []), s]);
  const total = (list: readonly SiteSensitivity[]) => worst(predictError(list));
  const isSum = (s: SiteSensitivity) => s.kind === "accumulation";
  return [...byLayer]
    .map(([layer, list]) => ({
      layer,
      outputError: total(list),
      activation: total(list.filter((s) => s.kind !== "weight" && !isSum(s))),
      weight: total(list.filter((s) => s.kind === "weight")),
      ...(list.some(isSum) && { accumulation: total(list.filter(isSum)) }),
      overflow: list.some((s) => s.nonFinite),
      sites: list.reduce((n, s) => n + s.sites.length, 0),
    }))
    .sort((a, b) => (a.outputError === b.outputError ? 0 : b.outputError > a.outputError ? 1 : -1));
}

function groupBy<T, K>(items: readonly T[], key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const list = groups.get(key(item));
    if (list === undefined) groups.set(key(item), [item]);
    else list.push(item);
  }
  return groups;
}
