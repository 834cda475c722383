import { describe, expect, it } from "vitest";
import { halfBits, maxHalf, numberFromHalf, overflowThreshold, roundToHalf, ulpOf } from "./half.js";

/** The format by its text definition (IEEE 754-2008, 3.4), without any of the functions under test. */
function definedValue(bits: number): number {
  const digits = bits.toString(2).padStart(16, "0");
  const sign = digits[0] === "1" ? -1 : 1;
  const exponent = Number.parseInt(digits.slice(1, 6), 2);
  const fraction = Number.parseInt(digits.slice(6), 2);
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * (fraction / 1024) * 2 ** -14;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
/** Positive finite numbers, ascending: their bits are 0 to 0x7bff. */
const positives = Array.from({ length: 0x7c00 }, (_, bits) => definedValue(bits));
const f32 = Math.fround;
/** The FP32 numbers next to x > 0. */
function neighbours(x: number): [number, number] {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, x);
  const bits = view.getInt32(0);
  const at = (b: number) => {
    view.setInt32(0, b);
    return view.getFloat32(0);
  };
  return [at(bits - 1), at(bits + 1)];
}

describe("all 2^16 halves", () => {
  it("stand for the numbers of the definition, and round to themselves", () => {
    for (let bits = 0; bits < 1 << 16; bits++) {
      const value = definedValue(bits);
      if (!Object.is(numberFromHalf(bits), value)) expect.fail(`0x${bits.toString(16)} gives ${numberFromHalf(bits)}, not ${value}`);
      if (!Object.is(roundToHalf(value), value)) expect.fail(`${value} rounds to ${roundToHalf(value)}`);
      const back = halfBits(value);
      if (Number.isNaN(value) ? !Number.isNaN(definedValue(back)) : back !== bits)
        expect.fail(`${value} has the bits 0x${back.toString(16)}`);
    }
  });
});

describe("rounding", () => {
  it("takes the nearer neighbour on either side of every midpoint, and the even one on it", () => {
    for (let bits = 0; bits + 1 < positives.length; bits++) {
      const [low, high] = [positives[bits]!, positives[bits + 1]!];
      const middle = (low + high) / 2;
      const [below, above] = neighbours(middle);
      const even = bits % 2 === 0 ? low : high;
      for (const sign of [1, -1]) {
        const found = [below, middle, above].map((x) => roundToHalf(sign * x));
        const expected = [low, even, high].map((x) => sign * x);
        if (!found.every((x, i) => Object.is(x, expected[i]))) expect.fail(`around ${sign * middle}: ${found} instead of ${expected}`);
        if (halfBits(sign * above) !== ((bits + 1) | (sign < 0 ? 0x8000 : 0))) expect.fail(`bits of ${sign * above}`);
      }
    }
  });

  it("ends at 65520: below is 65504, from there on infinite, or 65504 where finite values stay finite", () => {
    const [below] = neighbours(overflowThreshold);
    expect([below, 65520, 1e30, Number.MAX_VALUE].map((x) => roundToHalf(x))).toEqual([
      maxHalf,
      ...Array(3).fill(Number.POSITIVE_INFINITY),
    ]);
    expect([-below, -65520].map((x) => roundToHalf(x))).toEqual([-maxHalf, Number.NEGATIVE_INFINITY]);
    expect([below, 65520, -1e30].map((x) => roundToHalf(x, true))).toEqual([maxHalf, maxHalf, -maxHalf]);
    expect(halfBits(-3.4e38, true)).toBe(0xfbff);
    expect(halfBits(-3.4e38)).toBe(0xfc00);
    expect([roundToHalf(Number.POSITIVE_INFINITY, true), halfBits(Number.NEGATIVE_INFINITY, true)]).toEqual([
      Number.POSITIVE_INFINITY,
      0xfc00,
    ]);
  });

  it("flushes up to 2^-25 and keeps the sign of what is lost", () => {
    expect(Object.is(roundToHalf(2 ** -25), 0)).toBe(true);
    expect(Object.is(roundToHalf(-(2 ** -25)), -0)).toBe(true);
    expect(roundToHalf(neighbours(2 ** -25)[1])).toBe(2 ** -24);
    expect(halfBits(-1e-30)).toBe(0x8000);
    expect(Object.is(roundToHalf(-0), -0)).toBe(true);
    expect(roundToHalf(Number.NaN)).toBeNaN();
  });
});

it("an ulp is the distance to the next half, in every binade and below all of them", () => {
  for (let bits = 0; bits + 1 < positives.length; bits++) {
    const x = positives[bits]!;
    if (ulpOf(x) !== positives[bits + 1]! - x || ulpOf(-x) !== ulpOf(x)) expect.fail(`ulp of ${x}: ${ulpOf(x)}`);
  }
  expect([ulpOf(1e30), ulpOf(f32(65519.9)), ulpOf(0)]).toEqual([32, 32, 2 ** -24]);
});
