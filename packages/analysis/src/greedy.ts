import type { Site, SiteSensitivity } from "@halfscope/core";
import { worst } from "./output-error.js";

/** A step of the greedy walk: the layers it adds, and the error that the remaining sites predict. */
export interface GreedyStep {
  added: readonly string[];
  predictedError: number;
}

/**
 * Orders pins by squared output error removed per work kept in FP32. A site vanishes only when every layer that touches it is pinned, so each step
 * adds the layers that one site still needs, and is credited with every site that vanishes with them. Ends when nothing is left to remove.
 */
export function greedyPins(
  sites: readonly Site[],
  measured: readonly SiteSensitivity[],
  work: ReadonlyMap<string, number>,
  pinned: Iterable<string>,
): GreedyStep[] {
  const touching = new Map(sites.map((s) => [s.id, s.touching]));
  const outputs = measured[0]?.perOutput.length ?? 0;
  const current = new Set(pinned);
  // Infinite errors count as far larger than any finite one, so that they go first and still add up.
  const square = (e: number) => (Number.isFinite(e) ? e * e : 1e12);
  const left = new Map(measured.map((m) => [m.site, m.perOutput.map(square)]));
  // Summed anew after each step: taking 1e12 out of a sum would leave nothing of the finite errors in it.
  const sumsLeft = () => Array.from({ length: outputs }, (_, i) => [...left.values()].reduce((n, v) => n + (v[i] ?? 0), 0));
  let sums = sumsLeft();
  const sitesOfLayer = new Map<string, string[]>();
  for (const site of left.keys()) for (const l of touching.get(site) ?? []) sitesOfLayer.set(l, [...(sitesOfLayer.get(l) ?? []), site]);
  const missing = (site: string, extra: ReadonlySet<string> = new Set()) =>
    (touching.get(site) ?? []).filter((l) => !current.has(l) && !extra.has(l));
  const steps: GreedyStep[] = [];
  while (left.size > 0) {
    // Judge by the output that is worst now.
    const judged = sums.indexOf(worst(sums));
    let best: { added: string[]; vanishing: Set<string>; score: number } | undefined;
    for (const site of left.keys()) {
      const added = missing(site);
      const extra = new Set(added);
      const vanishing = new Set<string>([site]);
      for (const l of added)
        for (const other of sitesOfLayer.get(l) ?? []) if (left.has(other) && missing(other, extra).length === 0) vanishing.add(other);
      const gain = [...vanishing].reduce((n, s) => n + (left.get(s)?.[judged] ?? 0), 0);
      const cost = added.reduce((n, l) => n + (work.get(l) ?? 0), 0);
      const score = gain / (cost + 1);
      if (gain > 0 && (best === undefined || score > best.score)) best = { added, vanishing, score };
    }
    if (best === undefined) break;
    for (const l of best.added) current.add(l);
    for (const s of best.vanishing) left.delete(s);
    sums = sumsLeft();
    steps.push({ added: best.added, predictedError: Math.sqrt(worst(sums)) });
  }
  return steps;
}
