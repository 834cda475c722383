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
  stoppedRefusal,
  type TimedPoint,
  type TimingOptions,
  takeRound,
  timeInRounds,
} from "@halfscope/analysis";
import type { Batching, BenchComparison, BenchPoint, BenchRefusal, BenchRole, BenchStopped, Progress } from "@halfscope/core";
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

/**
 * What batching does to the numbers, shape by shape; `held` says whether the candidate is held against the reference too. When the signal stops the work, what was finished is
 * there and the rest refused as stopped.
 */
export async function compareAll(
  o: BenchWork & { outputs: readonly string[]; atOnce: number; compare: CompareTensors; held: boolean },
): Promise<BenchComparison[]> {
  const { pair, sent, batching, batches, outputs, compare, signal } = o;
  const formed = batches.filter((b) => notFormed(batching, b) === undefined);
  const reference = o.held ? pair.reference : undefined;
  const alone = reference === undefined || pair.reference === pair.candidate;
  const calls = sent.shapes.reduce(
    (n, { requests }) => n + comparisonCalls({ requests, batches: formed, padding: sent.padding, atOnce: o.atOnce, alone }),
    0,
  );
  const step = o.progress.step("Comparing batches with single requests", calls);
  let done = 0;
  const found: BenchComparison[] = [];
  try {
    for (const { name: shape, requests } of sent.shapes)
      await compareBatches({
        ...{ reference, candidate: pair.candidate, shape, requests, batches: formed, outputs, compare, signal },
        axes: batchAxes(batching),
        padding: sent.padding,
        atOnce: o.atOnce,
        ran: () => step.update(++done),
        found: (c) => found.push(c),
      });
  } catch (error) {
    // Without a single figure there is nothing to keep.
    if (signal?.aborted !== true || found.length === 0) throw error;
  } finally {
    step.end();
  }
  return sent.shapes.flatMap(({ name: shape }) =>
    batches.map(
      (batch): BenchComparison =>
        found.find((c) => c.shape === shape && c.batch === batch) ?? {
          shape,
          batch,
          refusal: notFormed(batching, batch) ?? stoppedRefusal,
        },
    ),
  );
}

/** Latency and throughput. The reference is timed beside the candidate, with the first number of contexts. When the signal stops the work, points have the rounds that were finished. */
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
      const compared = o.comparisons.find((c) => c.shape === shape && c.batch === batch);
      const feed = compared?.refusal === undefined ? callOf(requests, batching, batch) : undefined;
      for (const [i, [role, served]] of sides.entries())
        for (const contexts of i === 0 ? o.contexts : o.contexts.slice(0, 1)) {
          const head = { role, shape, batch, contexts };
          const refusal = compared?.refusal ?? (role === "reference" ? compared?.referenceRefusal : undefined);
          if (feed === undefined || refusal !== undefined) planned.push({ head: { ...head, ...(refusal && { refusal }) } });
          else planned.push({ head, timed: { engine: served.engine, feed: served.fit(feed), batch, contexts } });
        }
    }
  const timed = planned.flatMap((p) => p.timed ?? []);
  const units = 1000;
  const step = o.progress.step("Timing in rounds", units);
  const results = await timeInRounds(timed, {
    ...o.timing,
    signal: o.signal,
    progress: (share) => step.update(Math.round(units * share)),
  }).finally(() => step.end());
  const byPoint = new Map(timed.map((t, i) => [t, results[i]]));
  return planned.map(({ head, timed: t }) => ({ ...head, rounds: [], ...(t && byPoint.get(t)) }));
}

/** How far it came, where a person stopped it; undefined where everything was measured. */
export function stoppedAt(
  comparisons: readonly BenchComparison[],
  points: readonly BenchPoint[],
  rounds: number,
  signal: AbortSignal | undefined,
): BenchStopped | undefined {
  const left = (all: readonly { refusal?: BenchRefusal }[]) => all.filter((x) => x.refusal?.kind === "stopped").length;
  const timed = points.filter((p) => p.refusal === undefined || p.refusal.kind === "stopped");
  const whole = timed.reduce((least, p) => Math.min(least, p.rounds.length), rounds);
  if (signal?.aborted !== true || (left(comparisons) + left(points) === 0 && whole === rounds)) return undefined;
  return {
    comparisons: [comparisons.length - left(comparisons), comparisons.length],
    points: [points.length - left(points), points.length],
    rounds: [whole, rounds],
  };
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
