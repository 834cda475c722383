/** Products that sum in FP16, written as plainly as they can be: what the addon's kernels are tested against. Slow on purpose. */

/** The nearest FP16 value, ties to even, with subnormals and overflow to Infinity: by counting in units of the last place. */
export function toHalf(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(x))));
  // log2 may be off by one next to a power of two; the rounding below is only right with the exact exponent.
  const exact = 2 ** exponent > Math.abs(x) && exponent > -14 ? exponent - 1 : 2 ** (exponent + 1) <= Math.abs(x) ? exponent + 1 : exponent;
  const unit = 2 ** (exact - 10);
  const scaled = Math.abs(x) / unit;
  const below = Math.floor(scaled);
  const rest = scaled - below;
  const rounded = rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
  return Math.sign(x) * (rounded * unit > 65504 ? Number.POSITIVE_INFINITY : rounded * unit);
}

/**
 * a * b + c with one rounding to FP32. Doubles hold the product of two FP32 numbers exactly; the sum is first rounded to odd, so that the second rounding sees
 * what was lost.
 */
function fma(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  if (!Number.isFinite(sum)) return Math.fround(sum);
  const back = sum - product;
  const lost = product - (sum - back) + (c - back);
  if (lost === 0 || isOdd(sum)) return Math.fround(sum);
  return Math.fround(lost > 0 === sum > 0 ? next(sum, 1n) : next(sum, 0n));
}
const cell = new Float64Array(1);
const word = new BigUint64Array(cell.buffer);
const isOdd = (x: number): boolean => {
  cell[0] = x;
  return ((word[0] ?? 0n) & 1n) === 1n;
};
/** The neighbour of an even double with an odd last bit: away from zero, or towards it. */
function next(x: number, outwards: bigint): number {
  cell[0] = x;
  word[0] = outwards === 1n ? (word[0] ?? 0n) + 1n : (word[0] ?? 0n) - 1n;
  return cell[0] ?? Number.NaN;
}

type Pairs = readonly (readonly [number, number])[];

/** Adds up over the chunks of each piece of K, then the pieces, one after the other; `round` brings their sums to the accumulator's type. */
function split(
  pairs: Pairs,
  chunk: number,
  pieces: number,
  round: (x: number) => number,
  add: (sum: number, products: Pairs) => number,
): number {
  const chunks = Math.ceil(pairs.length / chunk);
  const count = Math.max(1, Math.min(pieces, chunks));
  let total = 0;
  for (let piece = 0; piece < count; piece++) {
    let sum = 0;
    for (let c = Math.floor((chunks * piece) / count); c < Math.floor((chunks * (piece + 1)) / count); c++)
      sum = add(sum, pairs.slice(c * chunk, (c + 1) * chunk));
    total = piece === 0 ? sum : round(total + sum);
  }
  return total;
}

/** One element of the fast model: `pairs` are the factors along K. */
export const halfSum = (pairs: Pairs, chunk = 16, pieces = 1): number =>
  split(pairs, chunk, pieces, toHalf, (sum, products) => toHalf(products.reduce((s, [a, b]) => fma(a, b, s), sum)));

/** Exponent of an FP16 or FP32 value, that of FP16's subnormals being -14. */
function exponentOf(x: number): number {
  if (x === 0) return -1000;
  cell[0] = x;
  return Math.max(-14, Number(((word[0] ?? 0n) >> 52n) & 2047n) - 1023);
}

/** One element as a chip gives it: groups of products aligned to 2^-bits of the largest exponent, cut, added exactly, rounded once. */
export function chipSum(pairs: Pairs, { group, bits, half }: { group: number; bits: number; half: boolean }, pieces = 1): number {
  return split(pairs, group, pieces, half ? toHalf : Math.fround, (sum, products) => {
    const top = Math.max(exponentOf(sum), ...products.map(([a, b]) => exponentOf(a) + exponentOf(b)));
    if (top < -200) return 0;
    const unit = 2 ** (top - bits);
    const units = products.reduce((total, [a, b]) => total + Math.trunc((a * b) / unit), Math.trunc(sum / unit));
    if (half) return toHalf(units * unit) + 0;
    const least = 2 ** Math.max(-149, Math.floor(Math.log2(Math.max(1, Math.abs(units)))) - 23) * unit;
    return Math.trunc((units * unit) / Math.max(least, unit)) * Math.max(least, unit);
  });
}
