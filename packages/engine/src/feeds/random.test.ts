import { expect, test } from "vitest";
import { Random } from "./random.js";

test("a seed fixes the numbers for good", () => {
  const random = new Random(42, "input_ids");
  expect(Array.from({ length: 4 }, () => random.bits())).toMatchInlineSnapshot(`
    [
      131611584,
      4139969392,
      925200210,
      819603888,
    ]
  `);
});

test("streams of different tensors, samples and seeds differ", () => {
  const first = [new Random(0, 0, "a"), new Random(1, 0, "a"), new Random(0, 1, "a"), new Random(0, 0, "b")].map((r) => r.bits());
  expect(new Set(first).size).toBe(4);
});

test("uniform and normal numbers have the moments that they should", () => {
  const random = new Random(7);
  const n = 100_000;
  const uniform = Array.from({ length: n }, () => random.uniform());
  const normal = Array.from({ length: n }, () => random.normal());
  const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / n;
  expect(Math.min(...uniform.slice(0, 50_000))).toBeGreaterThanOrEqual(0);
  expect(mean(uniform)).toBeCloseTo(0.5, 2);
  expect(mean(uniform.map((v) => v * v))).toBeCloseTo(1 / 3, 2);
  expect(Math.abs(mean(normal))).toBeLessThan(0.02);
  expect(mean(normal.map((v) => v * v))).toBeCloseTo(1, 1);
  expect(mean(normal.map((v) => v ** 4))).toBeCloseTo(3, 0);
});
