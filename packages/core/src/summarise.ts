import { type ErrorStats, meanAbs, meanUlp, relativeL2 } from "./error-stats.js";
import type { ErrorSummary } from "./result.js";

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
