/**
 * What a comparison of one tensor keeps. Sums run over the **finite pairs** (both sides finite, or both the same infinity, which counts as
 * equal); every other pair is counted below and makes the comparison fail, whatever the sums say.
 * All arithmetic is FP64; values are cast up before they are subtracted.
 */
export interface ErrorStats {
  /** Elements compared. */
  count: number;
  /** Largest |reference - candidate| over finite pairs, and where (flat index, -1 if count is 0 or no finite pair). */
  maxAbs: number;
  maxIndex: number;
  /** Values at maxIndex. */
  maxReference: number;
  maxCandidate: number;
  /** Sums over finite pairs: |r-c|, (r-c)^2, r^2. */
  sumAbs: number;
  sumSquaredError: number;
  sumSquaredReference: number;
  /** Error in FP16 ulps of the reference, |r-c| / 2^(max(floor(log2|r|), -14) - 10), exponent capped at 15: largest and sum. */
  maxUlp: number;
  sumUlp: number;
  /** Range of the finite values on either side; +Infinity/-Infinity when there are none. */
  minReference: number;
  maxReferenceValue: number;
  minCandidate: number;
  maxCandidateValue: number;
  nanReference: number;
  nanCandidate: number;
  infReference: number;
  infCandidate: number;
  /** Reference finite, candidate infinite. */
  overflowed: number;
  /** Reference not zero, candidate zero. */
  flushed: number;
  /** Non-zero values below the smallest normal FP16 number, 2^-14. */
  subnormalReference: number;
  subnormalCandidate: number;
  /** Pairs that can never pass: NaN on either side, an infinity on one side only, or infinities of opposite sign. */
  nonFiniteMismatch: number;
  /** Reference values by binary exponent: bin b holds exponent b - 40, clamped to bins 0 (zeros and below) and 63; non-finite values are left out. */
  exponents: readonly number[];
}

export const exponentBins = 64;
export const exponentBias = 40;

/** Mean |r-c| over finite pairs; 0 for an empty tensor. */
export const meanAbs = (s: ErrorStats): number => (finitePairs(s) === 0 ? 0 : s.sumAbs / finitePairs(s));
/** sqrt(sum (r-c)^2 / sum r^2); 0 when both sums are 0, Infinity when only the reference is 0. */
export function relativeL2(s: ErrorStats): number {
  if (s.sumSquaredError === 0) return 0;
  return s.sumSquaredReference === 0 ? Number.POSITIVE_INFINITY : Math.sqrt(s.sumSquaredError / s.sumSquaredReference);
}
export const meanUlp = (s: ErrorStats): number => (finitePairs(s) === 0 ? 0 : s.sumUlp / finitePairs(s));
export const finitePairs = (s: ErrorStats): number => s.count - s.nonFiniteMismatch;
/** True when the two sides are the same numbers: no error and nothing that cannot be compared. */
export const isExact = (s: ErrorStats): boolean => s.nonFiniteMismatch === 0 && s.maxAbs === 0;

/** Statistics of two disjoint sets of elements as one; `b` lies behind `a` (its indices are shifted by a.count). */
export function mergeStats(a: ErrorStats, b: ErrorStats): ErrorStats {
  const later = b.maxAbs > a.maxAbs || (a.maxIndex < 0 && b.maxIndex >= 0);
  return {
    count: a.count + b.count,
    maxAbs: Math.max(a.maxAbs, b.maxAbs),
    maxIndex: later ? (b.maxIndex < 0 ? -1 : b.maxIndex + a.count) : a.maxIndex,
    maxReference: later ? b.maxReference : a.maxReference,
    maxCandidate: later ? b.maxCandidate : a.maxCandidate,
    sumAbs: a.sumAbs + b.sumAbs,
    sumSquaredError: a.sumSquaredError + b.sumSquaredError,
    sumSquaredReference: a.sumSquaredReference + b.sumSquaredReference,
    maxUlp: Math.max(a.maxUlp, b.maxUlp),
    sumUlp: a.sumUlp + b.sumUlp,
    minReference: Math.min(a.minReference, b.minReference),
    maxReferenceValue: Math.max(a.maxReferenceValue, b.maxReferenceValue),
    minCandidate: Math.min(a.minCandidate, b.minCandidate),
    maxCandidateValue: Math.max(a.maxCandidateValue, b.maxCandidateValue),
    nanReference: a.nanReference + b.nanReference,
    nanCandidate: a.nanCandidate + b.nanCandidate,
    infReference: a.infReference + b.infReference,
    infCandidate: a.infCandidate + b.infCandidate,
    overflowed: a.overflowed + b.overflowed,
    flushed: a.flushed + b.flushed,
    subnormalReference: a.subnormalReference + b.subnormalReference,
    subnormalCandidate: a.subnormalCandidate + b.subnormalCandidate,
    nonFiniteMismatch: a.nonFiniteMismatch + b.nonFiniteMismatch,
    exponents: a.exponents.map((n, i) => n + (b.exponents[i] ?? 0)),
  };
}

/** Order of the numbers in the flat block that the addon returns, one block of `statsWidth` FP64 per tensor. */
export const statsFields = [
  "count",
  "maxAbs",
  "maxIndex",
  "maxReference",
  "maxCandidate",
  "sumAbs",
  "sumSquaredError",
  "sumSquaredReference",
  "maxUlp",
  "sumUlp",
  "minReference",
  "maxReferenceValue",
  "minCandidate",
  "maxCandidateValue",
  "nanReference",
  "nanCandidate",
  "infReference",
  "infCandidate",
  "overflowed",
  "flushed",
  "subnormalReference",
  "subnormalCandidate",
  "nonFiniteMismatch",
] as const satisfies readonly (keyof ErrorStats)[];
export const statsWidth = statsFields.length + exponentBins;

/** Reads block `slot` of the addon's flat array. */
export function statsFromBlock(block: Float64Array, slot: number): ErrorStats {
  const at = slot * statsWidth;
  const head = Object.fromEntries(statsFields.map((field, i) => [field, block[at + i] ?? Number.NaN]));
  return { ...head, exponents: [...block.subarray(at + statsFields.length, at + statsWidth)] } as unknown as ErrorStats;
}
