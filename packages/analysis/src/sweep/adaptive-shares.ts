import type { SiteSensitivity } from "@halfscope/core";

/** Squared errors as shares of the whole's, output by output: what adds up. */
export class Shares {
  private total: readonly number[];

  constructor(whole: readonly number[]) {
    this.total = whole.map((e) => e * e);
  }

  /** The smaller of the whole and the sum of its parts, for a share to be none too small; where the whole says nothing (not finite, or zero), the sum. */
  expectSum(parts: readonly SiteSensitivity[]): void {
    const sums = sum(parts.map((p) => p.perOutput.map((e) => (Number.isFinite(e) ? e * e : 0))));
    this.total = this.total.map((t, i) => (t > 0 && Number.isFinite(t) ? Math.min(t, sums[i] || t) : sums[i] || 1));
  }

  of(s: SiteSensitivity): number[] {
    return s.perOutput.map((e, i) => (e * e) / (this.total[i] || 1));
  }
}

/** The output where it matters most. */
export const scoreOf = (share: readonly number[]): number =>
  share.reduce((a, b) => (Number.isNaN(b) ? Number.POSITIVE_INFINITY : Math.max(a, b)), 0);
export const scaled = (share: readonly number[], by: number): number[] => share.map((x) => (x === 0 ? 0 : x * by));

export function sum(shares: readonly (readonly number[])[]): number[] {
  const sums = new Array<number>(shares[0]?.length ?? 0).fill(0);
  for (const share of shares)
    share.forEach((x, i) => {
      sums[i] = (sums[i] ?? 0) + x;
    });
  return sums;
}

/** The largest part of a total, output by output; 0 of nothing. */
export const ratioOf = (part: readonly number[], total: readonly number[]): number =>
  part.reduce((m, p, i) => (p === 0 ? m : Math.max(m, p / (total[i] || 1))), 0);

/**
 * Items with little share, as many as stay within the budget together in every output; those first that would cost most to look into. None for a budget of 0: not even
 * a zero is believed.
 */
export function leaveOut<T>(
  items: readonly T[],
  shareOf: (item: T) => readonly number[],
  budget: number,
  costOf: (item: T) => number = () => 1,
): T[] {
  if (!(budget > 0)) return [];
  const left: T[] = [];
  let sums: number[] = [];
  const known = items.map((item) => {
    const share = shareOf(item);
    return { item, share, rank: scoreOf(share) / Math.max(costOf(item), 1e-9) };
  });
  for (const { item, share } of known.sort((a, b) => a.rank - b.rank)) {
    const next = share.map((x, i) => x + (sums[i] ?? 0));
    // What is too large for what is left of the budget may be followed by something small.
    if (!(scoreOf(next) <= budget)) continue;
    sums = next;
    left.push(item);
  }
  return left;
}
