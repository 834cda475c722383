import { PinCosts, type RecommendOptions, recommendPins } from "@halfscope/analysis";
import type { Overrides, PrecisionPlan, Recommendation, Sensitivity } from "@halfscope/core";
import { type Feed, makeFeeds } from "@halfscope/engine";
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
    heldBack: heldBackFeeds(bench).map((feed) => bench.evaluator(feed)),
    unseen: true,
    progress: bench.progress,
    signal: bench.signal,
  });
  return { recommendation: found.recommendation, overrides: { ...found.overrides, model: bench.model.path } };
}

/** Samples that judge pins, where samples are made up: few say little about those that nobody has seen. */
const madeUpJudges = 6;

/** The samples that pins are not chosen on: those of the bench but the first, and where feeds are made up, more of the same kind. */
function heldBackFeeds(bench: Workbench): readonly Feed[] {
  const { feeds, dims, shapes, seed = 1 } = bench.options;
  const own = bench.feeds.slice(1);
  if (feeds?.length || own.length === 0 || bench.feeds.length >= madeUpJudges) return own;
  const all = makeFeeds(bench.model, bench.view, { ...(dims && { dims }), ...(shapes && { shapes }), seed, samples: madeUpJudges });
  return [...own, ...all.slice(bench.feeds.length)];
}
