import type { BenchDocument, BenchPoint } from "@halfscope/core";

/** A batch, or contexts, against single requests one after the other: same engine and shape. */
export interface ServingGain {
  shape: string;
  batch: number;
  contexts: number;
  /** Requests per second, and those of single calls. */
  throughput: number;
  single: number;
  /** p50 over the single call's. */
  wait: number;
}

const servedRole = (d: BenchDocument): BenchPoint["role"] => (d.engines.some((e) => e.role === "candidate") ? "candidate" : "reference");

/** What batches buy at most, against single calls with as many contexts. Undefined where no batch, or no single request, was timed. */
export function bestBatch(d: BenchDocument): ServingGain | undefined {
  return best(
    d,
    (p) => p.batch > 1,
    (p, q) => q.batch === 1 && q.contexts === p.contexts,
  );
}

/** What several contexts buy at most, against one with the same batch. */
export function bestContexts(d: BenchDocument): ServingGain | undefined {
  return best(
    d,
    (p) => p.contexts > 1,
    (p, q) => q.contexts === 1 && q.batch === p.batch,
  );
}

function best(
  d: BenchDocument,
  wanted: (p: BenchPoint) => boolean,
  isSingle: (p: BenchPoint, q: BenchPoint) => boolean,
): ServingGain | undefined {
  const points = d.points.filter((p) => p.role === servedRole(d));
  let found: ServingGain | undefined;
  for (const p of points.filter(wanted)) {
    const single = points.find((q) => q.shape === p.shape && isSingle(p, q));
    if (p.throughput === undefined || p.latency === undefined || single?.throughput === undefined || single.latency === undefined) continue;
    if (found !== undefined && p.throughput / single.throughput <= found.throughput / found.single) continue;
    const { shape, batch, contexts, throughput } = p;
    found = { shape, batch, contexts, throughput, single: single.throughput, wait: p.latency.p50 / single.latency.p50 };
  }
  return found;
}

/** How many times as fast as the reference the candidate is, p50 of the same call: least, most, and over how many points. Undefined where they were not timed side by side. */
export function speedOverReference(d: BenchDocument): { least: number; most: number; points: number } | undefined {
  const factors = d.points.flatMap((p) => {
    if (p.role !== "candidate") return [];
    const other = d.points.find((q) => q.role === "reference" && q.shape === p.shape && q.batch === p.batch && q.contexts === p.contexts);
    return p.latency === undefined || other?.latency === undefined || p.latency.p50 === 0 ? [] : [other.latency.p50 / p.latency.p50];
  });
  return factors.length === 0 ? undefined : { least: Math.min(...factors), most: Math.max(...factors), points: factors.length };
}
