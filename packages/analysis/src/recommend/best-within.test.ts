import { describe, expect, it } from "vitest";
import { seeded } from "../../../../test/support/model-file.js";
import { type ErrorOf, inSquares, type Numbers, problemOf } from "../../../../test/support/pin-search.js";
import { bestWithin, type Limit } from "./best-within.js";

const named = (n: number) => Array.from({ length: n }, (_, i) => `l${i}`);
const byCount = (most: number): Limit => ({ most, weight: () => 1 });
/** Each layer's site, and one between neighbours. */
const chain = (n: number, random: () => number): Numbers["sites"] =>
  named(n).flatMap((l, i) => [
    { touching: [l], error: random() ** 3 },
    ...(i + 1 < n ? [{ touching: [l, `l${i + 1}`], error: random() ** 3 }] : []),
  ]);

describe("the lowest error within a limit", () => {
  it("is that of the best of all sets where errors add in squares", async () => {
    const random = seeded(6);
    for (let round = 0; round < 20; round++) {
      const layers = named(9);
      const sites = chain(9, random);
      const work = Object.fromEntries(layers.map((l) => [l, Math.ceil(100 * random())]));
      const total = layers.reduce((n, l) => n + (work[l] ?? 0), 0);
      const limit: Limit = round % 2 ? byCount(Math.floor(9 * random())) : { most: random(), weight: (l) => (work[l] ?? 0) / total };
      const p = problemOf({ layers, sites, work, tolerance: 0 });
      const set = await bestWithin(p, limit);
      let best = Number.POSITIVE_INFINITY;
      for (let bits = 0; bits < 512; bits++) {
        const other = layers.filter((_, i) => (bits >> i) & 1);
        if (other.reduce((n, l) => n + limit.weight(l), 0) <= limit.most) best = Math.min(best, p.error(new Set(other)));
      }
      expect(set.reduce((n, l) => n + limit.weight(l), 0)).toBeLessThanOrEqual(limit.most);
      expect(p.error(new Set(set))).toBeCloseTo(best, 12);
    }
  });

  it("of 0 % is no pin at all, and of 100 % has no error", async () => {
    const layers = named(20);
    const sites = chain(20, seeded(8));
    const share = (most: number): Limit => ({ most, weight: () => 1 / 20 });
    expect(await bestWithin(problemOf({ layers, sites, tolerance: 0 }), share(0))).toEqual([]);
    const p = problemOf({ layers, sites, tolerance: 0 });
    expect(p.error(new Set(await bestWithin(p, share(1))))).toBe(0);
  });

  it("is chosen by measurement: pins that prediction likes and that make things worse are not taken", async () => {
    const layers = named(16);
    const sites = layers.map((l, i) => ({ touching: [l], error: 1 / (i + 1) }));
    // What prediction likes best is the one that harms.
    const measured: ErrorOf = (pins) => (pins.has("l0") ? 5 : inSquares(sites)(pins));
    const p = problemOf({ layers, sites, tolerance: 0, measured });
    const set = await bestWithin(p, byCount(3), [["l1"]]);
    expect(set).not.toContain("l0");
    expect(p.error(new Set(set))).toBeLessThanOrEqual(p.error(new Set(["l1"])));
  });

  it("never lets an infinite error stand where a pin mends it, and has no pin that buys nothing", async () => {
    const sites = [
      { touching: ["l3"], error: Number.POSITIVE_INFINITY },
      { touching: ["l1"], error: 0.1 },
    ];
    const p = problemOf({ layers: named(16), sites: [...sites, ...named(16).map((l) => ({ touching: [l], error: 0 }))], tolerance: 0 });
    expect(await bestWithin(p, byCount(1))).toEqual(["l3"]);
    expect([...(await bestWithin(p, byCount(10)))].sort()).toEqual(["l1", "l3"]);
  });

  it("is no pins where every pin harms, and where all sets are alike", async () => {
    const sites = chain(15, seeded(2));
    const harmed = problemOf({ layers: named(15), sites, tolerance: 0, measured: (pins) => 1 + pins.size });
    expect(await bestWithin(harmed, byCount(5))).toEqual([]);
    const alike = problemOf({ layers: named(15), sites, tolerance: 0, measured: () => 0.5 });
    expect(await bestWithin(alike, byCount(5))).toEqual([]);
  });
});
