import {
  batchAxes,
  type CompareTensors,
  compareBatches,
  comparisonCalls,
  cutRequest,
  lengthOf,
  paddedLengths,
  type Request,
  type Served,
  stackRequests,
  type TimedPoint,
  type TimingOptions,
  takeRound,
  timeInRounds,
} from "@halfscope/analysis";
import type { Batching, BenchComparison, BenchPoint, BenchRefusal, BenchRole, Progress } from "@halfscope/core";
import type { Feed } from "@halfscope/engine";
import type { BenchRequests, ShapedRequests } from "./bench-requests.js";

/** What both measurements work on. */
export interface BenchWork {
  /** The same twice where nothing but the model itself is served. */
  pair: { reference: Served; candidate: Served };
  sent: BenchRequests;
  batching: Batching;
  batches: readonly number[];
  progress: Progress;
  signal: AbortSignal | undefined;
}

/** Why a batch cannot be formed at all. */
function notFormed({ kind, how }: Batching, batch: number): BenchRefusal | undefined {
  return kind === "dynamic" || batch === 1 ? undefined : { kind: "refused", code: "ERR_OPTION", reason: how };
}

/** What batching does to the numbers, shape by shape. */
export async function compareAll(
  o: BenchWork & { outputs: readonly string[]; atOnce: number; compare: CompareTensors },
): Promise<BenchComparison[]> {
  const { pair, sent, batching, batches, outputs, compare, signal } = o;
  const formed = batches.filter((b) => notFormed(batching, b) === undefined);
  const alone = pair.reference === pair.candidate;
  const calls = sent.shapes.reduce(
    (n, { requests }) => n + comparisonCalls({ requests, batches: formed, padding: sent.padding, atOnce: o.atOnce, alone }),
    0,
  );
  const step = o.progress.step("Comparing batches with single requests", calls);
  let done = 0;
  const comparisons: BenchComparison[] = [];
  for (const { name: shape, requests } of sent.shapes) {
    const found = await compareBatches({
      ...pair,
      ...{ shape, requests, batches: formed, outputs, compare, signal },
      axes: batchAxes(batching),
      padding: sent.padding,
      atOnce: o.atOnce,
      ran: () => step.update(++done),
    });
    for (const batch of batches) {
      const refusal = notFormed(batching, batch);
      const comparison = refusal === undefined ? found.find((c) => c.batch === batch) : { shape, batch, refusal };
      if (comparison !== undefined) comparisons.push(comparison);
    }
  }
  step.end();
  return comparisons;
}

/** Latency and throughput. The reference is timed beside the candidate, with the first number of contexts. */
export async function timeAll(
  o: BenchWork & {
    comparisons: readonly BenchComparison[];
    contexts: readonly number[];
    timing: Omit<TimingOptions, "signal" | "progress">;
  },
): Promise<BenchPoint[]> {
  const { pair, sent, batching, batches } = o;
  const sides: readonly (readonly [BenchRole, Served])[] =
    pair.reference === pair.candidate
      ? [["reference", pair.reference]]
      : [
          ["candidate", pair.candidate],
          ["reference", pair.reference],
        ];
  const planned: { head: Omit<BenchPoint, "rounds">; timed?: TimedPoint }[] = [];
  for (const { name: shape, requests } of sent.shapes)
    for (const batch of batches) {
      const refusal = o.comparisons.find((c) => c.shape === shape && c.batch === batch)?.refusal;
      const feed = refusal === undefined ? callOf(requests, batching, batch) : undefined;
      for (const [i, [role, served]] of sides.entries())
        for (const contexts of i === 0 ? o.contexts : o.contexts.slice(0, 1)) {
          const head = { role, shape, batch, contexts };
          if (feed === undefined) planned.push({ head: { ...head, ...(refusal && { refusal }) } });
          else planned.push({ head, timed: { engine: served.engine, feed: served.fit(feed), batch, contexts } });
        }
    }
  const timed = planned.flatMap((p) => p.timed ?? []);
  const units = 1000;
  const step = o.progress.step("Timing in rounds", units);
  const results = await timeInRounds(timed, { ...o.timing, signal: o.signal, progress: (share) => step.update(Math.round(units * share)) });
  step.end();
  const byPoint = new Map(timed.map((t, i) => [t, results[i]]));
  return planned.map(({ head, timed: t }) => ({ ...head, rounds: [], ...(t && byPoint.get(t)) }));
}

/** One call with the first requests of a shape. */
const callOf = (requests: ShapedRequests["requests"], batching: Batching, batch: number): Request =>
  batching.kind === "dynamic" ? stackRequests(takeRound(requests, 0, batch) as [Request, ...Request[]], batchAxes(batching)) : requests[0];

/** All shapes of calls that will be made: what profiles are made from where none are given. */
export function allCalls(sent: BenchRequests, batching: Batching, batches: readonly number[]): Pick<Feed, "tensors">[] {
  const { padding } = sent;
  const calls: Request[] = [];
  for (const { requests } of sent.shapes) {
    calls.push(requests[0]);
    if (batching.kind !== "dynamic") continue;
    for (const batch of batches) {
      calls.push(callOf(requests, batching, batch));
      if ("reason" in padding || batch === 1) continue;
      const base = takeRound(requests, 0, batch);
      const lengths = paddedLengths(base.map((r) => lengthOf(r, padding)));
      calls.push(...base.map((r, i) => cutRequest(r, padding, lengths[i] ?? 1)));
    }
  }
  return calls.map((tensors) => ({ tensors: new Map(tensors) }));
}
