import { type DecisionChange, type Measurement, mergeStats, type Rounds } from "@halfscope/core";

/** What one paired run on one sample gave, or several runs together. */
export interface SampleRun {
  /** By tensor, in graph order. */
  readonly tensors: ReadonlyMap<string, Measurement>;
  readonly decisions: ReadonlyMap<string, DecisionChange>;
  /** Tensors in parts of the graph that did not run. */
  readonly notExecuted: ReadonlySet<string>;
}

/** Two sets of samples as one: indices of `b` run on behind those of `a`. What one of them executed counts as executed. */
export function mergeRuns(a: SampleRun, b: SampleRun): SampleRun {
  const tensors = new Map(a.tensors);
  for (const [name, later] of b.tensors) {
    const first = tensors.get(name);
    tensors.set(name, first === undefined ? later : mergeMeasurements(first, later));
  }
  const decisions = new Map(a.decisions);
  for (const [name, later] of b.decisions) {
    const first = decisions.get(name);
    decisions.set(name, first === undefined ? later : mergeDecisions(first, later));
  }
  return { tensors, decisions, notExecuted: new Set([...a.notExecuted, ...b.notExecuted].filter((t) => !tensors.has(t))) };
}

function mergeMeasurements(a: Measurement, b: Measurement): Measurement {
  const rounds = a.rounds && b.rounds ? mergeRounds(a.rounds, b.rounds) : (a.rounds ?? b.rounds);
  return { ...a, stats: mergeStats(a.stats, b.stats), ...(rounds && { rounds }) };
}

/** Rounds keep their number within their own sample: the worst of both, and the earliest that broke. */
function mergeRounds(a: Rounds, b: Rounds): Rounds {
  const { worst, worstError } = b.worstError > a.worstError ? b : a;
  const broken = [a.firstBroken, b.firstBroken].filter((r) => r >= 0);
  return { count: Math.max(a.count, b.count), worst, worstError, firstBroken: broken.length === 0 ? -1 : Math.min(...broken) };
}

function mergeDecisions(a: DecisionChange, b: DecisionChange): DecisionChange {
  const first = a.differing > 0 ? a : { ...b, firstIndex: b.firstIndex < 0 ? -1 : b.firstIndex + a.count };
  return { ...first, differing: a.differing + b.differing, count: a.count + b.count };
}
