import { type ErrorStats, meanAbs, meanUlp, relativeL2 } from "./error-stats.js";
import type { ErrorSummary, Measurements } from "./measurement.js";

/** What a ranking keeps of a tensor's statistics. */
export function summarise(tensor: string, s: ErrorStats): ErrorSummary {
  return {
    tensor,
    maxAbs: s.maxAbs,
    meanAbs: meanAbs(s),
    relativeL2: relativeL2(s),
    maxUlp: s.maxUlp,
    meanUlp: meanUlp(s),
    overflowed: s.overflowed,
    nan: s.nanCandidate,
    flushed: s.flushed,
    subnormal: s.subnormalCandidate,
    nonFiniteMismatch: s.nonFiniteMismatch,
    count: s.count,
  };
}

/**
 * Smallest and largest relative L2 of the worst final output over the kernels that a library may choose for products; undefined where that makes no
 * difference or was not asked.
 */
export function outputBand({ tensors, outputs }: Measurements): readonly [number, number] | undefined {
  const judged = tensors.filter((t) => Object.hasOwn(outputs, t.tensor));
  if (!judged.some((t) => t.band !== undefined)) return undefined;
  const edge = (i: 0 | 1) => Math.max(...judged.map((t) => t.band?.relativeL2[i] ?? relativeL2(t.stats)));
  return [edge(0), edge(1)];
}
