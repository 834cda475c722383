import type { Site, SiteSensitivity } from "@halfscope/core";
import { SitesLeft } from "./sites-left.js";

/** A step of the greedy walk: the layers it adds, and the error that the remaining sites predict. */
export interface GreedyStep {
  added: readonly string[];
  predictedError: number;
}

export interface GreedyOptions {
  /** Sets of layers that may be pinned at once, beside what each site needs. */
  regions?: readonly (readonly string[])[];
  /** Price of pinning these layers beside the ones pinned already; at least 0 counts. */
  cost: (added: readonly string[], isPinned: (layer: string) => boolean) => number;
  /** Steps beyond it are left out: the sum of `weight` over all pins. */
  limit?: { most: number; weight: (layer: string) => number };
}

/**
 * Orders pins by squared output error removed per cost. A site vanishes only when every layer that touches it is pinned, so each step adds the layers that one
 * site still needs, or a region, and is credited with every site that vanishes with them. Ends when nothing is left to remove.
 */
export function greedyPins(
  sites: readonly Site[],
  measured: readonly SiteSensitivity[],
  pinned: Iterable<string>,
  o: GreedyOptions,
): GreedyStep[] {
  const left = new SitesLeft(sites, measured);
  left.set(pinned);
  const steps: GreedyStep[] = [];
  // Sites whose layers are all pinned from the start vanish at no price: a step of its own, so that the walk's first error says so.
  if (measured.some((m, s) => !left.isLeft(s) && m.perOutput.some((e) => e > 0)))
    steps.push({ added: [], predictedError: left.predicted() });
  const touching = new Map(sites.map((s) => [s.id, s.touching]));
  const candidates = new Candidates([...measured.map((m) => touching.get(m.site) ?? []), ...(o.regions ?? [])], left, o);
  let weight = candidates.weightOf(left.pins);
  for (;;) {
    const added = candidates.best(weight);
    if (added === undefined) return steps;
    weight += candidates.weightOf(added);
    for (const l of added) left.pin(l);
    left.settle();
    candidates.changed(added);
    steps.push({ added, predictedError: left.predicted() });
  }
}

/** Sets of layers with their scores: only what a step touches is scored anew. */
class Candidates {
  private readonly sets: readonly (readonly string[])[];
  private readonly scores: Float64Array;
  private readonly stale: Uint8Array;
  private readonly ofLayer = new Map<string, number[]>();
  /** Layers that share a site with a layer: what they gain depends on it. */
  private readonly near = new Map<string, Set<string>>();
  private judged = -1;

  constructor(
    sets: readonly (readonly string[])[],
    private readonly left: SitesLeft,
    private readonly o: GreedyOptions,
  ) {
    this.sets = [...new Map(sets.map((s) => [[...new Set(s)].sort().join("\0"), s])).values()];
    this.scores = new Float64Array(this.sets.length);
    this.stale = new Uint8Array(this.sets.length).fill(1);
    this.sets.forEach((layers, i) => {
      for (const l of layers) push(this.ofLayer, l, i);
    });
    for (const site of left.needs)
      for (const l of site) {
        const near = this.near.get(l) ?? new Set();
        for (const other of site) near.add(other);
        this.near.set(l, near);
      }
  }

  weightOf(layers: readonly string[]): number {
    const { limit } = this.o;
    return limit === undefined ? 0 : layers.reduce((n, l) => n + limit.weight(l), 0);
  }

  /** What to pin next: undefined when nothing is left to gain, or nothing fits the limit. */
  best(weight: number): string[] | undefined {
    const { left, o } = this;
    // Judge by the output that is worst now.
    if (left.judged !== this.judged) this.stale.fill(1);
    this.judged = left.judged;
    let best = -1;
    let score = 0;
    for (let i = 0; i < this.sets.length; i++) {
      if (this.stale[i]) this.scores[i] = this.score(this.sets[i] ?? []);
      this.stale[i] = 0;
      if ((this.scores[i] ?? 0) <= score) continue;
      if (o.limit !== undefined && weight + this.weightOf(this.added(i)) > o.limit.most) continue;
      best = i;
      score = this.scores[i] ?? 0;
    }
    return best < 0 ? undefined : this.added(best);
  }

  changed(layers: readonly string[]): void {
    for (const l of layers) for (const near of this.near.get(l) ?? [l]) for (const i of this.ofLayer.get(near) ?? []) this.stale[i] = 1;
  }

  private added(i: number): string[] {
    return [...new Set((this.sets[i] ?? []).filter((l) => !this.left.has(l)))];
  }
  private score(layers: readonly string[]): number {
    const added = layers.filter((l) => !this.left.has(l));
    if (added.length === 0) return 0;
    const gain = this.left.gain(added, this.judged);
    return gain > 0
      ? gain /
          (Math.max(
            0,
            this.o.cost(added, (l) => this.left.has(l)),
          ) +
            1)
      : 0;
  }
}

function push<K>(map: Map<K, number[]>, key: K, value: number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/**
 * The other way round: from everything pinned, lets go of the layer that costs most per squared error that comes back, until none is pinned. Gives the order of
 * letting go; the last ones are those that matter most.
 */
export function shrinkOrder(
  sites: readonly Site[],
  measured: readonly SiteSensitivity[],
  o: { cost: (layer: string) => number; order?: readonly string[] },
): string[] {
  const left = new SitesLeft(sites, measured, o.order);
  left.set(left.layers);
  const pinned = new Set(left.layers);
  const released: string[] = [];
  while (pinned.size > 0) {
    let best: { layer: string; score: number } | undefined;
    const before = left.square;
    for (const layer of pinned) {
      left.unpin(layer);
      const score = (left.square - before) / (Math.max(0, o.cost(layer)) + 1e-30);
      left.pin(layer);
      if (best === undefined || score < best.score) best = { layer, score };
    }
    if (best === undefined) break;
    left.unpin(best.layer);
    left.settle();
    pinned.delete(best.layer);
    released.push(best.layer);
  }
  return released;
}
