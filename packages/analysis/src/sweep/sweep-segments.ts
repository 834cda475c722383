import type { Evaluate } from "../judge/output-error.js";

/** Engines that start at a cut. Opened one segment at a time. */
export interface Segments {
  /** The latest segment in which all these placements act as in the whole graph; 0 is the whole graph. */
  segmentOf(placements: readonly number[]): number;
  /** Cost of a candidate there, as a share of a whole pass. */
  shareOf(segment: number): number;
  /** Cost of opening it, in whole passes. Defaults to 0. */
  openingOf?(segment: number): number;
  open(segment: number): Promise<Lanes>;
}

/** Engines of one segment: so many candidates may run at once (one when absent), on a thread each instead of one on all threads. */
export interface Lanes {
  /** One sample after the other; each gives its own. */
  samples: readonly Evaluate[];
  lanes?: number;
  close(): void;
}

/**
 * Where candidates run, by the latest segment that they could run in: opening a segment has its price, so a few candidates go with those of an earlier one.
 * The cheapest choice: a run of neighbouring segments shares the first of them.
 */
export function planSegments(counts: ReadonlyMap<number, number>, segments: Pick<Segments, "shareOf" | "openingOf">): Map<number, number> {
  const latest = [...counts.keys()].sort((a, b) => a - b);
  const opening = (segment: number) => segments.openingOf?.(segment) ?? 0;
  // best[i]: what all from i on cost, and where the run that starts with i ends.
  const best: { cost: number; end: number }[] = new Array(latest.length + 1).fill({ cost: 0, end: latest.length });
  for (let i = latest.length - 1; i >= 0; i--) {
    const first = latest[i] ?? 0;
    let candidates = 0;
    let found = { cost: Number.POSITIVE_INFINITY, end: i + 1 };
    for (let end = i + 1; end <= latest.length; end++) {
      candidates += counts.get(latest[end - 1] ?? 0) ?? 0;
      const cost = opening(first) + candidates * segments.shareOf(first) + (best[end]?.cost ?? 0);
      if (cost < found.cost) found = { cost, end };
    }
    best[i] = found;
  }
  const chosen = new Map<number, number>();
  for (let i = 0; i < latest.length; ) {
    const end = best[i]?.end ?? latest.length;
    for (let k = i; k < end; k++) chosen.set(latest[k] ?? 0, latest[i] ?? 0);
    i = end;
  }
  return chosen;
}

/** Works through the items in order, up to `lanes` at once. After a failure, those under way are waited for and nothing new is begun. */
export async function inLanes<T>(items: readonly T[], lanes: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < items.length && !failed)
      try {
        await work(items[next++] as T);
      } catch (error) {
        failed = true;
        throw error;
      }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.max(1, lanes) }, lane));
  for (const e of ended) if (e.status === "rejected") throw e.reason;
}
