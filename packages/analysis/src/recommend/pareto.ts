import type { Trial } from "@halfscope/core";
import type { Chain } from "./pin-problem.js";

/**
 * Places of a chain that are worth measuring: its ends, and between them as evenly over the logarithm of the predicted error as `most` allows, for a front is read
 * on such an axis.
 */
export function spacedByError(chain: Chain, most: number): number[] {
  const { predicted } = chain;
  const last = predicted.length - 1;
  if (most < 1 || last < 0) return [];
  if (predicted.length <= most) return predicted.map((_, i) => i);
  const finite = predicted.filter((e) => Number.isFinite(e) && e > 0);
  const high = Math.log(Math.max(...finite, Number.MIN_VALUE));
  // Far beyond the tolerance of anybody: steps down there would take all the places.
  const low = Math.max(Math.log(Math.min(...finite, Number.MAX_VALUE)), high - Math.log(1e4));
  const places = new Set([0, last]);
  for (let i = 0; i < most - 2; i++) {
    const aim = high - ((i + 0.5) / (most - 2)) * (high - low);
    const at = predicted.findIndex((e) => e > 0 && Number.isFinite(e) && Math.log(e) <= aim);
    if (at >= 0) places.add(at);
  }
  return [...places].sort((a, b) => a - b);
}

/** Trials that no other beats on error, share of work and number of pins at once: their indices, least work first. What is not finite is never on the front. */
export function frontOf(trials: readonly Trial[]): number[] {
  const usable = trials.map((_, i) => i).filter((i) => isUsable(trials[i]));
  return usable
    .filter((i) => !usable.some((j) => j !== i && beats(trials[j] as Trial, trials[i] as Trial, j < i)))
    .sort((a, b) => {
      const [s, t] = [trials[a] as Trial, trials[b] as Trial];
      return s.fp32Share - t.fp32Share || s.pins.length - t.pins.length || s.measuredError - t.measuredError;
    });
}

const isUsable = (t: Trial | undefined): boolean => t !== undefined && !t.nonFinite && Number.isFinite(t.measuredError);

/** As good everywhere and better somewhere; of two that are equal, the earlier one. */
function beats(a: Trial, b: Trial, earlier: boolean): boolean {
  const pairs = [
    [a.measuredError, b.measuredError],
    [a.fp32Share, b.fp32Share],
    [a.pins.length, b.pins.length],
  ] as const;
  return pairs.every(([x, y]) => x <= y) && (earlier || pairs.some(([x, y]) => x < y));
}
