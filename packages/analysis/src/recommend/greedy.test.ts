import type { Site, SiteSensitivity } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../../test/support/model-file.js";
import { siteOf } from "../../../../test/support/stats.js";
import { greedyPins as greedy, shrinkOrder } from "./greedy.js";

const measured = (site: Site, ...perOutput: number[]): SiteSensitivity => ({
  site: site.id,
  sites: [site.id],
  kind: site.kind,
  layer: site.layer,
  outputError: Math.max(...perOutput),
  perOutput,
  outputMaxAbs: 0,
  nonFinite: perOutput.includes(Number.POSITIVE_INFINITY),
});
const work = (entries: Record<string, number>) => new Map(Object.entries(entries));
/** By work alone. */
const greedyPins = (sites: Site[], of: SiteSensitivity[], prices: ReadonlyMap<string, number>, pinned: readonly string[]) =>
  greedy(sites, of, pinned, { cost: (layers) => layers.reduce((n, l) => n + (prices.get(l) ?? 0), 0) });
const added = (steps: ReturnType<typeof greedyPins>) => steps.map((s) => [...s.added].sort());

describe("the greedy order of pins", () => {
  it("takes squared error per work: a cheap layer before a dear one of the same error", () => {
    const [a, b, c] = ["a", "b", "c"].map((t) => siteOf(t, [t])) as [Site, Site, Site];
    const steps = greedyPins([a, b, c], [measured(a, 0.2), measured(b, 0.2), measured(c, 0.1)], work({ a: 1000, b: 10, c: 10 }), []);
    expect(added(steps)).toEqual([["b"], ["c"], ["a"]]);
    expect(steps.map((s) => s.predictedError)).toEqual([expect.closeTo(Math.hypot(0.2, 0.1)), expect.closeTo(0.2), 0]);
  });

  it("adds every layer that a site needs at once, and credits it with all sites that vanish with them", () => {
    const shared = siteOf("shared", ["a", "b"]);
    const own = siteOf("own", ["a"]);
    const both = siteOf("both", ["b", "a"], "weight");
    const far = siteOf("far", ["a", "b", "c"]);
    const steps = greedyPins(
      [shared, own, both, far],
      [measured(shared, 0.3), measured(own, 0.1), measured(both, 0.1), measured(far, 0.01)],
      work({ a: 1, b: 1, c: 1 }),
      [],
    );
    expect(added(steps)).toEqual([["a", "b"], ["c"]]);
    expect(steps.map((s) => s.predictedError)).toEqual([expect.closeTo(0.01), 0]);
  });

  it("asks only for what is not pinned yet, and a site whose layers all are costs nothing", () => {
    const s = siteOf("s", ["a", "b"]);
    expect(added(greedyPins([s], [measured(s, 1)], work({ a: 1, b: 1 }), ["a"]))).toEqual([["b"]]);
    expect(added(greedyPins([s], [measured(s, 1)], work({ a: 1, b: 1 }), ["a", "b"]))).toEqual([[]]);
  });

  it("puts sites that make an output infinite first, and then still knows the finite errors that are left", () => {
    const [bad, good] = [siteOf("bad", ["bad"]), siteOf("good", ["good"])];
    const steps = greedyPins([good, bad], [measured(good, 1e-3), measured(bad, Number.POSITIVE_INFINITY)], work({ bad: 1e6, good: 1 }), []);
    expect(added(steps)).toEqual([["bad"], ["good"]]);
    expect(steps[0]?.predictedError).toBeCloseTo(1e-3, 12);
    expect(steps[1]?.predictedError).toBe(0);
  });

  it("judges by the output that is worst at the time", () => {
    const [x, y] = [siteOf("x", ["x"]), siteOf("y", ["y"])];
    const steps = greedyPins([x, y], [measured(x, 0.1, 0.0), measured(y, 0.05, 0.5)], work({ x: 1, y: 1 }), []);
    expect(added(steps)).toEqual([["y"], ["x"]]);
    expect(steps[0]?.predictedError).toBeCloseTo(0.1);
  });

  it("leaves sites without error alone, and gives nothing for nothing", () => {
    const zero = siteOf("zero", ["zero"]);
    expect(greedyPins([zero], [measured(zero, 0)], work({}), [])).toEqual([]);
    expect(greedyPins([], [], work({}), [])).toEqual([]);
  });

  it("on random sites predicts, at each step, the root of squares of what no pin has removed yet", () => {
    const random = seeded(17);
    const layers = Array.from({ length: 12 }, (_, i) => `layer ${i}`);
    const sites = Array.from({ length: 40 }, (_, i) =>
      siteOf(`t${i}`, [...new Set([0, 1, 2].map(() => layers[Math.floor(random() ** 2 * 12)]!))]),
    );
    const sensitivity = sites.map((s) => measured(s, random() ** 4, random() ** 4));
    const steps = greedyPins(sites, sensitivity, work(Object.fromEntries(layers.map((l) => [l, 100 * random()]))), []);
    const pinned = new Set<string>();
    for (const step of steps) {
      for (const l of step.added) pinned.add(l);
      const left = sensitivity.filter((_, i) => sites[i]!.touching.some((l) => !pinned.has(l)));
      const worst = Math.max(...[0, 1].map((o) => Math.hypot(...left.map((s) => s.perOutput[o]!), 0)));
      expect(step.predictedError).toBeCloseTo(worst, 10);
    }
    expect(steps.at(-1)?.predictedError).toBe(0);
  });

  it("takes no step beyond a limit, and looks for others that fit", () => {
    const [a, b, c] = ["a", "b", "c"].map((t) => siteOf(t, [t])) as [Site, Site, Site];
    const prices = work({ a: 50, b: 40, c: 10 });
    const steps = greedy([a, b, c], [measured(a, 0.9), measured(b, 0.3), measured(c, 0.01)], [], {
      cost: (layers) => layers.reduce((n, l) => n + (prices.get(l) ?? 0), 0),
      limit: { most: 60, weight: (l) => prices.get(l) ?? 0 },
    });
    expect(added(steps)).toEqual([["a"], ["c"]]);
  });

  it("pins a region where it removes more per cost than its parts one by one", () => {
    // b between a and c: each lone pin removes nothing, all three remove both roundings.
    const [first, second] = [siteOf("first", ["a", "b"]), siteOf("second", ["b", "c"])];
    const other = siteOf("other", ["d", "e"]);
    const steps = greedy([first, second, other], [measured(first, 0.1), measured(second, 0.1), measured(other, 0.13)], [], {
      regions: [["a", "b", "c"]],
      cost: (layers) => layers.length,
    });
    expect(added(steps)[0]).toEqual(["d", "e"]);
    const cheap = greedy([first, second, other], [measured(first, 0.1), measured(second, 0.1), measured(other, 0.1)], [], {
      regions: [["a", "b", "c"]],
      cost: (layers) => layers.length,
    });
    expect(added(cheap)[0]).toEqual(["a", "b", "c"]);
  });
});

describe("letting go from everything pinned", () => {
  it("keeps for the end what matters most", () => {
    const [a, b, c] = [siteOf("a", ["a"]), siteOf("bc", ["b", "c"]), siteOf("c", ["c"])];
    const order = shrinkOrder([a, b, c], [measured(a, 0.01), measured(b, 1), measured(c, 2)], { cost: () => 1 });
    expect(order).toEqual(["a", "b", "c"]);
  });

  it("keeps what makes an output infinite longest, and still tells small errors apart", () => {
    const all = ["bad", "small", "smaller"].map((t) => siteOf(t, [t])) as [Site, Site, Site];
    const errors = [measured(all[0], Number.POSITIVE_INFINITY), measured(all[1], 1e-4), measured(all[2], 1e-5)];
    expect(shrinkOrder(all, errors, { cost: () => 1 })).toEqual(["smaller", "small", "bad"]);
  });
});
