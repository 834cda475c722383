import { type Evaluate, type OutputError, outputErrorFrom, type PinCosts } from "@halfscope/analysis";
import type { ErrorStats, TensorValue } from "@halfscope/core";
import { type Feed, makeFeeds } from "@halfscope/engine";
import type { Workbench } from "./workbench.js";

/**
 * Samples that judge pins, where samples are made up, and those of a batch that confirms them: few say little about samples that nobody has seen, and rare events (a
 * value that falls to zero in one sample of ten) show in many only. As many as this many floating-point operations are run on once: it follows from the model's
 * size alone, so that a run can be repeated.
 */
const operationsForSamples = 2e10;
const [fewestSamples, mostSamples] = [5, 16];

export interface JudgingSamples {
  /** What pins were chosen on: the samples that were swept, worst counts. */
  evaluate: Evaluate;
  /** What they were not: the person's own first, as many as `given`, then made-up ones. */
  heldBack: readonly Evaluate[];
  given: number;
  /** Others in each round, that nothing is chosen by; none where feeds are given. */
  fresh: (round: number) => readonly Evaluate[];
}

/** Samples of a bench of which the first `swept` were swept. */
export function judgingSamples(bench: Workbench, costs: PinCosts, swept: number): JudgingSamples {
  const { feeds, dims, shapes, seed = 1 } = bench.options;
  const own = bench.feeds.slice(swept).map((feed) => bench.evaluator(feed));
  const evaluate = worstOf(bench.feeds.slice(0, swept).map((feed) => bench.evaluator(feed)));
  // One sample was asked for where there is one: then nothing is held back.
  if (feeds?.length || bench.feeds.length === 1) return { evaluate, heldBack: own, given: own.length, fresh: () => [] };
  const operations = [...costs.layers.values()].reduce((n, c) => n + c.operations, 0);
  const samples = Math.max(fewestSamples, Math.min(mostSamples, Math.round(operationsForSamples / Math.max(1, operations))));
  const judges = Math.max(samples, bench.feeds.length);
  let made: readonly Feed[] = bench.feeds;
  const upTo = (count: number): readonly Feed[] => {
    // What is fed follows from the seed and the number of the sample, so the first ones are those that there are.
    if (made.length < count)
      made = [
        ...made,
        ...makeFeeds(bench.model, bench.view, { ...(dims && { dims }), ...(shapes && { shapes }), seed, samples: count }).slice(
          made.length,
        ),
      ];
    return made.slice(0, count);
  };
  let typical: Promise<ReadonlyMap<string, number>> | undefined;
  const beside = (feed: Feed): Evaluate => {
    return async (switches) => {
      typical ??= typicalSquares(bench, upTo(samples));
      const squares = await typical;
      const stats = await bench.outputStats(feed, switches);
      return outputErrorFrom([...stats].map(([name, s]) => againstTypical(s, squares.get(name) ?? 0)));
    };
  };
  return {
    evaluate,
    heldBack: [...own, ...upTo(judges).slice(bench.feeds.length).map(beside)],
    given: own.length,
    fresh: (round) =>
      upTo(judges + (round + 1) * samples)
        .slice(judges + round * samples)
        .map(beside),
  };
}

/**
 * The error of a made-up sample relative to what its output usually is, where that is larger: an output of few numbers comes near zero now and then, and any
 * error is large relative to that.
 */
const againstTypical = (s: ErrorStats, typical: number): ErrorStats => ({
  ...s,
  sumSquaredReference: Math.max(s.sumSquaredReference, typical),
});

/** Mean over samples of the squared norm of each float output of the reference. */
async function typicalSquares(bench: Workbench, feeds: readonly Feed[]): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, number>();
  for (const feed of feeds)
    for (const [name, value] of (await bench.reference(feed)).outputs)
      if (value.dtype === "float32") sums.set(name, (sums.get(name) ?? 0) + sumOfSquares(value) / feeds.length);
  return sums;
}

function sumOfSquares({ data }: TensorValue): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let sum = 0;
  for (let at = 0; at + 4 <= data.byteLength; at += 4) sum += view.getFloat32(at, true) ** 2;
  return sum;
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
