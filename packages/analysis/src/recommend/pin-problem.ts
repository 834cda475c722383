import type { Layer, Progress, Site, SiteSensitivity } from "@halfscope/core";
import { type GreedyStep, greedyPins, shrinkOrder } from "./greedy.js";
import { candidateRegions } from "./regions.js";
import { SitesLeft } from "./sites-left.js";
import type { Judge } from "./trials.js";

/** Prices of pins, in bytes of work. `PinCosts` is the real one. */
export interface Prices {
  readonly work: ReadonlyMap<string, number>;
  /** Bytes that pinning these layers adds, Casts included. */
  added(layers: readonly string[], isPinned: (layer: string) => boolean): number;
}

/** Fewest pins first, or least work first. The other decides between equals. */
export type Preference = "pins" | "work";

/** Everything that a search for pins works on. */
export interface PinProblem {
  sites: readonly Site[];
  /** Swept from a plan with `base` pinned. */
  measured: readonly SiteSensitivity[];
  layers: readonly Layer[];
  /** Layers that the overflow origins need: every set starts with them, and only a trial lets go of one. */
  base: readonly string[];
  prices: Prices;
  tolerance: number;
  /** Measured over predicted error of the whole candidate: what the sites predict is off by about that. */
  factor: number;
  prefer: Preference;
  judge: Judge;
  progress: Progress;
}

/** Sets of pins that grow from the base to everything, and what the sites left predict of each. */
export interface Chain {
  purpose: string;
  sets: readonly (readonly string[])[];
  predicted: readonly number[];
}

/** Layers that some site touches: pinning any other changes nothing. In graph order. */
export function layersWorthPinning(p: Pick<PinProblem, "sites" | "layers" | "base">): string[] {
  const touched = new Set([...p.sites.flatMap((s) => s.touching), ...p.base]);
  return [...new Set([...p.layers.map((l) => l.id).filter((l) => touched.has(l)), ...touched])];
}

export const sitesLeft = (p: Pick<PinProblem, "sites" | "measured" | "layers">): SitesLeft =>
  new SitesLeft(
    p.sites,
    p.measured,
    p.layers.map((l) => l.id),
  );

/** The price of each layer alone, for orders that look at one at a time. */
export const priceOf = (p: PinProblem, layer: string): number => p.prices.work.get(layer) ?? 0;

/** Sum of the prices of a set: work and Casts. */
export const priceOfSet = (p: PinProblem, pins: readonly string[]): number => p.prices.added(pins, () => false);

/** The better of two sets that both meet the tolerance. */
export function better(p: PinProblem, a: readonly string[], b: readonly string[]): readonly string[] {
  const keys = (s: readonly string[]) => (p.prefer === "pins" ? [s.length, priceOfSet(p, s)] : [priceOfSet(p, s), s.length]);
  const [[a1 = 0, a2 = 0], [b1 = 0, b2 = 0]] = [keys(a), keys(b)];
  return b1 < a1 || (b1 === a1 && b2 < a2) ? b : a;
}

/** The greedy walk outward: squared error removed per price, or per pin. */
export function growthChain(
  p: Pick<PinProblem, "sites" | "measured" | "layers" | "base" | "prices">,
  by: Preference,
  limit?: { most: number; weight: (layer: string) => number },
): Chain {
  const left = sitesLeft(p);
  const steps: GreedyStep[] = greedyPins(p.sites, p.measured, p.base, {
    regions: candidateRegions(p.layers, left),
    cost: by === "pins" ? (added) => added.length - 1 : (added, isPinned) => p.prices.added(added, isPinned),
    ...(limit && { limit }),
  });
  const sets: (readonly string[])[] = [[...p.base]];
  for (const step of steps) sets.push([...(sets.at(-1) ?? []), ...step.added]);
  return {
    purpose: by === "pins" ? "walk by error per pin" : "walk by error per work",
    sets,
    predicted: [left.predictedFor(p.base), ...steps.map((s) => s.predictedError)],
  };
}

/** The walk inward as a growing chain: what is let go of last comes first. */
export function shrinkChain(p: PinProblem, by: Preference): Chain {
  const base = new Set(p.base);
  const order = shrinkOrder(p.sites, p.measured, {
    cost: by === "pins" ? () => 1 : (l) => priceOf(p, l),
    order: p.layers.map((l) => l.id),
  }).filter((l) => !base.has(l));
  const left = sitesLeft(p).set(p.base);
  const sets: (readonly string[])[] = [[...p.base]];
  const predicted = [left.predicted()];
  for (const layer of order.toReversed()) {
    sets.push([...(sets.at(-1) ?? []), layer]);
    left.pin(layer);
    predicted.push(left.predicted());
  }
  return { purpose: by === "pins" ? "walk from everything pinned" : "walk from everything pinned, by work", sets, predicted };
}
