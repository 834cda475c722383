import { type Evaluate, type OutputError, PinCosts, type RecommendOptions, recommendPins } from "@halfscope/analysis";
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
  const costs = new PinCosts(roundings.floats, types);
  const swept = Math.max(1, Math.min(sensitivity.samples ?? 1, bench.feeds.length));
  const { heldBack, batch } = moreSamples(bench, costs, swept);
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
    evaluate: worstOf(bench.feeds.slice(0, swept).map((feed) => bench.evaluator(feed))),
    heldBack: heldBack.map((feed) => bench.evaluator(feed)),
    fresh: (round) => batch(round).map((feed) => bench.evaluator(feed)),
    unseen: true,
    progress: bench.progress,
    signal: bench.signal,
  });
  return { recommendation: found.recommendation, overrides: { ...found.overrides, model: bench.model.path } };
}

/** The worst of several samples. */
function worstOf(evaluators: readonly Evaluate[]): Evaluate {
  const [only, ...others] = evaluators as [Evaluate, ...Evaluate[]];
  if (others.length === 0) return only;
  return async (switches) => {
    let worst: OutputError = await only(switches);
    for (const evaluate of others) {
      const found = await evaluate(switches);
      worst = {
        error: Math.max(worst.error, found.error),
        perOutput: worst.perOutput.map((e, i) => Math.max(e, found.perOutput[i] ?? 0)),
        maxAbs: Math.max(worst.maxAbs, found.maxAbs),
        nonFinite: worst.nonFinite || found.nonFinite,
      };
    }
    return worst;
  };
}

/**
 * Samples that judge pins, where samples are made up, and those of a batch that confirms them: few say little about samples that nobody has seen, and rare events (a
 * value that falls to zero in one sample of ten) show in many only. As many as this many floating-point operations are run on once: it follows from the model's
 * size alone, so that a run can be repeated.
 */
const operationsForSamples = 2e10;
const [fewestSamples, mostSamples] = [5, 16];

/** The samples that pins are not chosen on, and batches of others that nothing is chosen by. */
function moreSamples(
  bench: Workbench,
  costs: PinCosts,
  swept: number,
): { heldBack: readonly Feed[]; batch: (round: number) => readonly Feed[] } {
  const { feeds, dims, shapes, seed = 1 } = bench.options;
  const own = bench.feeds.slice(swept);
  // One sample was asked for where there is one: then nothing is held back.
  if (feeds?.length || bench.feeds.length === 1) return { heldBack: own, batch: () => [] };
  const operations = [...costs.layers.values()].reduce((n, c) => n + c.operations, 0);
  const samples = Math.max(fewestSamples, Math.min(mostSamples, Math.round(operationsForSamples / Math.max(1, operations))));
  const judges = Math.max(samples, bench.feeds.length);
  const upTo = (count: number) =>
    makeFeeds(bench.model, bench.view, { ...(dims && { dims }), ...(shapes && { shapes }), seed, samples: count });
  return {
    heldBack: [...own, ...upTo(judges).slice(bench.feeds.length)],
    batch: (round) => upTo(judges + (round + 1) * samples).slice(judges + round * samples),
  };
}
