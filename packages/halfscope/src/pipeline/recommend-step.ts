import { type Evaluate, type OutputError, PinCosts, type RecommendOptions, recommendPins } from "@halfscope/analysis";
import type { Overrides, PrecisionPlan, Recommendation, Sensitivity } from "@halfscope/core";
import { allHalf } from "@halfscope/precision";
import type { Compared } from "./compare-step.js";
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
    costs: new PinCosts(roundings.floats, types),
    tolerance,
    evaluate: bench.evaluator(),
    evaluateHeldBack: worstOf(bench.feeds.slice(1).map((feed) => bench.evaluator(feed))),
    progress: bench.progress,
    signal: bench.signal,
  });
  return { recommendation: found.recommendation, overrides: { ...found.overrides, model: bench.model.path } };
}

/** The worst of several samples; undefined of none. */
function worstOf(evaluators: readonly Evaluate[]): Evaluate | undefined {
  if (evaluators.length === 0) return undefined;
  return async (switches) => {
    let worst: OutputError | undefined;
    for (const evaluate of evaluators) {
      const found = await evaluate(switches);
      worst = worst === undefined ? found : worseOf(worst, found);
    }
    return worst as OutputError;
  };
}

const worseOf = (a: OutputError, b: OutputError): OutputError => ({
  error: Math.max(a.error, b.error),
  perOutput: a.perOutput.map((e, i) => Math.max(e, b.perOutput[i] ?? 0)),
  maxAbs: Math.max(a.maxAbs, b.maxAbs),
  nonFinite: a.nonFinite || b.nonFinite,
});
