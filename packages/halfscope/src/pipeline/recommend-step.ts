import { PinCosts, type RecommendOptions, recommendPins } from "@halfscope/analysis";
import type { Overrides, PrecisionPlan, Recommendation, Sensitivity } from "@halfscope/core";
import { allHalf } from "@halfscope/precision";
import type { Compared } from "./compare-step.js";
import { judgingSamples } from "./judging-samples.js";
import { likeStep } from "./like-step.js";
import type { Workbench } from "./workbench.js";

export interface RecommendStepOptions extends Pick<RecommendOptions, "goal" | "prefer" | "trials"> {
  /** Pins to measure beside ours: patterns, or an overrides file. */
  pinsLike?: string | undefined;
}

/** Pins from a sweep, for a tolerance or another goal, judged on every sample. */
export async function recommendStep(
  bench: Workbench,
  sensitivity: Sensitivity,
  basePins: Compared["basePins"],
  tolerance: number,
  o: RecommendStepOptions = {},
): Promise<{ recommendation: Recommendation; overrides: Overrides }> {
  const { roundings, types } = await bench.subject();
  const plan: PrecisionPlan = allHalf(bench.model.digest, "finite", bench.precision);
  const costs = new PinCosts(roundings.floats, types);
  const swept = Math.max(1, Math.min(sensitivity.samples ?? 1, bench.feeds.length));
  const { pinsLike, ...asked } = o;
  const like = pinsLike === undefined ? undefined : await likeStep(bench, pinsLike);
  const found = await recommendPins({
    ...asked,
    like,
    roundings,
    layers: bench.layers,
    allHalf: plan,
    basePins,
    sensitivity,
    costs,
    tolerance,
    ...judgingSamples(bench, costs, swept),
    unseen: true,
    progress: bench.progress,
    signal: bench.signal,
  });
  return { recommendation: found.recommendation, overrides: { ...found.overrides, model: bench.model.path } };
}
