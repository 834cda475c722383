/**
 * Sums as an H200's tensor cores make them, as plainly as they can be written: what is compared with stored bits. Found with scripts/hardware/mma/probe.cu
 * (test/hardware/mma-h200); the way of adding is that of "Accurate Models of NVIDIA Tensor Cores", arXiv 2512.07004.
 */
import { roundToHalf } from "@halfscope/precision";

export type Sum = "float16" | "float32";

/** Products that one instruction adds. */
export const group = 16;
/** Bits kept below the largest exponent. */
const keptBits = 25;

const exponentOf = (x: number): number => {
  if (x === 0) return -1000;
  const guess = Math.floor(Math.log2(Math.abs(x)));
  // log2 may be off by one next to a power of two.
  return 2 ** guess > Math.abs(x) ? guess - 1 : 2 ** (guess + 1) <= Math.abs(x) ? guess + 1 : guess;
};

/** FP32, toward zero. */
function truncateToFloat(x: number): number {
  if (x === 0) return 0;
  const unit = 2 ** (Math.max(exponentOf(x), -126) - 23);
  return Math.trunc(x / unit) * unit;
}

/**
 * One instruction: 16 products of normal FP16 numbers from place k on and the accumulator, each cut toward zero at 2^-25 of the largest exponent among them (of a
 * product: the sum of its factors'), added exactly, rounded to nearest even for FP16 and toward zero for FP32.
 */
function instruction(a: readonly number[], b: readonly number[], k: number, accumulator: number, sum: Sum): number {
  const end = Math.min(k + group, a.length);
  let top = exponentOf(accumulator);
  for (let i = k; i < end; i++) top = Math.max(top, exponentOf(a[i] ?? 0) + exponentOf(b[i] ?? 0));
  if (top < -200) return 0;
  const unit = 2 ** (top - keptBits);
  let units = Math.trunc(accumulator / unit);
  for (let i = k; i < end; i++) units += Math.trunc(((a[i] ?? 0) * (b[i] ?? 0)) / unit);
  return sum === "float16" ? roundToHalf(units * unit) : truncateToFloat(units * unit);
}

/** One accumulator over all of K. */
export function chain(a: readonly number[], b: readonly number[], sum: Sum): number {
  let accumulator = 0;
  for (let k = 0; k < a.length; k += group) accumulator = instruction(a, b, k, accumulator, sum);
  return accumulator;
}

/**
 * Several FP16 accumulators, whose sums are added one after the other in FP16. `stretches`: each sums one stretch of K; `tiles`: each takes every `pieces`-th tile of
 * 64 along K.
 */
export function splitChain(a: readonly number[], b: readonly number[], pieces: number, how: "stretches" | "tiles"): number {
  const tile = how === "tiles" ? 64 : a.length / pieces;
  const part = (values: readonly number[], piece: number) => values.filter((_, k) => Math.floor(k / tile) % pieces === piece);
  let total = chain(part(a, 0), part(b, 0), "float16");
  for (let piece = 1; piece < pieces; piece++) total = roundToHalf(total + chain(part(a, piece), part(b, piece), "float16"));
  return total;
}
