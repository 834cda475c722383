import { type PinProblem, priceOf, sitesLeft } from "./pin-problem.js";

/** Pins in the order in which they can be spared: least predicted error first, then the dearest. */
export function spareOrder(p: PinProblem, pins: readonly string[]): string[] {
  const left = sitesLeft(p).set(pins);
  const loss = new Map<string, number>();
  for (const l of pins) {
    left.unpin(l);
    loss.set(l, left.square);
    left.pin(l);
  }
  // What the overflow origins need was never swept without: last of all.
  const base = new Set(p.base);
  return pins.toSorted(
    (a, b) =>
      Number(base.has(a)) - Number(base.has(b)) ||
      (loss.get(a) ?? 0) - (loss.get(b) ?? 0) ||
      priceOf(p, b) - priceOf(p, a) ||
      (a < b ? -1 : 1),
  );
}

/**
 * Drops pins, those first that are missed least, in halves and then one by one, until every single removal breaks the tolerance (1-minimal), or until there
 * are no trials left. `pins` must fit.
 */
export async function trim(p: PinProblem, pins: readonly string[]): Promise<readonly string[]> {
  const { judge } = p;
  let kept = pins;
  for (let size = kept.length >> 1; size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let dropped = true; dropped; ) {
      dropped = false;
      const order = spareOrder(p, kept);
      for (let at = 0; at < order.length && judge.left > 0; at += size) {
        const out = new Set(order.slice(at, at + size).filter((l) => kept.includes(l)));
        const set = kept.filter((l) => !out.has(l));
        if (out.size === 0 || !(await judge.fits(set, "trim"))) {
          // Larger chunks are a short cut: the first that does not go shows that the next will not.
          if (size > 1) break;
          continue;
        }
        kept = set;
        dropped = true;
      }
      // Only single removals have to be repeated until nothing changes.
      if (size > 1) break;
    }
  }
  return kept;
}

/** Trials that letting go of one pin after the other takes at most. */
export const removalTrials = (pins: number): number => (pins * (pins + 1)) / 2 + 1;

/**
 * From everything pinned, lets go of the pin that leaves the smallest measured error, as long as the tolerance holds. Dear, and independent of any prediction.
 * undefined when not even everything pinned fits.
 */
export async function removeGreedily(p: PinProblem, all: readonly string[]): Promise<readonly string[] | undefined> {
  const { judge } = p;
  if (!(await judge.fits(all, "everything pinned"))) return undefined;
  let kept = all;
  while (kept.length > 0) {
    let best: { set: readonly string[]; error: number } | undefined;
    for (const pin of kept) {
      if (judge.left === 0) return best?.set ?? kept;
      const set = kept.filter((l) => l !== pin);
      const error = await judge.errorOf(
        set,
        "removal from everything pinned",
        undefined,
        Math.min(p.tolerance, best?.error ?? p.tolerance),
      );
      if (error > p.tolerance || (best !== undefined && error >= best.error)) continue;
      if (await judge.fits(set, "removal from everything pinned")) best = { set, error };
    }
    if (best === undefined) break;
    kept = best.set;
  }
  return kept;
}
