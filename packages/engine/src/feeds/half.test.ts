import { expect, test } from "vitest";
import { bfloat16Bits, bfloat16Value, halfBits, halfValue } from "./half.js";

test("every 16-bit float that is a number survives reading and writing", () => {
  const all = Array.from({ length: 0x10000 }, (_, bits) => bits);
  expect(all.filter((bits) => !Number.isNaN(halfValue(bits)) && halfBits(halfValue(bits)) !== bits)).toEqual([]);
  expect(all.filter((bits) => !Number.isNaN(bfloat16Value(bits)) && bfloat16Bits(bfloat16Value(bits)) !== bits)).toEqual([]);
});

test("halves round to nearest, ties to even", () => {
  expect(halfValue(halfBits(2049))).toBe(2048);
  expect(halfValue(halfBits(2051))).toBe(2052);
  expect(halfValue(halfBits(65519.99))).toBe(65504);
  expect(halfValue(halfBits(65520))).toBe(Number.POSITIVE_INFINITY);
  expect(halfValue(halfBits(2 ** -25))).toBe(0);
  expect(halfValue(halfBits(2 ** -25 * 1.0001))).toBe(2 ** -24);
  // Just above a tie in float64: rounding by way of float32 would lose it.
  expect(halfValue(halfBits(1 + 2 ** -11 + 2 ** -40))).toBe(1 + 2 ** -10);
  expect(halfValue(halfBits(Number.NaN))).toBeNaN();
});
