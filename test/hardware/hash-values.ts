/** Inputs of the product measurements: scripts/hardware/hash_values.py in TypeScript. FP16 numbers, as numbers. */

export const bell = 0;
export const small = 7;

/** 32 well mixed bits of (seed, index): the finaliser of MurmurHash3 (Austin Appleby, public domain). */
function hashOf(seed: number, index: number): number {
  let x = (index + Math.imul(seed, 0x9e3779b9)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** bell: the sum of four bytes less 510, over 256; small: an integer in [-1024, 1024) over 16384. */
export function hashValue(kind: typeof bell | typeof small, operand: 0 | 1, row: number, column: number): number {
  const h = hashOf(1 + kind * 4 + operand, (row * 65536 + column) >>> 0);
  if (kind === small) return ((h >>> 21) - 1024) / 16384;
  return ((h & 255) + ((h >>> 8) & 255) + ((h >>> 16) & 255) + (h >>> 24) - 510) / 256;
}
