import {
  goalWords,
  halfWords,
  type Layer,
  type Overrides,
  type PrecisionPlan,
  type Progress,
  type Recommendation,
  type Sensitivity,
} from "@halfscope/core";
import { overridesFromPlan, type Roundings } from "@halfscope/precision";
import type { Evaluate } from "../judge/output-error.js";
import { measureLike, measureRules, withVerdict } from "./beside.js";
import { bestWithin, type Limit } from "./best-within.js";
import { type Chosen, choosePins } from "./choose-pins.js";
import { costSource, type PinCosts } from "./cost.js";
import { evidenceOf, reasonOf } from "./evidence.js";
import type { LikeMatch } from "./like-pins.js";
import { frontOf, spacedByError } from "./pareto.js";
import { type Chain, growthChain, layersWorthPinning, type PinProblem, type Preference } from "./pin-problem.js";
import { Trials } from "./trials.js";

export interface RecommendOptions {
  roundings: Roundings;
  layers: readonly Layer[];
  /** All FP16 with the constants that `apply` writes. */
  allHalf: PrecisionPlan;
  /** Layers that the overflow origins need, with the reason for each. */
  basePins: readonly { layer: string; reason: string }[];
  sensitivity: Sensitivity;
  costs: PinCosts;
  /** Relative L2 of the worst final output. */
  tolerance: number;
  /** Asked instead of the tolerance: the lowest error for a share of the work, or for a number of pins. */
  goal?: Recommendation["goal"];
  /** A set of pins of somebody's, to be measured beside ours. */
  like?: (LikeMatch & { given: string }) | undefined;
  /** What makes one set better than another. Defaults to fewest pins. */
  prefer?: Preference | undefined;
  /** Sets of pins to measure at most. Defaults to `defaultTrials` of the model's work. */
  trials?: number | undefined;
  /** On the sample that was swept, and on each of those that pins are not chosen on. */
  evaluate: Evaluate;
  heldBack?: readonly Evaluate[] | undefined;
  /** How many of them, from the first on, are the person's own; the others were made up to judge. Defaults to all. */
  given?: number | undefined;
  /** Pins have to hold for samples that nobody has seen, too, as far as the spread over three samples or more tells. Defaults to false. */
  unseen?: boolean | undefined;
  /** Samples that nothing was chosen by, other ones in each round; none where there are no more. */
  fresh?: ((round: number) => readonly Evaluate[]) | undefined;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/** Floating-point operations that all trials together may take, and how many trials there are at least and at most. */
const operationsForTrials = 3e11;
const fewestTrials = 60;
const mostTrials = 800;
/** Trials kept for the front, where they are few. */
const frontTrials = 14;
const mostFrontTrials = 24;
/** Sets of pins to measure where nobody says: it follows from the model's size alone, so that a run can be repeated. A minute on BERT-large. */
export const defaultTrials = (costs: PinCosts): number => {
  const operations = [...costs.layers.values()].reduce((n, c) => n + c.operations + c.bytes, 0);
  return Math.max(fewestTrials, Math.min(mostTrials, Math.round(operationsForTrials / Math.max(1, operations))));
};

/** Pins that measurement justifies: the fewest that were found to meet the tolerance, none of which can be dropped; or the best within a goal. */
export async function recommendPins(o: RecommendOptions): Promise<{ recommendation: Recommendation; overrides: Overrides }> {
  const most = o.trials ?? defaultTrials(o.costs);
  const step = o.progress.step("Measuring sets of pins", most);
  try {
    return await new Recommender(o, most, step.update.bind(step)).run();
  } finally {
    step.end();
  }
}

class Recommender {
  private readonly trials: Trials;
  private readonly base: readonly string[];
  private readonly problem: PinProblem;
  private readonly plainPurpose: string;

  constructor(
    private readonly o: RecommendOptions,
    most: number,
    onTrial: (done: number) => void,
  ) {
    this.base = o.basePins.map((p) => p.layer);
    this.plainPurpose = `all ${halfWords[o.roundings.floats.type]}`;
    this.trials = new Trials({ ...o, heldBack: o.heldBack ?? [], unseen: o.unseen ?? false, most, onTrial });
    const { predictedError: predicted } = o.sensitivity;
    // A metric of the person's own has units of its own: what sites predict is scaled to it.
    const measured = o.sensitivity.metric ?? o.sensitivity.measuredError;
    this.problem = {
      sites: o.roundings.sites,
      measured: o.sensitivity.sites,
      layers: o.layers,
      base: this.base,
      prices: o.costs,
      tolerance: o.tolerance,
      factor: predicted > 0 && Number.isFinite(measured) && measured > 0 ? measured / predicted : 1,
      prefer: o.prefer ?? "pins",
      judge: this.trials,
      progress: o.progress,
    };
  }

  async run(): Promise<{ recommendation: Recommendation; overrides: Overrides }> {
    const { o, trials } = this;
    await trials.measure([], this.plainPurpose);
    const suggestions = await measureRules(o, trials, this.base, this.plainPurpose);
    const like = await measureLike(o, trials);
    const release = trials.reserve(Math.min(frontTrials, trials.left >> 1));
    const chain = growthChain(this.problem, "work");
    const {
      pins,
      outcome,
      confirmed,
      heldBack: own,
    } = o.goal === undefined ? await choosePins(o, trials, this.problem, this.plainPurpose) : await this.forGoal(o.goal, chain);
    release();
    await this.measureFront(chain);
    const chosen = await trials.measure(pins, "recommended");
    const every = own === undefined ? await trials.everySample(pins, "recommended") : { heldBack: own.error, unseen: undefined };
    const { heldBack: heldBackError, unseen } = every;
    const withEvidence = pins.map((layer) => ({ layer, reason: reasonOf(layer, o), evidence: evidenceOf(layer, o) }));
    const proved = pins.filter((l) => trials.isKnownToFail(pins.filter((p) => p !== l))).length;
    const { record } = trials;
    const recommendation: Recommendation = {
      tolerance: o.tolerance,
      outcome,
      ...(o.goal && { goal: o.goal }),
      pins: withEvidence,
      measuredError: chosen.error,
      heldBackError,
      samples: own === undefined ? trials.judges : 1 + own.samples,
      ...(unseen !== undefined && { unseenBound: unseen }),
      ...(confirmed && { confirmed }),
      trials: record,
      suggestions,
      front: frontOf(record),
      predictedFront: this.predictedFront(chain),
      ...(outcome === "pins-found" && { minimal: { proved, of: pins.length } }),
      ...(like && { like: withVerdict(o, like, { pins, error: Math.max(chosen.error, heldBackError ?? 0) }) }),
      cost: this.costFacts(),
    };
    const word = halfWords[o.roundings.floats.type];
    const note =
      outcome === "no-pins-needed"
        ? `${word} meets the tolerance without pins.`
        : `Measured: ${chosen.error.toPrecision(3)} relative L2 ${o.goal === undefined ? `at a tolerance of ${o.tolerance}` : `with at most ${goalWords(o.goal)}`}.`;
    return { recommendation, overrides: overridesFromPlan({ ...o.allHalf, pins: withEvidence }, { note }) };
  }

  private async forGoal(goal: NonNullable<Recommendation["goal"]>, chain: Chain): Promise<Chosen> {
    const { costs } = this.o;
    const limit: Limit =
      goal.kind === "pins"
        ? { most: goal.pins, weight: () => 1 }
        : { most: goal.fp32Share, weight: (l) => (costs.total === 0 ? 0 : (costs.work.get(l) ?? 0) / costs.total) };
    const known = this.trials.record.map((t) => t.pins);
    const within = chain.sets.filter((s) => s.reduce((n, l) => n + limit.weight(l), 0) <= limit.most).slice(-1);
    return { pins: await bestWithin(this.problem, limit, [...within, ...known]), outcome: "best-found" };
  }

  /** From no pins to everything pinned. */
  private async measureFront(chain: Chain): Promise<void> {
    const sets = [[] as readonly string[], ...chain.sets, layersWorthPinning(this.problem)];
    const predicted = [this.base.length > 0 ? Number.POSITIVE_INFINITY : (chain.predicted[0] ?? 0), ...chain.predicted, 0];
    const whole: Chain = { purpose: "front", sets, predicted };
    for (const at of spacedByError(whole, Math.min(mostFrontTrials, this.trials.left)))
      if (this.trials.left > 0) await this.trials.measure(sets[at] ?? [], whole.purpose, predicted[at]);
  }

  private predictedFront(chain: Chain): NonNullable<Recommendation["predictedFront"]> {
    const places = spacedByError(chain, 60);
    return places.map((i) => {
      const pins = chain.sets[i] ?? [];
      return { fp32Share: this.o.costs.of(pins).fp32Share, pins: pins.length, error: chain.predicted[i] ?? 0 };
    });
  }

  private costFacts(): NonNullable<Recommendation["cost"]> {
    const { costs } = this.o;
    const all = costs.of(costs.layers.keys());
    return { source: costSource, operations: all.operations, bytes: all.bytes, layersOfUnknownSize: costs.unknownLayers.length };
  }
}
