import { type ErrorStats, exponentBias, exponentBins } from "@halfscope/core";

/** floor(log2 |x|) of a float32 value, read from its bits; -127 for zero and float32 subnormals, which all lie far below FP16's range. */
function exponentOf(x: number): number {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, Math.abs(x));
  return (bits.getUint32(0) >>> 23) - 127;
}

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

/** The obvious implementation of what the addon's comparison computes: one pair at a time, for tests. */
export function plainStats(reference: Float32Array, candidate: Float32Array): ErrorStats {
  const exponents = new Array<number>(exponentBins).fill(0);
  const s: ErrorStats = {
    count: reference.length,
    maxAbs: 0,
    maxIndex: -1,
    maxReference: 0,
    maxCandidate: 0,
    sumAbs: 0,
    sumSquaredError: 0,
    sumSquaredReference: 0,
    maxUlp: 0,
    sumUlp: 0,
    minReference: Number.POSITIVE_INFINITY,
    maxReferenceValue: Number.NEGATIVE_INFINITY,
    minCandidate: Number.POSITIVE_INFINITY,
    maxCandidateValue: Number.NEGATIVE_INFINITY,
    nanReference: 0,
    nanCandidate: 0,
    infReference: 0,
    infCandidate: 0,
    overflowed: 0,
    flushed: 0,
    subnormalReference: 0,
    subnormalCandidate: 0,
    nonFiniteMismatch: 0,
    exponents,
  };
  const isInfinite = (x: number) => Math.abs(x) === Number.POSITIVE_INFINITY;
  const isSubnormal = (x: number) => x !== 0 && Math.abs(x) < 2 ** -14;
  reference.forEach((r, i) => {
    const c = candidate[i] ?? Number.NaN;
    if (Number.isNaN(r)) s.nanReference++;
    if (Number.isNaN(c)) s.nanCandidate++;
    if (isInfinite(r)) s.infReference++;
    if (isInfinite(c)) s.infCandidate++;
    if (Number.isFinite(r) && isInfinite(c)) s.overflowed++;
    if (Math.abs(r) > 0 && c === 0) s.flushed++;
    if (isSubnormal(r)) s.subnormalReference++;
    if (isSubnormal(c)) s.subnormalCandidate++;
    if (Number.isFinite(r)) {
      s.minReference = Math.min(s.minReference, r + 0);
      s.maxReferenceValue = Math.max(s.maxReferenceValue, r + 0);
      const bin = clamp(exponentOf(r) + exponentBias, 0, exponentBins - 1);
      exponents[bin] = (exponents[bin] ?? 0) + 1;
    }
    if (Number.isFinite(c)) {
      s.minCandidate = Math.min(s.minCandidate, c + 0);
      s.maxCandidateValue = Math.max(s.maxCandidateValue, c + 0);
    }
    const bothFinite = Number.isFinite(r) && Number.isFinite(c);
    if (!bothFinite && !(isInfinite(r) && r === c)) {
      s.nonFiniteMismatch++;
      return;
    }
    const error = bothFinite ? Math.abs(r - c) : 0;
    if (error > s.maxAbs || s.maxIndex < 0) {
      s.maxAbs = error;
      s.maxIndex = i;
      s.maxReference = r;
      s.maxCandidate = c;
    }
    if (!bothFinite) return;
    const ulp = error / 2 ** (clamp(exponentOf(r), -14, 15) - 10);
    s.sumAbs += error;
    s.sumSquaredError += error * error;
    s.sumSquaredReference += r * r;
    s.maxUlp = Math.max(s.maxUlp, ulp);
    s.sumUlp += ulp;
  });
  return s;
}
