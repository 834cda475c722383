/** Trained models: recommendations hold on samples that neither sweep nor search has seen. */
import { allHalf, switchesFromPlan, withPins } from "@halfscope/precision";
import { compareStep, recommendStep, sweepStep, Workbench } from "halfscope";
import { describe, expect, it } from "vitest";
import { sharedModel } from "../shared-models.js";

const tolerance = 0.01;
const freshSamples = 8;
/** A search among a hundred layers, each set measured on 16 samples: minutes. */
const long = new Set(["basic-pitch-op15", "yolox-nano-op11"]);
const models = ["magika-v3_3-op15", "basic-pitch-op15", "yolox-nano-op11"];

describe.each(models)("%s", (name) => {
  it("gets pins that keep the tolerance on held-out samples of another seed, none of them too many", async (context) => {
    const path = sharedModel(context, name, "model.onnx");
    if (long.has(name) && process.env.HALFSCOPE_LONG_TESTS === undefined) context.skip("takes minutes: HALFSCOPE_LONG_TESTS=1 runs it");
    using bench = await Workbench.open(path, { samples: 2, seed: 1, threads: 2 });
    const compared = await compareStep(bench);
    const sensitivity = await sweepStep(bench, compared.basePins);
    const { recommendation: r } = await recommendStep(bench, sensitivity, compared.basePins, tolerance, { trials: 250 });
    expect(r.outcome).toBe("pins-found");
    expect(r.minimal).toEqual({ proved: r.pins.length, of: r.pins.length });
    expect(r.confirmed?.beyond).toBe(0);
    const errors = await errorsOn(
      path,
      r.pins.map((p) => p.layer),
      9001,
    );
    expect(Math.max(...errors), `${name}: ${errors.join(", ")}`).toBeLessThanOrEqual(tolerance);
    // Not because everything was pinned.
    expect(r.pins.length).toBeLessThan(0.25 * bench.layers.length);
  }, 600_000);
});

/** Worst output of each of several samples that nobody has looked at. */
async function errorsOn(path: string, pins: readonly string[], seed: number): Promise<number[]> {
  using bench = await Workbench.open(path, { samples: freshSamples, seed, threads: 2 });
  const { roundings } = await bench.subject();
  const switches = switchesFromPlan(withPins(allHalf(bench.model.digest, "finite"), pins), roundings);
  const errors: number[] = [];
  for (const feed of bench.feeds) {
    const { error, nonFinite } = await bench.evaluator(feed)(switches);
    errors.push(nonFinite ? Number.POSITIVE_INFINITY : error);
  }
  return errors;
}
