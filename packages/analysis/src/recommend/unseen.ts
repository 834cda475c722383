/** Quantiles of Student's t for 95 % on one side, by degrees of freedom from 1 on (any table of statistics). */
const student95 = [
  6.314, 2.92, 2.353, 2.132, 2.015, 1.943, 1.895, 1.86, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.74, 1.734, 1.729, 1.725,
];

/** Samples from which a spread can be told. */
export const fewestForSpread = 3;

/**
 * Error that a sample nobody has seen stays below in 95 of 100 cases, from the errors of those that were: the upper prediction limit of a normal distribution of
 * their logarithms, mean + t s sqrt(1 + 1/n) (Hahn and Meeker, Statistical Intervals). undefined for fewer than three samples. Relative errors of one candidate
 * scatter by factors, so logarithms it is.
 */
export function unseenBound(errors: readonly number[]): number | undefined {
  const n = errors.length;
  if (n < fewestForSpread) return undefined;
  const largest = Math.max(...errors);
  if (!(largest > 0) || !Number.isFinite(largest)) return largest;
  // An exact sample says nothing about how far the others scatter; a logarithm needs a number.
  const logs = errors.map((e) => Math.log(Math.max(e, largest * 1e-3)));
  const mean = logs.reduce((a, b) => a + b, 0) / n;
  const variance = logs.reduce((a, x) => a + (x - mean) ** 2, 0) / (n - 1);
  const t = student95[n - 2] ?? 1.645;
  return Math.max(largest, Math.exp(mean + t * Math.sqrt(variance * (1 + 1 / n))));
}
