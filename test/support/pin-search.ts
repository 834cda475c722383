/** Searches for pins in plain numbers: an error for every set of pins, no engine. */
import { type Judge, keyOf, type PinProblem } from "@halfscope/analysis";
import { type Layer, type Site, type SiteSensitivity, silentProgress } from "@halfscope/core";
import { siteOf } from "./stats.js";

export type ErrorOf = (pins: ReadonlySet<string>) => number;

/** Counts sets, as `Trials` does, and remembers them. */
export class FakeJudge implements Judge {
  readonly asked = new Map<string, number>();
  constructor(
    private readonly error: ErrorOf,
    private readonly tolerance: number,
    private readonly most = 1e6,
  ) {}
  get left(): number {
    return Math.max(0, this.most - this.asked.size);
  }
  async errorOf(pins: readonly string[]): Promise<number> {
    const key = keyOf(pins);
    const known = this.asked.get(key) ?? this.error(new Set(pins));
    this.asked.set(key, known);
    return known;
  }
  async fits(pins: readonly string[]): Promise<boolean> {
    const error = await this.errorOf(pins);
    return Number.isFinite(error) && error <= this.tolerance;
  }
}

/** Layers by their names, in a row; sites as the layers that each needs, with its error alone. */
export interface Numbers {
  layers: readonly string[];
  sites: readonly { touching: readonly string[]; error: number }[];
  work?: Readonly<Record<string, number>>;
  base?: readonly string[];
  tolerance: number;
  /** What is measured; sums of squares of the sites left by default. */
  measured?: ErrorOf;
  most?: number;
  prefer?: PinProblem["prefer"];
}

export const inSquares =
  (sites: Numbers["sites"]): ErrorOf =>
  (pins) =>
    Math.sqrt(sites.reduce((n, s) => (s.touching.every((l) => pins.has(l)) ? n : n + s.error ** 2), 0));

export function problemOf(n: Numbers): PinProblem & { judge: FakeJudge; error: ErrorOf } {
  const sites: Site[] = n.sites.map((s, i) => siteOf(`t${i}`, [...s.touching]));
  const measured = sites.map(
    (site, i): SiteSensitivity => ({
      site: site.id,
      sites: [site.id],
      kind: site.kind,
      layer: site.layer,
      outputError: n.sites[i]?.error ?? 0,
      perOutput: [n.sites[i]?.error ?? 0],
      outputMaxAbs: 0,
      nonFinite: !Number.isFinite(n.sites[i]?.error ?? 0),
    }),
  );
  const error = n.measured ?? inSquares(n.sites);
  const work = new Map(n.layers.map((l) => [l, n.work?.[l] ?? 1]));
  return {
    sites,
    // Sites that the base makes vanish are not swept.
    measured: measured.filter((_, i) => !n.sites[i]?.touching.every((l) => n.base?.includes(l))),
    layers: n.layers.map(layerOf),
    base: n.base ?? [],
    prices: { work, added: (layers, isPinned) => layers.reduce((sum, l) => sum + (isPinned(l) ? 0 : (work.get(l) ?? 0)), 0) },
    tolerance: n.tolerance,
    factor: 1,
    prefer: n.prefer ?? "pins",
    judge: new FakeJudge(error, n.tolerance, n.most),
    progress: silentProgress,
    error,
  };
}

export const layerOf = (id: string): Layer => ({
  id,
  kind: "operator",
  blockPath: "",
  title: id,
  nodes: [],
  operators: [],
  inputs: [],
  outputs: [],
  weights: [],
});

/** The fewest pins that keep a tolerance, by looking at every set. */
export function fewestOf(layers: readonly string[], error: ErrorOf, tolerance: number): number {
  let fewest = Number.POSITIVE_INFINITY;
  for (let bits = 0; bits < 2 ** layers.length; bits++) {
    const set = layers.filter((_, i) => (bits >> i) & 1);
    if (set.length < fewest && error(new Set(set)) <= tolerance) fewest = set.length;
  }
  return fewest;
}
