import type { BenchComparison, BenchDocument, BenchVerdict } from "@halfscope/core";

/**
 * Requests against the tolerance: `against` the reference, or the same requests sent singly. NaN and infinities never pass; single requests that the engine repeats are, by
 * themselves, no answer about batches.
 */
export function judgeBench(
  comparisons: readonly BenchComparison[],
  tolerance: number,
  against: NonNullable<BenchVerdict["against"]> = "reference",
): BenchVerdict {
  let error = -1;
  let worst: BenchVerdict["worst"];
  let notFinite = false;
  for (const c of comparisons) {
    const r = against === "reference" ? c.reference : (c.single ?? c.reference);
    if (r?.worst === undefined) continue;
    notFinite ||= r.notFinite > 0;
    if (r.relativeL2 > error) [error, worst] = [r.relativeL2, { shape: c.shape, batch: c.batch, ...r.worst }];
  }
  const singles = comparisons.flatMap((c) => (c.batch > 1 && c.single !== undefined ? [c.single] : []));
  const mixes = comparisons.some((c) => c.neighbours !== undefined && !c.neighbours.bitIdentical && !repeatsBadly(c, comparisons));
  const judged = worst !== undefined && (against === "reference" || singles.length > 0 || error > tolerance);
  return {
    outcome: notFinite ? "not-finite" : !judged ? "not-judged" : error <= tolerance ? "within" : "not-within",
    against,
    tolerance,
    error: worst === undefined ? 0 : error,
    ...(worst && { worst }),
    ...(singles.length > 0 && {
      batched: {
        maxAbs: Math.max(...singles.map((s) => s.maxAbs)),
        relativeL2: Math.max(...singles.map((s) => s.relativeL2)),
        bitIdentical: singles.every((s) => s.bitIdentical),
      },
    }),
    mixes,
  };
}

/** An engine that does not repeat a single request either is no evidence that requests mix: their difference must be beyond that. */
function repeatsBadly(c: BenchComparison, all: readonly BenchComparison[]): boolean {
  const repeat = all.find((o) => o.shape === c.shape && o.batch === 1)?.single;
  return repeat !== undefined && !repeat.bitIdentical && (c.neighbours?.relativeL2 ?? 0) <= 4 * repeat.relativeL2;
}

/** Beyond these, times say less than they look. */
const highVariation = 0.2;
const highDrift = 0.1;
const busyShare = 0.5;
/** Below, p99 is the largest time but one or so. */
const fewRequests = 100;

/** What makes the figures worth less than they look. */
export function benchWarnings(d: Pick<BenchDocument, "machine" | "points" | "comparisons">): string[] {
  const warnings: string[] = [];
  const { load, cores } = d.machine;
  const disturbed = d.comparisons.filter((c) => c.atOnce?.bitIdentical === false && c.single?.bitIdentical === true);
  if (disturbed.length > 0)
    warnings.push(
      `Requests served at once change each other's results, though the engine repeats single ones: relative L2 ${Math.max(...disturbed.map((c) => c.atOnce?.relativeL2 ?? 0)).toPrecision(3)} at most. The library or one of its kernels is not safe in several threads.`,
    );
  if (load !== undefined && load[0] > busyShare * cores)
    warnings.push(
      `The machine was busy before the measurement: ${load[0].toFixed(1)} processes ran or waited on ${cores} cores. Times are those of a shared machine.`,
    );
  const measured = d.points.filter((p) => p.latency !== undefined);
  const wild = measured.filter((p) => (p.latency?.variation ?? 0) > highVariation);
  if (wild.length > 0)
    warnings.push(
      `Times vary by more than ${percent(highVariation)} of their mean at ${wild.length} of ${measured.length} points; worst ${percent(Math.max(...wild.map((p) => p.latency?.variation ?? 0)))}. Take p50, and measure again when the machine is quiet.`,
    );
  const drifts = measured.flatMap((p) => (p.drift === undefined ? [] : [p.drift])).toSorted((a, b) => a - b);
  const drift = drifts[drifts.length >> 1];
  if (drift !== undefined && Math.abs(drift) > highDrift)
    warnings.push(
      `The last round was ${percent(Math.abs(drift))} ${drift > 0 ? "slower" : "faster"} than the first (median over points): clocks or other work changed meanwhile.`,
    );
  const far = drifts.filter((x) => Math.abs(x) > highVariation);
  if (far.length > 0 && Math.abs(drift ?? 0) <= highDrift)
    warnings.push(
      `The last round differs from the first by more than ${percent(highVariation)} at ${far.length} of ${measured.length} points; worst ${signed(far.toSorted((a, b) => Math.abs(b) - Math.abs(a))[0] ?? 0)}. Times of these points say less than they look: measure again, with more --requests and --rounds.`,
    );
  const few = measured.filter((p) => (p.latency?.requests ?? 0) < fewRequests);
  if (few.length > 0)
    warnings.push(
      `p99 of fewer than ${fewRequests} requests is little more than the slowest one: so at ${few.length} of ${measured.length} points. --requests and --max-seconds allow more.`,
    );
  return warnings;
}

const signed = (x: number): string => `${x < 0 ? "-" : "+"}${percent(Math.abs(x))}`;
const percent = (x: number): string => `${Math.round(100 * x)} %`;
