import { CancelledError, silentProgress, switchOff } from "@halfscope/core";
import { switchesFromPlan, withPins } from "@halfscope/precision";
import { describe, expect, it } from "vitest";
import { chainOf, type Prepared, prepare } from "../../../../test/support/chain.js";
import { seeded, temporaryFolder } from "../../../../test/support/model-file.js";
import type { Evaluate, OutputError } from "../judge/output-error.js";
import { Journal } from "../sweep/journal.js";
import { sweepSites } from "../sweep/sweep.js";
import { PinCosts } from "./cost.js";
import { recommendPins } from "./recommend.js";

const folder = temporaryFolder();
const outputError = (error: number): OutputError => ({ error, perOutput: [error], maxAbs: error, nonFinite: !Number.isFinite(error) });

/** An engine whose sites' errors add in squares, each counted once however many of its roundings are on. */
const inSquares =
  ({ roundings }: Prepared, errors: ReadonlyMap<string, number>, scale = 1): Evaluate =>
  async (switches) => {
    const active = new Set(roundings.placements.filter((_, i) => switches[i] !== switchOff).map((p) => p.site));
    return outputError(scale * Math.sqrt([...active].reduce((n, s) => n + (errors.get(s) ?? 0) ** 2, 0)));
  };

interface Options {
  tolerance: number;
  heldBack?: Evaluate;
  basePins?: { layer: string; reason: string }[];
  signal?: AbortSignal;
}
async function recommend(model: Prepared, evaluate: Evaluate, o: Options) {
  const basePins = o.basePins ?? [];
  const sensitivity = await sweepSites({
    roundings: model.roundings,
    base: withPins(
      model.half,
      basePins.map((p) => p.layer),
    ),
    evaluate,
    journal: new Journal(undefined, {} as never, (_v): _v is never => true),
    progress: silentProgress,
  });
  return recommendPins({
    roundings: model.roundings,
    layers: model.layers,
    allHalf: model.half,
    basePins,
    sensitivity,
    costs: new PinCosts(model.roundings.floats, model.types),
    tolerance: o.tolerance,
    evaluate,
    heldBack: o.heldBack && [o.heldBack],
    progress: silentProgress,
    signal: o.signal,
  });
}
const measure = async (model: Prepared, evaluate: Evaluate, pins: readonly string[]) =>
  (await evaluate(switchesFromPlan(withPins(model.half, pins), model.roundings))).error;
const only = (model: Prepared, errors: Record<string, number>) => new Map(model.roundings.sites.map((s) => [s.id, errors[s.id] ?? 1e-4]));
/** Every pin is needed: without any one of them, some sample is beyond the tolerance. */
async function expectMinimal(model: Prepared, evaluates: readonly Evaluate[], pins: readonly string[], tolerance: number) {
  for (const evaluate of evaluates) expect(await measure(model, evaluate, pins)).toBeLessThanOrEqual(tolerance);
  for (const pin of pins) {
    const errors = await Promise.all(
      evaluates.map((e) =>
        measure(
          model,
          e,
          pins.filter((p) => p !== pin),
        ),
      ),
    );
    expect(Math.max(...errors), `${pin} is not needed`).toBeGreaterThan(tolerance);
  }
}

describe("a recommendation", () => {
  it("is none when FP16 meets the tolerance, at the tolerance itself", async () => {
    const model = await prepare(folder, chainOf(6));
    const evaluate = inSquares(model, only(model, {}));
    const tolerance = await measure(model, evaluate, []);
    const { recommendation, overrides } = await recommend(model, evaluate, { tolerance });
    expect(recommendation).toMatchObject({ outcome: "no-pins-needed", pins: [], measuredError: tolerance });
    expect(overrides).toMatchObject({ pins: [], defaultPrecision: "float16", constants: "finite", modelDigest: model.half.modelDigest });
  });

  it("pins both neighbours of the one noisy rounding, with their reasons and numbers", async () => {
    const model = await prepare(folder, chainOf(12));
    const evaluate = inSquares(model, only(model, { "activation:t5": 0.1 }));
    const { recommendation, overrides } = await recommend(model, evaluate, { tolerance: 0.01 });
    const [fifth, sixth] = [5, 6].map((n) => model.layers.find((l) => l.nodes.includes(n))!.id);
    expect(recommendation.outcome).toBe("pins-found");
    expect(recommendation.pins.map((p) => p.layer).sort()).toEqual([fifth, sixth].sort());
    expect(recommendation.pins.find((p) => p.layer === fifth)).toMatchObject({
      reason: expect.stringContaining("0.1"),
      evidence: { outputError: 0.1 },
    });
    expect(overrides.pins).toEqual(recommendation.pins);
    expect(recommendation.measuredError).toBe(await measure(model, evaluate, [fifth!, sixth!]));
  });

  it("meets the tolerance with no pin too many, for random errors and tolerances", async () => {
    const model = await prepare(folder, chainOf(14));
    const random = seeded(23);
    let found = 0;
    for (let round = 0; round < 25; round++) {
      const errors = new Map(model.roundings.sites.map((s) => [s.id, random() ** 6]));
      const evaluate = inSquares(model, errors);
      const tolerance = (await measure(model, evaluate, [])) * (0.05 + 0.9 * random());
      const { recommendation } = await recommend(model, evaluate, { tolerance });
      expect(recommendation.outcome).toBe("pins-found");
      await expectMinimal(
        model,
        [evaluate],
        recommendation.pins.map((p) => p.layer),
        tolerance,
      );
      found += recommendation.pins.length;
    }
    expect(found).toBeGreaterThan(50);
  });

  it("is judged by measurement where errors do not add: it never claims what it did not measure", async () => {
    const model = await prepare(folder, chainOf(10));
    const random = seeded(31);
    const outcomes = new Set<string>();
    for (let round = 0; round < 40; round++) {
      const errors = new Map(model.roundings.sites.map((s) => [s.id, random() ** 4]));
      // Any set of switches has its own factor: sums say little, and a pin can make things worse.
      const evaluate: Evaluate = async (switches) => {
        const { error } = await inSquares(model, errors)(switches);
        const noise = seeded(round + switches.reduce((n, s, i) => (n * 31 + s * (i + 1)) | 0, 7));
        return outputError(error * (0.3 + 2 * noise()));
      };
      const tolerance = 0.1 + random();
      const { recommendation } = await recommend(model, evaluate, { tolerance });
      outcomes.add(recommendation.outcome);
      const pins = recommendation.pins.map((p) => p.layer);
      expect(recommendation.measuredError).toBe(await measure(model, evaluate, pins));
      if (recommendation.outcome !== "not-met") expect(recommendation.measuredError).toBeLessThanOrEqual(tolerance);
      if (recommendation.outcome === "pins-found") await expectMinimal(model, [evaluate], pins, tolerance);
    }
    expect(outcomes).toContain("pins-found");
  });

  it("says not met when even everything in FP32 is beyond the tolerance", async () => {
    const model = await prepare(folder, chainOf(6));
    const floor: Evaluate = async (switches) => outputError(0.5 + (await inSquares(model, only(model, {}))(switches)).error);
    const { recommendation } = await recommend(model, floor, { tolerance: 0.4 });
    expect(recommendation.outcome).toBe("not-met");
    expect(recommendation.measuredError).toBeGreaterThan(0.4);
  });

  it("holds on a sample that pins were not chosen on, too", async () => {
    const model = await prepare(folder, chainOf(12));
    const errors = new Map(model.roundings.sites.map((s, i) => [s.id, 0.01 * (i + 1)]));
    const evaluate = inSquares(model, errors);
    const heldBack = inSquares(model, errors, 2);
    const tolerance = (await measure(model, evaluate, [])) / 2;
    const alone = await recommend(model, evaluate, { tolerance });
    const both = await recommend(model, evaluate, { tolerance, heldBack });
    expect(both.recommendation.outcome).toBe("pins-found");
    expect(both.recommendation.pins.length).toBeGreaterThan(alone.recommendation.pins.length);
    expect(both.recommendation.heldBackError).toBeLessThanOrEqual(tolerance);
    expect(alone.recommendation.heldBackError).toBeUndefined();
    await expectMinimal(
      model,
      [evaluate, heldBack],
      both.recommendation.pins.map((p) => p.layer),
      tolerance,
    );
  });

  it("never passes what is not finite, keeps the pins that mend it and why, and drops those that were not needed", async () => {
    const model = await prepare(folder, chainOf(8));
    const errors = only(model, { "activation:t3": Number.POSITIVE_INFINITY });
    const evaluate = inSquares(model, errors);
    const needed = model.roundings.sites.find((s) => s.id === "activation:t3")!.touching;
    const extra = model.layers.find((l) => l.nodes.includes(7))!.id;
    const basePins = [...needed, extra].map((layer) => ({ layer, reason: `overflow, said of ${layer}` }));
    for (const tolerance of [0.01, Number.POSITIVE_INFINITY]) {
      const { recommendation } = await recommend(model, evaluate, { tolerance, basePins });
      expect(recommendation.outcome).toBe("pins-found");
      expect(recommendation.pins.map((p) => p.layer).sort()).toEqual([...needed].sort());
      expect(recommendation.pins.map((p) => p.reason)).toEqual(recommendation.pins.map((p) => `overflow, said of ${p.layer}`));
      expect(recommendation.trials.find((t) => t.pins.length === 0)).toMatchObject({
        purpose: "all FP16",
        nonFinite: true,
        measuredError: Number.POSITIVE_INFINITY,
      });
    }
  });

  it("measures no set of pins twice, and stops when it is told to", async () => {
    const model = await prepare(folder, chainOf(10));
    const evaluate = inSquares(model, only(model, { "activation:t5": 0.1, "activation:t2": 0.05 }));
    const { recommendation } = await recommend(model, evaluate, { tolerance: 0.01 });
    const sets = recommendation.trials.map((t) => [...t.pins].sort().join(","));
    expect(new Set(sets).size).toBe(sets.length);
    await expect(recommend(model, evaluate, { tolerance: 0.01, signal: AbortSignal.abort() })).rejects.toBeInstanceOf(CancelledError);
  });
});
