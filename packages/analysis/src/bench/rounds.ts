import type { BenchRefusal, BenchRound, LatencySummary } from "@halfscope/core";
import { type DeviceEngine, type Feed, type RequestTimes, summariseLatency } from "@halfscope/engine";
import { refusalOf, stoppedRefusal } from "./refusal.js";

/** What is timed: one engine, one call, so many contexts at once. */
export interface TimedPoint {
  engine: Pick<DeviceEngine, "time">;
  feed: Pick<Feed, "tensors">;
  /** Requests in one call. */
  batch: number;
  contexts: number;
}

export interface TimingOptions {
  rounds: number;
  /** Calls that are timed per point, all rounds together. */
  requests: number;
  /** Calls before each round of a point that are not. */
  warmup: number;
  /** Longest time of one point, warm-up included. */
  maxMilliseconds: number;
  signal?: AbortSignal | undefined;
  /** Share of the work that is done, from 0 to 1. */
  progress?: ((done: number) => void) | undefined;
}

export interface TimedResult {
  refusal?: BenchRefusal;
  latency?: LatencySummary;
  /** Single requests per second. */
  throughput?: number;
  rounds: readonly BenchRound[];
  drift?: number;
}

/** What one round of a point consists of. */
export interface RoundPlan {
  warmup: number;
  requests: number;
}

/** Of a round at least so many calls are timed per context, however slow they are: a median needs some. */
const leastRequests = 3;

/**
 * Calls of one round, from what one call took (`milliseconds`, wall time per call with all contexts busy): as many as asked for, or as the time allows. Slow points
 * warm up with one call at least.
 */
export function planRound(
  milliseconds: number,
  contexts: number,
  o: Pick<TimingOptions, "rounds" | "requests" | "warmup" | "maxMilliseconds">,
): RoundPlan {
  const least = leastRequests * contexts;
  const wanted = Math.max(least, Math.ceil(o.requests / o.rounds));
  const affordable = o.maxMilliseconds / o.rounds / Math.max(milliseconds, 1e-6);
  if (wanted + o.warmup <= affordable) return { warmup: o.warmup, requests: wanted };
  // A fifth of what there is time for goes to the warm-up.
  const warmup = Math.min(o.warmup, Math.max(1, Math.floor(affordable / 5)));
  return { warmup, requests: Math.max(least, Math.min(wanted, Math.floor(affordable - warmup))) };
}

/**
 * Times all points in rounds, every second one backwards: a clock that falls, or other work, meets all of them alike, and the first and the last round tell how much
 * of it there was. A point that no profile serves, or that fails, is refused and the others go on. When the signal stops the work, points have the rounds that were finished,
 * and those without any are refused as stopped.
 */
export async function timeInRounds(points: readonly TimedPoint[], o: TimingOptions): Promise<TimedResult[]> {
  const states = points.map((): State => ({ rounds: [], times: [], discarded: 0 }));
  try {
    await allRounds(points, states, o);
  } catch (error) {
    if (o.signal?.aborted !== true) throw error;
  }
  if (o.signal?.aborted) for (const s of states) if (s.rounds.length === 0) s.refusal ??= stoppedRefusal;
  return states.map((s, i) => resultOf(s, points[i]?.batch ?? 1));
}

async function allRounds(points: readonly TimedPoint[], states: readonly State[], o: TimingOptions): Promise<void> {
  for (const [i, state] of states.entries()) {
    if (o.signal?.aborted) return;
    await attempt(state, async () => {
      const point = points[i] as TimedPoint;
      // The first call of a shape allocates and chooses kernels: it is no measure of the second.
      const probe = await point.engine.time(point.feed, {
        warmup: 1,
        requests: 2 * point.contexts,
        contexts: point.contexts,
        signal: o.signal,
      });
      state.discarded += 1 + probe.milliseconds.length;
      state.each = probe.wallMilliseconds / Math.max(1, probe.milliseconds.length);
      state.plan = planRound(state.each, point.contexts, o);
    });
  }
  const cost = (s: State) => (s.plan === undefined ? 0 : (s.each ?? 0) * (s.plan.warmup + s.plan.requests));
  const total = o.rounds * states.reduce((sum, s) => sum + cost(s), 0);
  let done = 0;
  for (let round = 0; round < o.rounds; round++) {
    const order = [...states.keys()];
    for (const i of round % 2 === 0 ? order : order.reverse()) {
      const [state, point] = [states[i] as State, points[i] as TimedPoint];
      const { plan } = state;
      if (o.signal?.aborted) return;
      if (plan === undefined || state.refusal !== undefined) continue;
      await attempt(state, async () => {
        const times = await point.engine.time(point.feed, { ...plan, contexts: point.contexts, signal: o.signal });
        state.discarded += plan.warmup;
        state.times.push(times);
        state.rounds.push({
          requests: times.milliseconds.length,
          p50: summariseLatency(times, plan.warmup).p50,
          wallMilliseconds: times.wallMilliseconds,
        });
      });
      done += cost(state);
      o.progress?.(total === 0 ? 1 : done / total);
    }
  }
}

interface State {
  rounds: BenchRound[];
  times: RequestTimes[];
  /** Calls that are in no figure. */
  discarded: number;
  /** Milliseconds per call, all contexts busy. */
  each?: number;
  plan?: RoundPlan;
  refusal?: BenchRefusal;
}

async function attempt(state: State, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    state.refusal = refusalOf(error);
  }
}

function resultOf(s: State, batch: number): TimedResult {
  const milliseconds = s.times.reduce((sum, t) => sum + t.wallMilliseconds, 0);
  const [first, last] = [s.rounds[0], s.rounds.at(-1)];
  if (s.refusal !== undefined || first === undefined || last === undefined) return { ...(s.refusal && { refusal: s.refusal }), rounds: [] };
  const all = joined(s.times, milliseconds);
  return {
    latency: summariseLatency(all, s.discarded),
    ...(milliseconds > 0 && { throughput: (1000 * batch * all.milliseconds.length) / milliseconds }),
    rounds: s.rounds,
    ...(s.rounds.length > 1 && first.p50 > 0 && { drift: last.p50 / first.p50 - 1 }),
  };
}

/** Rounds as one measurement. */
function joined(times: readonly RequestTimes[], wallMilliseconds: number): RequestTimes {
  const device = times.map((t) => t.deviceMilliseconds);
  return {
    milliseconds: Float64Array.from(times.flatMap((t) => [...t.milliseconds])),
    ...(device.every((d) => d !== undefined) && { deviceMilliseconds: Float64Array.from(device.flatMap((d) => [...(d ?? [])])) }),
    wallMilliseconds,
  };
}
