import { type ErrorStats, type ErrorSummary, exponentBias, exponentBins, type Measurement, summarise } from "@halfscope/core";

/** What a ranking keeps of a measurement. */
export const summary = ({ tensor, stats: s }: Measurement): ErrorSummary => summarise(tensor, s);

/** Statistics of a tensor whose relative L2 error and reach are given. */
export function stats(error: number, reach: number, overflowed: number, random: () => number): ErrorStats {
  const count = 131_072;
  const squared = count * (reach / 4) ** 2;
  const top = Math.floor(Math.log2(reach)) + exponentBias;
  return {
    count,
    maxAbs: error * reach * (0.7 + 0.5 * random()),
    maxIndex: error === 0 ? 0 : Math.floor(random() * count),
    maxReference: reach / 2,
    maxCandidate: (reach / 2) * (1 + error),
    sumAbs: 0.8 * error * (reach / 4) * count,
    sumSquaredError: error * error * squared,
    sumSquaredReference: squared,
    maxUlp: 2000 * error,
    sumUlp: 300 * error * count,
    minReference: -0.9 * reach,
    maxReferenceValue: reach,
    minCandidate: -0.9 * reach,
    maxCandidateValue: reach,
    nanReference: 0,
    nanCandidate: 0,
    infReference: 0,
    infCandidate: overflowed,
    overflowed,
    flushed: error > 0 && random() < 0.08 ? 1 + Math.floor(40 * random()) : 0,
    subnormalReference: 12,
    subnormalCandidate: 12,
    nonFiniteMismatch: overflowed,
    exponents: Array.from({ length: exponentBins }, (_, bin) => (bin > top ? 0 : Math.floor(count * 2 ** (-1 - (top - bin))))),
  };
}
