import {
  type ErrorSummary,
  type Layer,
  type Measurement,
  type Measurements,
  type Origin,
  type RankedLayer,
  type Ranking,
  summarise,
  topBlock,
} from "@halfscope/core";
import { harmThreshold } from "./origins.js";

export type RankBy = "relative" | "max" | "mean";

const measures: Record<RankBy, (e: ErrorSummary) => number> = {
  relative: (e) => e.relativeL2,
  max: (e) => e.maxAbs,
  mean: (e) => e.meanAbs,
};

/** Ranks layers by isolated error (accumulated where there is no isolated measurement), worst first; whatever is not finite comes before every number. Ties keep graph order. */
export function rankLayers(
  layers: readonly Layer[],
  measured: { isolated?: Measurements | undefined; accumulated?: Measurements | undefined; repaired?: Measurements | undefined },
  origins: readonly Origin[],
  by: RankBy = "relative",
): Ranking {
  const isolated = worstByLayer(layers, measured.isolated, by);
  const accumulated = worstByLayer(layers, measured.accumulated, by);
  const repaired = worstByLayer(layers, measured.repaired, by);
  const ranked: RankedLayer[] = layers
    .map((l) => ({
      layer: l.id,
      isolated: isolated.get(l.id),
      accumulated: accumulated.get(l.id),
      ...(repaired.has(l.id) && { repaired: repaired.get(l.id) as ErrorSummary }),
    }))
    .filter((r) => r.isolated !== undefined || r.accumulated !== undefined);
  const score = (r: RankedLayer): number => {
    const e = r.isolated ?? r.accumulated;
    return e === undefined ? -1 : e.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : measures[by](e);
  };
  const originRank = { overflow: 0, "silent-overflow": 0, "constant-overflow": 0, "harmless-overflow": 1 };
  return {
    origins: origins.toSorted((a, b) => originRank[a.kind] - originRank[b.kind]),
    layers: ranked.toSorted((a, b) => compareNumbers(score(b), score(a))),
    byKind: groupBy(layers, (l) => l.kind).map(([kind, group]) => {
      const errors = group.flatMap((l) => (isolated.has(l.id) ? relativeOf(isolated.get(l.id)) : []));
      return {
        kind,
        layers: group.length,
        meanIsolated: errors.reduce((a, b) => a + b, 0) / Math.max(1, errors.length),
        maxIsolated: errors.reduce((a, b) => Math.max(a, b), 0),
      };
    }),
    byBlock: groupBy(layers, (l) => topBlock(l.blockPath)).map(([block, group]) => {
      const last = group.findLast((l) => accumulated.has(l.id));
      return { block, layers: group.length, accumulated: last === undefined ? 0 : relativeOf(accumulated.get(last.id)) };
    }),
  };
}

/** Sums leave out what is not finite; such a tensor is infinitely wrong, not exact. */
const relativeOf = (e: ErrorSummary | undefined): number =>
  e === undefined ? 0 : e.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : e.relativeL2;

// Infinity - Infinity is NaN, which would leave the order to chance.
const compareNumbers = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);

function worstByLayer(layers: readonly Layer[], m: Measurements | undefined, by: RankBy): Map<string, ErrorSummary> {
  const worst = new Map<string, ErrorSummary>();
  if (m === undefined) return worst;
  const outputs = new Set(layers.flatMap((l) => l.outputs));
  const take = (t: Measurement) => {
    const summary = summarise(t.tensor, t.stats);
    const before = worst.get(t.layer);
    const broken = summary.nonFiniteMismatch > 0;
    const worse =
      before === undefined ||
      (broken && before.nonFiniteMismatch === 0) ||
      (broken === before.nonFiniteMismatch > 0 && measures[by](summary) > measures[by](before));
    if (worse) worst.set(t.layer, summary);
  };
  for (const t of m.tensors) if (outputs.has(t.tensor)) take(t);
  // Tensors inside a layer matter only when something overflows there that harms what others see of it: a mask in front of a Softmax does not.
  const harmed = new Set([...worst].flatMap(([layer, e]) => (e.nonFiniteMismatch > 0 || e.relativeL2 > harmThreshold ? [layer] : [])));
  for (const t of m.tensors)
    if (!outputs.has(t.tensor) && t.stats.nonFiniteMismatch > 0 && (harmed.has(t.layer) || !worst.has(t.layer))) take(t);
  return worst;
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return [...groups];
}
