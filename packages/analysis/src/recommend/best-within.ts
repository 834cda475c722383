import { growthChain, layersWorthPinning, type PinProblem, priceOf, sitesLeft } from "./pin-problem.js";
import { keyOf } from "./trials.js";

/** What a set may weigh: a share of the work, or a number of pins. */
export interface Limit {
  most: number;
  weight: (layer: string) => number;
}

/** Predicted sets that are measured, and measured steps from the best of them. */
const measuredIdeas = 8;
const enumerable = 14;

/**
 * The set with the lowest measured error among those within a limit: prediction proposes, trials on every sample choose, then pins are exchanged and let go as
 * long as that helps. Never worse than no pins at all. Everything known so far (`more`) is considered too.
 */
export async function bestWithin(p: PinProblem, limit: Limit, more: readonly (readonly string[])[] = []): Promise<readonly string[]> {
  const { judge } = p;
  const weightOf = (set: readonly string[]) => set.reduce((n, l) => n + limit.weight(l), 0);
  // A sum over all layers is off from one by some bits, and everything pinned is within 100 %.
  const fits = (set: readonly string[]) => weightOf(set) <= limit.most * (1 + 1e-12);
  const worth = layersWorthPinning(p);
  const ideas = new Map<string, readonly string[]>();
  for (const set of [[], worth, ...more, ...proposals(p, limit, worth)]) if (fits(set)) ideas.set(keyOf(set), set);
  const left = sitesLeft(p);
  const predicted = new Map([...ideas.values()].map((set) => [set, left.predictedFor(set)]));
  const sorted = [...ideas.values()].toSorted((a, b) => (predicted.get(a) ?? 0) - (predicted.get(b) ?? 0) || a.length - b.length);
  let best: { set: readonly string[]; error: number } | undefined;
  const offer = async (set: readonly string[], purpose: string) => {
    const error = await judge.errorOf(set, purpose, left.predictedFor(set), best?.error);
    if (best === undefined || error < best.error || (error === best.error && set.length < best.set.length)) {
      best = { set, error };
      return true;
    }
    return false;
  };
  await offer([], "no pins");
  for (const set of sorted.slice(0, measuredIdeas)) if (judge.left > 0) await offer(set, "best predicted within the limit");
  for (const set of more) if (judge.left > 0 && fits(set)) await offer(set, "tried before");
  for (let going = true; going; ) {
    going = false;
    const from: readonly string[] = (best as { set: readonly string[] } | undefined)?.set ?? [];
    for (const set of neighbours(p, from, worth).filter(fits).slice(0, measuredIdeas)) {
      if (judge.left === 0) break;
      if (await offer(set, "exchange within the limit")) going = true;
      if (going) break;
    }
  }
  return (best as { set: readonly string[] } | undefined)?.set ?? [];
}

/** Sets within the limit that prediction likes: all subsets where there are few layers, else greedy walks by error per work, per weight and alone. */
function proposals(p: PinProblem, limit: Limit, worth: readonly string[]): (readonly string[])[] {
  if (worth.length <= enumerable) {
    const left = sitesLeft(p);
    const all = Array.from({ length: 2 ** worth.length }, (_, bits) => worth.filter((_, i) => (bits >> i) & 1)).filter(
      (set) => set.reduce((n, l) => n + limit.weight(l), 0) <= limit.most * (1 + 1e-12),
    );
    const scored = all.map((set) => ({ set, square: left.set(set).square }));
    return scored
      .toSorted((a, b) => a.square - b.square || a.set.length - b.set.length)
      .slice(0, measuredIdeas)
      .map((s) => s.set);
  }
  const without = { ...p, base: [] };
  const chains = [
    growthChain(p, "work", limit),
    growthChain(p, "pins", limit),
    growthChain(without, "work", limit),
    growthChain(without, "pins", limit),
  ];
  return chains.flatMap((c) => c.sets.slice(-2));
}

/** A pin less, or one exchanged for another: most promising first. */
function neighbours(p: PinProblem, set: readonly string[], worth: readonly string[]): (readonly string[])[] {
  const left = sitesLeft(p).set(set);
  const now = left.square;
  const ideas: { set: readonly string[]; square: number }[] = [];
  const others = worth.filter((l) => !set.includes(l));
  for (const other of others) {
    left.pin(other);
    ideas.push({ set: [...set, other], square: left.square });
    left.unpin(other);
  }
  for (const out of set) {
    left.unpin(out);
    const rest = set.filter((l) => l !== out);
    ideas.push({ set: rest, square: left.square });
    for (const other of others) {
      left.pin(other);
      ideas.push({ set: [...rest, other], square: left.square });
      left.unpin(other);
    }
    left.pin(out);
    left.settle();
  }
  // What prediction calls no better is worth a trial only where it is smaller: pins that buy nothing go.
  return ideas
    .filter((i) => i.square < now || (i.square <= now * 1.0001 && i.set.length < set.length))
    .toSorted((a, b) => a.square - b.square || a.set.length - b.set.length || sum(p, a.set) - sum(p, b.set))
    .map((i) => i.set);
}

const sum = (p: PinProblem, set: readonly string[]): number => set.reduce((n, l) => n + priceOf(p, l), 0);
