import { describe, expect, it } from "vitest";
import { inLanes, planSegments } from "./sweep-segments.js";

const segments = (opening: number, count: number) => ({
  shareOf: (s: number) => 1 - s / count,
  openingOf: (s: number) => opening * (1 - s / count),
});

describe("segments", () => {
  it("are all opened where that costs nothing, and one where it costs too much", () => {
    const counts = new Map([[0, 3], [2, 5], [3, 1]]); // biome-ignore format: a table
    expect(planSegments(counts, segments(0, 4))).toEqual(new Map([[0, 0], [2, 2], [3, 3]])); // biome-ignore format: a table
    expect(planSegments(counts, segments(100, 4))).toEqual(new Map([[0, 0], [2, 0], [3, 0]])); // biome-ignore format: a table
  });

  it("are chosen at the least cost of all choices, and never later than a candidate can start", () => {
    let state = 5;
    const next = (below: number) => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return state % below;
    };
    for (let round = 0; round < 50; round++) {
      const counts = new Map(Array.from({ length: 5 }, (_, s) => [s * 2, 1 + next(6)] as const));
      const s = segments(0.2 + next(30) / 10, 10);
      const costOf = (open: readonly number[]) =>
        open.reduce((n, at) => n + s.openingOf(at), 0) +
        [...counts].reduce((n, [at, many]) => n + many * s.shareOf(open.findLast((o) => o <= at) ?? 0), 0);
      const all = Array.from({ length: 16 }, (_, bits) => [0, ...[2, 4, 6, 8].filter((_, i) => bits & (1 << i))]);
      const chosen = planSegments(counts, s);
      for (const [latest, at] of chosen) expect(at).toBeLessThanOrEqual(latest);
      expect(costOf([...new Set(chosen.values())].sort((a, b) => a - b))).toBeCloseTo(Math.min(...all.map(costOf)), 9);
    }
  });

  it("run their candidates in lanes, and begin nothing after a failure", async () => {
    const begun: number[] = [];
    let under = 0;
    let most = 0;
    const work = async (i: number) => {
      begun.push(i);
      most = Math.max(most, ++under);
      await new Promise((done) => setTimeout(done, 2));
      under--;
      if (i === 3) throw new Error("lost");
    };
    await inLanes([0, 1, 2], 2, work);
    expect([begun, most]).toEqual([[0, 1, 2], 2]);
    await expect(inLanes([3, 4, 5, 6, 7], 2, work)).rejects.toThrow("lost");
    expect(begun).not.toContain(7);
    expect(under).toBe(0);
  });
});
