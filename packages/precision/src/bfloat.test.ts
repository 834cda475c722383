import { expect, it } from "vitest";
import { bfloatBits, maxBfloat, minSubnormalBfloat, numberFromBfloat, roundToBfloat, widenBfloat } from "./bfloat.js";

it("rounds to the nearest number, ties to even, with subnormals and overflow", () => {
  expect(roundToBfloat(1 + 2 ** -8)).toBe(1);
  expect(roundToBfloat(1 + 3 * 2 ** -8)).toBe(1 + 2 ** -6);
  expect(roundToBfloat(Math.fround(1 + 2 ** -8 + 2 ** -20))).toBe(1 + 2 ** -7);
  expect(roundToBfloat(-3.4028234663852886e38)).toBe(Number.NEGATIVE_INFINITY);
  expect(roundToBfloat(-3.4028234663852886e38, true)).toBe(-maxBfloat);
  expect(roundToBfloat(Number.POSITIVE_INFINITY, true)).toBe(Number.POSITIVE_INFINITY);
  expect(roundToBfloat(2 ** -134)).toBe(0);
  expect(roundToBfloat(2 ** -134 + 2 ** -149)).toBe(minSubnormalBfloat);
  expect(roundToBfloat(Number.NaN)).toBeNaN();
  expect(Object.is(roundToBfloat(-0), -0)).toBe(true);
});

it("keeps every bfloat16 number", () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const x = numberFromBfloat(bits);
    if (!Number.isNaN(x)) expect(bfloatBits(x), `${x}`).toBe(bits);
  }
});

it("widens exactly", () => {
  const wide = widenBfloat(Uint8Array.of(0x80, 0x3f, 0x49, 0xc0));
  expect([...new Float32Array(wide.buffer)]).toEqual([1, numberFromBfloat(0xc049)]);
});
