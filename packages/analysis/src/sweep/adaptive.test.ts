import { join } from "node:path";
import { type SiteSensitivity, silentProgress, switchOff } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { type Prepared, prepare } from "../../../../test/support/chain.js";
import { type ModelParts, temporaryFolder } from "../../../../test/support/model-file.js";
import type { Evaluate } from "../judge/output-error.js";
import { blocksOf } from "./adaptive-blocks.js";
import { leaveOut } from "./adaptive-shares.js";
import { Journal, type JournalHead } from "./journal.js";
import { sweepSites } from "./sweep.js";
import { isSiteSensitivity, sweptPlan } from "./sweep-groups.js";

const folder = temporaryFolder();
const head = { schema: "halfscope/journal/1", modelDigest: "m" } as JournalHead;

/** Blocks of equally many layers one behind the other, each layer a Tanh. */
const blocks = (count: number, length: number): ModelParts => ({
  nodes: Array.from({ length: count * length }, (_, i) => ({
    opType: "Tanh",
    input: [i === 0 ? "x" : `t${i - 1}`],
    output: [`t${i}`],
    name: `/encoder/layer.${Math.floor(i / length)}/step${i % length}/Tanh`,
  })),
  inputs: [{ name: "x", dims: [2, 2] }],
  outputs: [{ name: `t${count * length - 1}`, dims: [2, 2] }],
});

/** Squares of sites add in each of two outputs; counts candidates. */
function engine(model: Prepared, errorOf: (site: string) => readonly [number, number]) {
  const runs: string[][] = [];
  const evaluate: Evaluate = async (switches) => {
    const active = [...new Set(model.roundings.placements.filter((_, i) => switches[i] !== switchOff).map((p) => p.site))];
    runs.push(active);
    const perOutput = [0, 1].map((o) => Math.hypot(...active.map((s) => errorOf(s)[o as 0 | 1]), 0));
    return {
      error: Math.max(...perOutput),
      perOutput,
      maxAbs: Math.max(...perOutput),
      nonFinite: perOutput.includes(Number.POSITIVE_INFINITY),
    };
  };
  return { runs, evaluate };
}
const indexOf = (site: string) => Number(/:t(\d+)$/.exec(site)?.[1] ?? -1);

const run = async (model: Prepared, evaluate: Evaluate, threshold?: number, journal?: string) => {
  const options = { roundings: model.roundings, base: model.half, evaluate, progress: silentProgress };
  const journalOf = () => new Journal<SiteSensitivity>(journal && join(folder, journal), head, isSiteSensitivity);
  if (threshold === undefined) return sweepSites({ ...options, journal: journalOf() });
  return sweepSites({ ...options, journal: journalOf(), adaptive: { layers: model.layers, threshold } });
};

const length = 16;
/** A few places of each block cost much, the others little, and later blocks less. */
const alike = (site: string): readonly [number, number] => {
  const i = indexOf(site);
  if (i < 0) return [0.001, 0.002];
  const e = ([3, 7, 12].includes(i % length) ? 0.1 : 0.004) / (1 + 0.1 * Math.floor(i / length));
  return [e, e / 2];
};

describe("an adaptive sweep", () => {
  it("with a threshold of 0 gives the sites of the full sweep", async () => {
    const model = await prepare(folder, blocks(6, length));
    const [full, adaptive] = [await run(model, engine(model, alike).evaluate), await run(model, engine(model, alike).evaluate, 0)];
    expect(adaptive.sites).toEqual(full.sites);
    expect(adaptive.layers).toEqual(full.layers);
    expect(adaptive.predictedError).toBe(full.predictedError);
    expect(adaptive.adaptive).toMatchObject({ estimated: 0, estimatedShare: 0, captured: 1 });
  });

  it("finds what costs most in a fraction of the candidates, and says what it estimated", async () => {
    const model = await prepare(folder, blocks(12, length));
    const [whole, some] = [engine(model, alike), engine(model, alike)];
    const [full, found] = [await run(model, whole.evaluate), await run(model, some.evaluate, 0.05)];
    expect(some.runs.length / whole.runs.length).toBeLessThan(0.4);
    expect(found.adaptive?.captured).toBeGreaterThan(0.95);
    const measured = found.sites.filter((s) => !s.estimated);
    expect(measured.length + (found.adaptive?.estimated ?? 0)).toBe(full.sites.length);
    const truth = new Map(full.sites.map((s) => [s.site, s.outputError]));
    for (const s of measured) expect(s.outputError).toBe(truth.get(s.site));
    const squares = (list: readonly SiteSensitivity[]) => list.reduce((n, s) => n + (truth.get(s.site) ?? 0) ** 2, 0);
    expect(squares(measured) / squares(full.sites)).toBeGreaterThan(0.95);
    expect(found.predictedError / full.predictedError).toBeCloseTo(1, 2);
    expect(found.adaptive?.additivity.blocks).toBeCloseTo(1, 9);
    for (const a of found.adaptive?.additivity.opened ?? []) expect(a).toBeCloseTo(1, 9);
  });

  it("finds a site that costs much where its block's likes have none", async () => {
    const model = await prepare(folder, blocks(12, length));
    const planted = `activation:t${9 * length + 5}`;
    const odd = (site: string): readonly [number, number] => (site === planted ? [0.12, 0.3] : alike(site));
    const found = await run(model, engine(model, odd).evaluate, 0.05);
    const site = found.sites.find((s) => s.site === planted);
    expect(site?.estimated).toBeUndefined();
    expect(site?.perOutput).toEqual([expect.closeTo(0.12), expect.closeTo(0.3)]);
    expect(found.adaptive?.captured).toBeGreaterThan(0.95);
  });

  it("opens what is not finite down to the site that is", async () => {
    const model = await prepare(folder, blocks(8, length));
    const broken = `activation:t${2 * length + 9}`;
    const odd = (site: string): readonly [number, number] => (site === broken ? [Number.POSITIVE_INFINITY, 0.1] : alike(site));
    const found = await run(model, engine(model, odd).evaluate, 0.05);
    expect(found.sites.filter((s) => s.nonFinite).map((s) => s.site)).toEqual([broken]);
    expect(found.sites.every((s) => s.site === broken || Number.isFinite(s.outputError))).toBe(true);
    expect(found.layers[0]).toMatchObject({ overflow: true });
  });

  it("keeps within the tolerance what it does not open, where that is the tighter bound", async () => {
    const model = await prepare(folder, blocks(6, length));
    const { evaluate } = engine(model, alike);
    const error = (await run(model, evaluate)).measuredError;
    const strict = await sweepSites({
      roundings: model.roundings,
      base: model.half,
      evaluate,
      progress: silentProgress,
      journal: new Journal(undefined, head, isSiteSensitivity),
      adaptive: { layers: model.layers, tolerance: error / 10 },
    });
    expect(strict.adaptive?.threshold).toBeCloseTo((1 / 20) ** 2, 12);
    expect(1 - (strict.adaptive?.captured ?? 0)).toBeLessThanOrEqual((1 / 20) ** 2);
  });

  it("that was stopped goes on from its journal, and measures nothing twice", async () => {
    const model = await prepare(folder, blocks(6, length));
    const first = engine(model, alike);
    const whole = await run(model, first.evaluate, 0.05, "adaptive");
    const again = engine(model, alike);
    expect(await run(model, again.evaluate, 0.05, "adaptive")).toEqual(whole);
    expect(again.runs).toHaveLength(1); // all sites on
  });

  it("without anything that costs is done at once", async () => {
    const model = await prepare(folder, blocks(6, length));
    const { evaluate } = engine(model, () => [0, 0]);
    const found = await run(model, evaluate, 0.05);
    expect(found.predictedError).toBe(0);
    expect(found.adaptive?.captured).toBe(1);
  });
});

describe("blocks", () => {
  it("are disjoint, hold every group, and are no longer than three times the root of their number", async () => {
    for (const [count, each] of [
      [12, 16],
      [1, 100],
      [40, 2],
    ] as const) {
      // biome-ignore format: a table
      const model = await prepare(folder, blocks(count, each));
      const { groups } = sweptPlan(model.half, model.roundings, false);
      const found = blocksOf(groups, model.layers);
      expect(new Set(found.flatMap((b) => b.leaves))).toEqual(new Set(groups));
      expect(found.reduce((n, b) => n + b.leaves.length, 0)).toBe(groups.length);
      for (const b of found) expect(b.leaves.length).toBeLessThanOrEqual(Math.max(8, Math.ceil(3 * Math.sqrt(groups.length))));
    }
  });

  it("are contiguous stretches where nothing tells blocks", async () => {
    const nodes = Array.from({ length: 60 }, (_, i) => ({ opType: "Tanh", input: [i === 0 ? "x" : `t${i - 1}`], output: [`t${i}`] }));
    const model = await prepare(folder, { nodes, inputs: [{ name: "x", dims: [2] }], outputs: [{ name: "t59", dims: [2] }] });
    const found = blocksOf(sweptPlan(model.half, model.roundings, false).groups, model.layers).filter((b) => !b.name.startsWith("inputs"));
    expect(found.length).toBeGreaterThan(2);
    const order = found.map((b) => b.leaves.map((g) => indexOf(g[0].id)));
    expect(order.flat()).toEqual([...order.flat()].sort((a, b) => a - b));
  });
});

describe("what is left out", () => {
  it("is the least, within the budget in every output; nothing for a budget of 0", () => {
    const items = [[0.01, 0.04], [0.03, 0.01], [0.5, 0.1], [0, 0]]; // biome-ignore format: a table
    expect(leaveOut(items, (i) => i, 0.05)).toEqual([[0, 0], [0.03, 0.01], [0.01, 0.04]]); // biome-ignore format: a table
    expect(leaveOut(items, (i) => i, 0.045)).toEqual([[0, 0], [0.03, 0.01]]); // biome-ignore format: a table
    expect(leaveOut(items, (i) => i, 0)).toEqual([]);
    expect(leaveOut([[Number.NaN], [0.1]], (i) => i, 1)).not.toContainEqual([Number.NaN]);
  });
});
