/**
 * The binary16 number format of IEEE 754-2008: 1 sign, 5 exponent and 10 fraction bits. These functions are the plain definition; the addon has
 * fast ones, and tests hold the two against each other.
 */
export const maxHalf = 65504;
/** Values of at least this magnitude round to Infinity: the midpoint between 65504 and the next power that would follow, 65536. */
export const overflowThreshold = 65520;
/** Smallest normal number, 2^-14, and smallest subnormal number, 2^-24. */
export const minNormalHalf = 2 ** -14;
export const minSubnormalHalf = 2 ** -24;
/** Largest magnitude that rounds to zero: half of the smallest subnormal (a tie, and zero is even). */
export const flushThreshold = 2 ** -25;

/** Distance between neighbouring FP16 numbers around x: 2^(max(floor(log2|x|), -14) - 10), exponent capped at 15. */
export function ulpOf(x: number): number {
  const magnitude = Math.abs(x);
  if (!(magnitude >= minNormalHalf)) return minSubnormalHalf;
  return 2 ** (Math.min(Math.floor(Math.log2(magnitude)), 15) - 10);
}

/**
 * x rounded to the nearest FP16 number, ties to even; overflow gives an infinity, or +-65504 for finite x when `finite` is set. NaN stays NaN.
 * Exact for every FP64 x whose magnitude is an FP32 number: scaling by a power of two and adding 2^52 round once.
 */
export function roundToHalf(x: number, finite = false): number {
  if (!Number.isFinite(x) || x === 0) return x;
  if (Math.abs(x) >= overflowThreshold) return Math.sign(x) * (finite ? maxHalf : Number.POSITIVE_INFINITY);
  const ulp = ulpOf(x);
  const magnitude = Math.abs(x) / ulp + 2 ** 52 - 2 ** 52;
  const rounded = magnitude * ulp;
  return x < 0 ? -rounded : rounded;
}

/** Bits of the FP16 number that x rounds to. */
export function halfBits(x: number, finite = false): number {
  if (Number.isNaN(x)) return 0x7e00;
  const rounded = roundToHalf(x, finite);
  const sign = rounded < 0 || Object.is(rounded, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(rounded);
  if (magnitude === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (magnitude < minNormalHalf) return sign | (magnitude / minSubnormalHalf);
  const exponent = Math.min(Math.floor(Math.log2(magnitude)), 15);
  return sign | ((exponent + 15) << 10) | ((magnitude / 2 ** exponent - 1) * 1024);
}

/** The number that 16 bits stand for. */
export function numberFromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * minSubnormalHalf : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
