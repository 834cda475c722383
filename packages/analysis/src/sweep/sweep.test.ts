import { existsSync } from "node:fs";
import { join } from "node:path";
import { CancelledError, type SiteSensitivity, silentProgress, switchOff } from "@halfscope/core";
import { withPins } from "@halfscope/precision";
import { describe, expect, it } from "vitest";
import { chainOf, type Prepared, prepare } from "../../../../test/support/chain.js";
import { temporaryFolder } from "../../../../test/support/model-file.js";
import type { Evaluate } from "../judge/output-error.js";
import { Journal, type JournalHead } from "./journal.js";
import { packProjection } from "./projection.js";
import { type SweepOptions, sweepSites } from "./sweep.js";
import { isSiteSensitivity } from "./sweep-groups.js";
import type { Segments } from "./sweep-segments.js";

const folder = temporaryFolder();
const head = { schema: "halfscope/journal/1", modelDigest: "m" } as JournalHead;
const errorOf = (site: string) => (site.startsWith("activation") ? 0.01 * (1 + Number(site.split(":t")[1])) : 0.001);

/** Counts candidates; errors of sites add in squares, and two outputs see them differently. */
function engine(model: Prepared, infinite?: string) {
  const runs: string[][] = [];
  const evaluate: Evaluate = async (switches) => {
    const active = [...new Set(model.roundings.placements.filter((_, i) => switches[i] !== switchOff).map((p) => p.site))];
    runs.push(active);
    const sum = active.includes(infinite ?? "") ? Number.POSITIVE_INFINITY : Math.hypot(...active.map(errorOf), 0);
    return { error: sum, perOutput: [sum, sum / 2], maxAbs: sum, nonFinite: !Number.isFinite(sum) };
  };
  return { runs, evaluate };
}
const journalAt = (name: string) => new Journal<SiteSensitivity>(join(folder, name), head, isSiteSensitivity);
const sweep = (model: Prepared, evaluate: Evaluate, more: Partial<SweepOptions> = {}) =>
  sweepSites({
    roundings: model.roundings,
    base: model.half,
    evaluate,
    journal: new Journal(undefined, head, isSiteSensitivity),
    progress: silentProgress,
    ...more,
  });

describe("a sweep", () => {
  it("runs each site alone and all together, and finds what each adds", async () => {
    const model = await prepare(folder, chainOf(6));
    const { runs, evaluate } = engine(model);
    const found = await sweep(model, evaluate, { everySite: true });
    const sites = model.roundings.sites.map((s) => s.id);
    expect(runs.slice(0, -1)).toEqual(sites.map((s) => [s]));
    expect(new Set(runs.at(-1))).toEqual(new Set(sites));
    expect(found.sites.map((s) => [s.site, s.outputError])).toEqual(sites.map((s) => [s, expect.closeTo(errorOf(s))]));
    expect(found.predictedError).toBeCloseTo(found.measuredError, 12);
    expect(found.candidates).toBe(sites.length);
    expect(found.layers[0]).toMatchObject({
      outputError: expect.closeTo(0.06),
      activation: expect.closeTo(0.06),
      weight: 0,
      overflow: false,
    });
  });

  it("runs sites that no plan can tell apart as one", async () => {
    const model = await prepare(folder, {
      nodes: [
        { opType: "Conv", input: ["x", "w", "b"], output: ["y"], name: "conv" },
        { opType: "Conv", input: ["y", "w2", "b2"], output: ["z"], name: "conv2" },
      ],
      inputs: ["x", "w", "b", "w2", "b2"].map((name) => ({ name, dims: [2] })),
      initializers: ["w", "b", "w2", "b2"].map((name) => ({ name, dims: [2], dataType: 1, rawData: new Uint8Array(8) })),
      outputs: [{ name: "z", dims: [2] }],
    });
    const { evaluate } = engine(model);
    const weights = (await sweep(model, evaluate)).sites.filter((s) => s.kind === "weight");
    expect(weights.map((s) => s.sites)).toEqual([
      ["weight:w", "weight:b"],
      ["weight:w2", "weight:b2"],
    ]);
    expect((await sweep(model, evaluate, { everySite: true })).sites.filter((s) => s.kind === "weight")).toHaveLength(4);
  });

  it("leaves out what the base plan has pinned, and says so", async () => {
    const model = await prepare(folder, chainOf(6));
    const pins = [2, 3].map((n) => model.layers.find((l) => l.nodes.includes(n))!.id);
    const { runs, evaluate } = engine(model);
    const found = await sweep(model, evaluate, { base: withPins(model.half, pins) });
    expect(found.basePins).toEqual(pins);
    expect(runs.flat()).not.toContain("activation:t2");
    expect(runs.flat()).toContain("activation:t3"); // its reader is in FP16 still
  });

  it("shows a site that is not finite alone as an overflow of its layer, above all others", async () => {
    const model = await prepare(folder, chainOf(6));
    const { evaluate } = engine(model, "activation:t1");
    const { layers, measuredError } = await sweep(model, evaluate);
    expect(layers[0]).toMatchObject({ overflow: true, outputError: Number.POSITIVE_INFINITY });
    expect(layers.slice(1).every((l) => !l.overflow && Number.isFinite(l.outputError))).toBe(true);
    expect(measuredError).toBe(Number.POSITIVE_INFINITY);
  });

  it("that was stopped goes on where it was and ends with the same answer", async () => {
    const model = await prepare(folder, chainOf(8));
    const whole = await sweep(model, engine(model, "activation:t2").evaluate);
    const stop = new AbortController();
    const first = engine(model, "activation:t2");
    const stopping: Evaluate = async (s) => {
      if (first.runs.length === 3) stop.abort();
      return first.evaluate(s);
    };
    await expect(sweep(model, stopping, { journal: journalAt("j"), signal: stop.signal })).rejects.toBeInstanceOf(CancelledError);
    expect(existsSync(join(folder, "j"))).toBe(true);
    const second = engine(model, "activation:t2");
    const resumed = await sweep(model, second.evaluate, { journal: journalAt("j") });
    expect(first.runs.length + second.runs.length).toBe(whole.candidates + 1);
    expect(resumed).toEqual(whole);
    const third = engine(model);
    await sweep(model, third.evaluate, { journal: journalAt("j") });
    expect(third.runs).toHaveLength(1);
  });

  it("on several samples takes the root of the mean square, and keeps each and the worst", async () => {
    const model = await prepare(folder, chainOf(5));
    const one = engine(model).evaluate;
    const double: Evaluate = async (s) => {
      const found = await one(s);
      return { ...found, error: 2 * found.error, perOutput: found.perOutput.map((e) => 2 * e), metric: 7 };
    };
    const found = await sweep(model, async (s) => ({ ...(await one(s)), metric: 3 }), { more: [double] });
    const alone = await sweep(model, one);
    found.sites.forEach((s, i) => {
      const e = alone.sites[i]?.outputError ?? 0;
      expect(s.outputError).toBeCloseTo(e * Math.sqrt(2.5), 12);
      expect(s.perSample?.map((p) => p[0])).toEqual([e, 2 * e]);
      expect([s.worstError, s.metric]).toEqual([2 * e, 7]);
    });
    expect(found).toMatchObject({ samples: 2, metric: 7, measuredError: expect.closeTo(alone.measuredError * Math.sqrt(2.5)) });
    expect(found.predictedError).toBeCloseTo(alone.predictedError * Math.sqrt(2.5), 12);
  });

  it("adds weights with their sign, and keeps that in its journal", async () => {
    const model = await prepare(folder, {
      nodes: [
        { opType: "Mul", input: ["x", "w"], output: ["t0"], name: "one" },
        { opType: "Mul", input: ["t0", "w2"], output: ["t1"], name: "two" },
      ],
      inputs: ["x", "w", "w2"].map((name) => ({ name, dims: [2] })),
      initializers: ["w", "w2"].map((name) => ({ name, dims: [2], dataType: 1, rawData: new Uint8Array(8) })),
      outputs: [{ name: "t1", dims: [2] }],
    });
    const { evaluate } = engine(model);
    const signed = packProjection(Float64Array.of(3, 4));
    const withSigns: Evaluate = async (s, wanted) => ({ ...(await evaluate(s)), ...(wanted?.signed && { signed: [signed, ""] }) });
    for (const round of ["fresh", "from the journal"]) {
      const found = await sweep(model, withSigns, { journal: journalAt("signed") });
      const weights = found.sites.filter((s) => s.kind === "weight");
      expect(
        weights.map((s) => s.signed),
        round,
      ).toEqual([[[signed, ""]], [[signed, ""]]]);
      expect(found.sites.filter((s) => s.kind !== "weight").every((s) => s.signed === undefined)).toBe(true);
      expect(found.predictedError).toBeGreaterThan(found.predictedInSquares ?? 0);
    }
  });

  it("opens one segment at a time, closes each, and gives the same answer", async () => {
    const model = await prepare(folder, chainOf(8));
    const { evaluate } = engine(model);
    let live = 0;
    const opened: number[] = [];
    const segments: Segments = {
      segmentOf: (placements) => Math.floor(Math.min(...placements) / 3),
      shareOf: (segment) => 1 / (1 + segment),
      open: async (segment) => {
        opened.push(segment);
        expect(++live).toBe(1);
        return { samples: [evaluate], close: () => void live-- };
      },
    };
    const cut = await sweep(model, evaluate, { segments });
    expect(opened.length).toBeGreaterThan(1);
    expect(new Set(opened).size).toBe(opened.length);
    expect(live).toBe(0);
    expect(cut.sites).toEqual((await sweep(model, evaluate)).sites);
    const failing: Segments = {
      ...segments,
      open: async (s) => ({ ...(await segments.open(s)), samples: [() => Promise.reject(new Error("lost"))] }),
    };
    await expect(sweep(model, evaluate, { segments: failing })).rejects.toThrow("lost");
    expect(live).toBe(0);
  });
});
