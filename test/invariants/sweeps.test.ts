/** Ways to sweep that save time or memory, and what must not change with them. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Sensitivity, SiteSensitivity } from "@halfscope/core";
import { openSegments, sweepStep } from "halfscope";
import { describe, expect, it } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { openBench } from "../support/bench.js";
import { temporaryFolder } from "../support/model-file.js";

const folder = temporaryFolder();
const bert = (name: string, layers = 3) => makeBert({ path: join(folder, `${name}.onnx`), layers, hidden: 32, heads: 4, vocab: 99 });
const numbers = ({ sites, layers, measuredError, predictedError }: Sensitivity) => ({ sites, layers, measuredError, predictedError });

describe("a sweep", () => {
  it("behind cuts, in lanes, with its activations in a file, on several samples, is the sweep of the whole graph", async () => {
    const { path } = await bert("cuts");
    const sweep = async (o: Parameters<typeof sweepStep>[2]) => {
      using bench = await openBench(path, { samples: 2 });
      return numbers(await sweepStep(bench, [], { sweepSamples: 2, ...o }));
    };
    const whole = await sweep({ leastPassSeconds: 1e9 });
    expect(whole.sites.length).toBeGreaterThan(60);
    expect(whole.sites.every((s) => s.perSample?.length === 2)).toBe(true);
    expect(await sweep({ leastPassSeconds: 0 })).toEqual(whole);
    expect(await sweep({ leastPassSeconds: 0, keepBytes: 1000 })).toEqual(whole);
  });

  it("keeps activations in memory up to the limit only", async () => {
    const { path } = await bert("kept");
    using bench = await openBench(path, { samples: 2 });
    using all = await openSegments(bench, { feeds: bench.feeds, candidates: 1e5, leastPassSeconds: 0 });
    using few = await openSegments(bench, { feeds: bench.feeds, candidates: 1e5, leastPassSeconds: 0, keepBytes: 40_000 });
    const bytes = all?.kept.bytesInMemory ?? 0;
    expect([bytes > 100_000, all?.kept.bytesInFile]).toEqual([true, 0]);
    expect(few?.kept.bytesInMemory).toBeLessThanOrEqual(40_000);
    expect((few?.kept.bytesInMemory ?? 0) + (few?.kept.bytesInFile ?? 0)).toBe(bytes);
  });

  it("that opens only what can still matter captures the error, and with a threshold of 0 is the full one", async () => {
    const { path } = await bert("adaptive", 6);
    using bench = await openBench(path);
    const full = await sweepStep(bench, []);
    expect(numbers(await sweepStep(bench, [], { adaptive: { threshold: 0 } }))).toEqual(numbers(full));
    const some = await sweepStep(bench, [], { adaptive: true });
    expect(some.candidates).toBeLessThan(0.6 * full.candidates);
    expect(some.adaptive?.captured).toBeGreaterThan(0.95);
    expect(some.predictedError / full.predictedError).toBeGreaterThan(0.97);
    expect(some.predictedError / full.predictedError).toBeLessThan(1.03);
    // What it estimates is marked, and what it measured alone is the full sweep's.
    // (The noise floor repeats other sites in each.)
    const alone = ({ spread: _, belowFloor: __, ...s }: SiteSensitivity) => s;
    const truth = new Map(full.sites.map((s) => [s.site, alone(s)]));
    for (const s of some.sites) if (s.estimated !== true) expect(alone(s)).toEqual(truth.get(s.site));
  });

  it("gives equal results for equal inputs: timings live elsewhere", async () => {
    const { path } = await bert("equal");
    const sweep = async (timings: Record<string, number>) => {
      using bench = await openBench(path);
      return sweepStep(bench, [], { timings });
    };
    const [a, b] = [{}, {}] as [Record<string, number>, Record<string, number>];
    expect(JSON.stringify(await sweep(a))).toBe(JSON.stringify(await sweep(b)));
    expect(Object.keys(a)).toEqual(["bare pass", "sweep candidate", "sweep candidates"]);
  });

  it("refuses more samples than there are, and shards of an adaptive sweep", async () => {
    const { path } = await bert("refused");
    using bench = await openBench(path);
    await expect(sweepStep(bench, [], { sweepSamples: 2 })).rejects.toMatchObject({ code: "ERR_OPTION" });
    await expect(sweepStep(bench, [], { adaptive: true, shard: { index: 1, of: 2 } })).rejects.toMatchObject({ code: "ERR_OPTION" });
  });
});

describe("padding", () => {
  it("has no say in a sweep, and --keep-padding is another experiment", async () => {
    const { path } = await bert("padded");
    const feed = join(folder, "padded.json");
    const ids = Array.from({ length: 16 }, (_, i) => 1 + (i % 50));
    const mask = ids.map((_, i) => (i < 10 ? 1 : 0));
    using shapes = await openBench(path);
    const names = [...shapes.feeds[0].tensors.keys()];
    const values: Record<string, unknown> = {};
    for (const name of names) values[name] = [/mask/.test(name) ? mask : /type/.test(name) ? ids.map(() => 0) : ids];
    writeFileSync(feed, JSON.stringify(values));
    using left = await openBench(path, { feeds: [feed] });
    using kept = await openBench(path, { feeds: [feed], keepPadding: true });
    const [a, b] = [await sweepStep(left, []), await sweepStep(kept, [])];
    expect(a.judgement?.padding).toMatchObject({ kept: false, masks: [{ leftOut: 6, of: 16 }] });
    expect(b.judgement?.padding).toMatchObject({ kept: true });
    expect(a.measuredError).not.toBe(b.measuredError);
    const counts = [a, b].map((s) => Object.values(s.figures ?? {})[0]?.count ?? 0);
    expect((counts[0] ?? 0) / (counts[1] ?? 1)).toBeCloseTo(10 / 16, 9);
  });
});
