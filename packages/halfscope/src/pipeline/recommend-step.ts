import { recommendPins, workByLayer } from "@halfscope/analysis";
import type { Overrides, PrecisionPlan, Recommendation, Sensitivity } from "@halfscope/core";
import { allHalf } from "@halfscope/precision";
import type { Compared } from "./compare-step.js";
import type { Workbench } from "./workbench.js";

export async function recommendStep(
  bench: Workbench,
  sensitivity: Sensitivity,
  basePins: Compared["basePins"],
  tolerance: number,
): Promise<{ recommendation: Recommendation; overrides: Overrides }> {
  const { roundings, types } = await bench.subject();
  const heldBack = bench.feeds[1];
  const plan: PrecisionPlan = allHalf(bench.model.digest, "finite", bench.precision);
  const found = await recommendPins({
    roundings,
    layers: bench.layers,
    allHalf: plan,
    basePins,
    sensitivity,
    work: workByLayer(roundings.floats, types),
    tolerance,
    evaluate: bench.evaluator(),
    evaluateHeldBack: heldBack === undefined ? undefined : bench.evaluator(heldBack),
    progress: bench.progress,
    signal: bench.signal,
  });
  return { recommendation: found.recommendation, overrides: { ...found.overrides, model: bench.model.path } };
}
