import { createHash } from "node:crypto";
import {
  flag,
  list,
  number,
  object,
  optional,
  type PrecisionPlan,
  type Site,
  type SiteSensitivity,
  switchOff,
  text,
  UsageError,
} from "@halfscope/core";
import { type Roundings, switchesFromPlan } from "@halfscope/precision";

/** Sites that are switched together: a candidate. */
export type SiteGroup = readonly [Site, ...Site[]];

const siteSensitivity = object({
  ...{ site: text, kind: text, layer: optional(text), outputError: number, outputMaxAbs: number, nonFinite: flag },
  ...{ sites: list(text), perOutput: list(number), signed: optional(list(list(text))), perSample: optional(list(list(number))) },
});
/** Of an entry of a journal, which may come from another machine. */
export const isSiteSensitivity = (value: unknown): value is SiteSensitivity => siteSensitivity(value) === undefined;

/** What a sweep of a plan has to work with: its switches, and the groups of sites that act in it, in graph order. */
export interface SweptPlan {
  switches: Uint8Array;
  groups: readonly SiteGroup[];
  /** Places in `switches`. */
  placementsOf(group: readonly Site[]): number[];
  /** Everything off but this group, which acts as the plan has it. */
  only(group: readonly Site[]): Uint8Array;
}

export function sweptPlan(base: PrecisionPlan, roundings: Roundings, everySite: boolean): SweptPlan {
  const switches = switchesFromPlan(base, roundings);
  const placements = new Map<string, number[]>();
  roundings.placements.forEach((p, i) => {
    if (switches[i] !== switchOff) placements.set(p.site, [...(placements.get(p.site) ?? []), i]);
  });
  const placementsOf = (group: readonly Site[]) => group.flatMap((site) => placements.get(site.id) ?? []);
  return {
    switches,
    groups: groupSites(
      roundings.sites.filter((s) => placements.has(s.id)),
      new Set(base.pins.map((p) => p.layer)),
      everySite,
    ),
    placementsOf,
    only: (group) => {
      const alone = new Uint8Array(switches.length);
      for (const i of placementsOf(group)) alone[i] = switches[i] ?? switchOff;
      return alone;
    },
  };
}

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
export const keyOf = (group: SiteGroup): string => (group.length === 1 ? group[0].id : `${group[0].id} +${group.length - 1}`);

/** The journal's key of a set of several groups, by its members. */
export const keyOfSet = (sites: readonly Site[]): string =>
  `set ${createHash("sha256")
    .update(sites.map((s) => s.id).join("\0"))
    .digest("hex")
    .slice(0, 24)}`;

/** Journals come from anywhere: what a key holds must be about its group. */
export function sameGroup(group: SiteGroup, key: string, before: SiteSensitivity): SiteSensitivity {
  const [{ id, kind, layer }] = group;
  const same =
    before.site === id && before.kind === kind && before.layer === layer && before.sites.join("\0") === group.map((s) => s.id).join("\0");
  if (same) return before;
  throw new UsageError("ERR_JOURNAL", `The journal's result for "${key}" is about other sites.`, {
    hint: "Start anew with --fresh, or use another output folder.",
  });
}
