/**
 * The bfloat16 number format: the upper half of a binary32 number (IEEE 754-2008), 1 sign, 8 exponent and 7 fraction bits, as Intel's "BFLOAT16 - Hardware
 * Numerics Definition" has it, but with subnormals. These functions are the plain definition; the addon has fast ones, and tests hold the two against each other.
 */
export const maxBfloat = (2 - 2 ** -7) * 2 ** 127;
/** Smallest normal number, the same as FP32's, and smallest subnormal number. */
export const minNormalBfloat = 2 ** -126;
export const minSubnormalBfloat = 2 ** -133;

const scratch = new DataView(new ArrayBuffer(4));

/**
 * x rounded to the nearest bfloat16 number, ties to even; overflow gives an infinity, or the largest number for finite x when `finite` is set. NaN stays NaN.
 * For numbers that are FP32.
 */
export const roundToBfloat = (x: number, finite = false): number => (Number.isNaN(x) ? x : numberFromBfloat(bfloatBits(x, finite)));

/** The 16 bits of an FP32 number rounded to bfloat16. NaN gives the quiet NaN 0x7fc0. */
export function bfloatBits(x: number, finite = false): number {
  if (Number.isNaN(x)) return 0x7fc0;
  scratch.setFloat32(0, x);
  const bits = scratch.getUint32(0);
  const upper = bits >>> 16;
  // Adding just less than half of the last place, and one more where that place is odd, carries exactly when the nearest number is the upper one.
  const rounded = (bits + 0x7fff + (upper & 1)) >>> 16;
  return finite && (rounded & 0x7fff) === 0x7f80 && Number.isFinite(x) ? rounded - 1 : rounded;
}

/** Bfloat16 bytes to FP32 ones, little-endian, exactly: the bits are the upper half. */
export function widenBfloat(bytes: Uint8Array): Uint8Array {
  const full = new Uint8Array(bytes.length * 2);
  for (let at = 0; at + 2 <= bytes.length; at += 2) {
    full[2 * at + 2] = bytes[at] as number;
    full[2 * at + 3] = bytes[at + 1] as number;
  }
  return full;
}

/** The number that 16 bits stand for. */
export function numberFromBfloat(bits: number): number {
  scratch.setUint32(0, (bits & 0xffff) * 0x10000);
  return scratch.getFloat32(0);
}
