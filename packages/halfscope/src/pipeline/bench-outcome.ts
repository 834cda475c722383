import { type BenchDocument, exitCodes } from "@halfscope/core";

/** Points that were asked for, by what became of them. A point is a batch size and shape; engines and numbers of contexts count once. */
export interface ServedPoints {
  asked: number;
  /** Outside of every profile, or a batch of a model that takes none. */
  notServed: number;
  failed: number;
  stopped: number;
}

export function servedPoints({ comparisons, points }: Pick<BenchDocument, "comparisons" | "points">): ServedPoints {
  const count: ServedPoints = { asked: comparisons.length, notServed: 0, failed: 0, stopped: 0 };
  for (const c of comparisons) {
    const all = [c, ...points.filter((p) => p.shape === c.shape && p.batch === c.batch)];
    const has = (kind: string) => all.some((p) => p.refusal?.kind === kind) || c.referenceRefusal?.kind === kind;
    if (has("failed")) count.failed++;
    else if (has("refused")) count.notServed++;
    else if (has("stopped")) count.stopped++;
  }
  return count;
}

/**
 * A point that failed was asked for and cannot be served: 4, whatever the others gave. One that no profile serves is an answer, and told in the first lines; but where nothing at
 * all was served there is no answer to be within anything: 4 too.
 */
export function benchExitCode(d: Pick<BenchDocument, "comparisons" | "points" | "verdict">): number {
  const { asked, notServed, failed } = servedPoints(d);
  if (failed > 0 || (asked > 0 && notServed === asked)) return exitCodes.run;
  return d.verdict.outcome === "not-within" || d.verdict.outcome === "not-finite" ? exitCodes.accuracyNotMet : exitCodes.ok;
}
