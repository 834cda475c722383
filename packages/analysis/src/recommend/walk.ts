import type { Chain } from "./pin-problem.js";
import type { Judge } from "./trials.js";

/**
 * Finds the shortest set of a chain that measurement lets pass: starts where prediction says, walks out in growing strides until one passes, and back until the
 * set in front of it fails. undefined when none that was tried passes. Where pins can make things worse, it finds a passing set whose neighbour fails, not the first.
 */
export async function walkChain(
  chain: Chain,
  judge: Judge,
  o: { tolerance: number; factor: number },
): Promise<readonly string[] | undefined> {
  const { sets, predicted, purpose } = chain;
  const passes = async (k: number) => judge.left > 0 && (await judge.fits(sets[k] ?? [], purpose, predicted[k]));
  const last = sets.length - 1;
  const start = predicted.findIndex((p) => p * o.factor <= o.tolerance);
  let high = start < 0 ? last : start;
  let low = -1;
  for (let stride = 1; !(await passes(high)); stride *= 2) {
    if (high === last) return undefined;
    low = high;
    high = Math.min(last, high + stride);
  }
  for (let stride = 1; low < 0 && high > 0; stride *= 2) {
    const probe = Math.max(0, high - stride);
    if (await passes(probe)) high = probe;
    else low = probe;
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await passes(middle)) high = middle;
    else low = middle;
  }
  return sets[high];
}
