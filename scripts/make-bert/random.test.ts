import { describe, expect, it } from "vitest";
import { Normals } from "./random.js";
import { outlierChannels } from "./weights.js";

const draw = (seed: number, key: string, n: number) => {
  const out = new Float32Array(n);
  new Normals(seed, key).fill(out, 2, new Float32Array(n + 1).fill(0.5));
  return out;
};

describe("seeded normal numbers", () => {
  it("have the moments of a normal distribution, within four standard errors", () => {
    const n = 1_000_000;
    const values = draw(1, "moments", n);
    const moment = (power: number) => values.reduce((s, x) => s + x ** power, 0) / n;
    expect(Math.abs(moment(1))).toBeLessThan(4 / Math.sqrt(n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(4 * Math.sqrt(96 / n));
  });

  it("depend on seed and key, and on nothing else", () => {
    expect(draw(1, "a", 9)).toEqual(draw(1, "a", 9));
    expect(draw(1, "a", 9)).not.toEqual(draw(1, "b", 9));
    expect(draw(1, "a", 9)).not.toEqual(draw(2, "a", 9));
  });

  it("of different keys are not correlated", () => {
    const n = 100_000;
    const [a, b] = [draw(1, "layer.0", n), draw(1, "layer.1", n)];
    expect(Math.abs(a.reduce((s, x, i) => s + x * b[i]!, 0) / n)).toBeLessThan(4 / Math.sqrt(n));
  });
});

describe("outlier channels", () => {
  it("are four distinct ones at hidden 1024, the first at 16, for every seed", () => {
    for (let seed = 0; seed < 200; seed++) {
      const found = outlierChannels({ hidden: 1024, seed });
      expect(new Set(found.map((o) => o.channel)).size).toBe(4);
      expect(Math.abs(found[0]!.level)).toBe(16);
      for (const { level } of found.slice(1)) expect(Math.abs(level)).toBeLessThanOrEqual(8);
    }
  });
});
