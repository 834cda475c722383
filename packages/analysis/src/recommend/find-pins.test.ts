import { describe, expect, it } from "vitest";
import { seeded } from "../../../../test/support/model-file.js";
import { type ErrorOf, fewestOf, inSquares, type Numbers, problemOf } from "../../../../test/support/pin-search.js";
import { findPins, mendPins } from "./find-pins.js";
import { layersWorthPinning } from "./pin-problem.js";
import { removalTrials, removeGreedily, trim } from "./trim.js";
import { walkChain } from "./walk.js";

const named = (n: number) => Array.from({ length: n }, (_, i) => `l${i}`);
/** Each layer with its own site and one that it shares with the next. */
function chain(length: number, random: () => number, power = 4): Numbers["sites"] {
  const layers = named(length);
  return layers.flatMap((l, i) => [
    { touching: [l], error: random() ** power },
    ...(i + 1 < length ? [{ touching: [l, layers[i + 1] as string], error: random() ** power }] : []),
  ]);
}
function expectMinimal(pins: readonly string[], error: ErrorOf, tolerance: number) {
  expect(error(new Set(pins))).toBeLessThanOrEqual(tolerance);
  for (const pin of pins) expect(error(new Set(pins.filter((p) => p !== pin))), `${pin} is not needed`).toBeGreaterThan(tolerance);
}

describe("the smallest set of pins", () => {
  it("where errors add in squares is the smallest there is, for every one of many small models", async () => {
    const random = seeded(3);
    for (let round = 0; round < 30; round++) {
      const layers = named(10);
      const sites = chain(10, random);
      const error = inSquares(sites);
      const tolerance = error(new Set()) * (0.05 + 0.9 * random());
      const p = problemOf({ layers, sites, tolerance });
      const pins = (await findPins(p)) as readonly string[];
      expectMinimal(pins, error, tolerance);
      expect(pins.length).toBe(fewestOf(layers, error, tolerance));
    }
  });

  it("where pins can make things worse fits, cannot be thinned, and is no larger than what letting go from everything gives", async () => {
    const random = seeded(11);
    let smaller = 0;
    for (let round = 0; round < 20; round++) {
      const layers = named(12);
      const sites = chain(12, random, 2);
      const squares = inSquares(sites);
      const salt = round;
      const error: ErrorOf = (pins) => {
        const noise = seeded(salt + [...pins].sort().reduce((n, l) => (n * 31 + Number(l.slice(1)) * 7 + 1) | 0, pins.size));
        return pins.size === layers.length ? 0 : squares(pins) * (0.5 + noise());
      };
      const tolerance = 0.4 * squares(new Set());
      const p = problemOf({ layers, sites, tolerance, measured: error });
      const pins = (await findPins(p)) as readonly string[];
      expectMinimal(pins, error, tolerance);
      const removal = (await removeGreedily(problemOf({ layers, sites, tolerance, measured: error }), layers)) as readonly string[];
      expect(pins.length).toBeLessThanOrEqual(removal.length);
      smaller += Number(pins.length < removal.length);
    }
    expect(smaller).toBeGreaterThan(0);
  });

  it("takes layers whose rounding makes the outputs infinite first, and never passes what is not finite", async () => {
    const sites = [{ touching: ["l2", "l3"], error: Number.POSITIVE_INFINITY }, ...chain(8, seeded(5))];
    const p = problemOf({ layers: named(8), sites, tolerance: Number.MAX_VALUE, measured: inSquares(sites) });
    expect([...((await findPins(p)) ?? [])].sort()).toEqual(["l2", "l3"]);
    const never = problemOf({ layers: named(8), sites, tolerance: Number.POSITIVE_INFINITY, measured: () => Number.POSITIVE_INFINITY });
    expect(await findPins(never)).toBeUndefined();
  });

  it("of equals has the least work, or the least work altogether when that is preferred", async () => {
    // One dear layer, or two cheap ones, remove the error; so does one middling layer.
    const error: ErrorOf = (pins) => (pins.has("dear") || pins.has("middling") || (pins.has("cheap") && pins.has("cheaper")) ? 0.001 : 1);
    const layers = ["dear", "cheap", "cheaper", "middling"];
    const sites = layers.map((l) => ({ touching: [l], error: 0.5 }));
    const work = { dear: 1000, cheap: 2, cheaper: 1, middling: 500 };
    const of = (prefer: "pins" | "work") => findPins(problemOf({ layers, sites, work, tolerance: 0.01, measured: error, prefer }));
    expect(await of("pins")).toEqual(["middling"]);
    expect([...((await of("work")) ?? [])].sort()).toEqual(["cheap", "cheaper"]);
  });

  it("lets go of pins that overflow asked for and nobody needs", async () => {
    const sites = chain(6, seeded(9));
    const error = inSquares(sites);
    const tolerance = 0.5 * error(new Set());
    const p = problemOf({ layers: named(6), sites, base: ["l0", "l5"], tolerance });
    expectMinimal((await findPins(p)) ?? [], error, tolerance);
  });

  it("is undefined where not even everything pinned is enough", async () => {
    const p = problemOf({ layers: named(5), sites: chain(5, seeded(1)), tolerance: 0.1, measured: () => 0.2 });
    expect(await findPins(p)).toBeUndefined();
  });

  it("stays within the trials that it may take, and gives a set that fits all the same", async () => {
    const random = seeded(21);
    for (const most of [12, 25, 60]) {
      const layers = named(60);
      const sites = chain(60, random);
      const error = inSquares(sites);
      const tolerance = 0.5 * error(new Set());
      const p = problemOf({ layers, sites, tolerance, most });
      const pins = (await findPins(p)) as readonly string[];
      expect(p.judge.asked.size).toBeLessThanOrEqual(most);
      expect(error(new Set(pins))).toBeLessThanOrEqual(tolerance);
    }
  });

  it("gives the same set and asks for the same trials every time", async () => {
    const of = async () => {
      const p = problemOf({ layers: named(14), sites: chain(14, seeded(2)), tolerance: 0.3 });
      return [await findPins(p), [...p.judge.asked.keys()]];
    };
    expect(await of()).toEqual(await of());
  });
});

describe("walking a chain of sets", () => {
  const sets = Array.from({ length: 33 }, (_, i) => named(i));
  const walk = async (passesFrom: number, start: number) => {
    const p = problemOf({ layers: named(32), sites: [], tolerance: 1, measured: (pins) => (pins.size >= passesFrom ? 0.5 : 2) });
    const predicted = sets.map((_, i) => (i >= start ? 0.5 : 2));
    const found = await walkChain({ purpose: "walk", sets, predicted }, p.judge, { tolerance: 1, factor: 1 });
    return { length: found?.length, trials: p.judge.asked.size };
  };

  it("ends at the shortest set that passes, wherever prediction sends it first, in few trials", async () => {
    for (const from of [0, 1, 5, 17, 31, 32])
      for (const start of [0, 4, 16, 32]) {
        const { length, trials } = await walk(from, start);
        expect(length, `passes from ${from}, predicted ${start}`).toBe(from);
        expect(trials).toBeLessThanOrEqual(12);
      }
  });

  it("is undefined when no set passes", async () => {
    expect((await walk(99, 3)).length).toBeUndefined();
  });
});

describe("trimming", () => {
  it("of a set in which several pins are needed only together keeps them", async () => {
    const error: ErrorOf = (pins) => (pins.has("l1") && pins.has("l2") ? 0 : 1);
    const p = problemOf({ layers: named(9), sites: named(9).map((l) => ({ touching: [l], error: 0.1 })), tolerance: 0.5, measured: error });
    expect([...(await trim(p, named(9)))].sort()).toEqual(["l1", "l2"]);
  });

  it("by greedy removal takes at most as many trials as it says", async () => {
    const sites = chain(9, seeded(4));
    const p = problemOf({ layers: named(9), sites, tolerance: 0.2 });
    await removeGreedily(p, layersWorthPinning(p));
    expect(p.judge.asked.size).toBeLessThanOrEqual(removalTrials(9));
  });
});

describe("mending a set that more samples have broken", () => {
  it("adds what they need, and lets go of what is not needed any more", async () => {
    const layers = named(12);
    const sites = layers.map((l, i) => ({ touching: [l], error: 0.5 / (i + 1) }));
    // The new samples show that l7 matters; l0 alone was enough before.
    const error: ErrorOf = (pins) => (pins.has("l7") ? (pins.has("l0") ? 0.1 : 0.5) : 2);
    const p = problemOf({ layers, sites, tolerance: 0.2, measured: error });
    expect([...((await mendPins(p, ["l0", "l3"])) ?? [])].sort()).toEqual(["l0", "l7"]);
    expect(await mendPins(problemOf({ layers, sites, tolerance: 0.2, measured: () => 1 }), ["l0"])).toBeUndefined();
  });
});
