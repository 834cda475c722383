import type { BenchDocument, BenchPoint } from "@halfscope/core";
import { expect, it } from "vitest";
import { exampleBench } from "../testing/example-bench.js";
import { bestBatch, bestContexts, speedOverReference } from "./gains.js";

const point = (o: Partial<BenchPoint>, p50: number, throughput: number): BenchPoint => ({
  ...{ role: "candidate", shape: "s", batch: 1, contexts: 1, rounds: [], throughput },
  latency: { requests: 9, warmup: 1, mean: p50, p50, p95: p50, p99: p50, min: p50, max: p50, variation: 0 },
  ...o,
});
const of = (points: BenchPoint[], kind: "candidate" | "alone" = "candidate"): BenchDocument => ({ ...exampleBench({ kind }), points });

it("what batches buy is told against single calls of the same shape and contexts", () => {
  const d = of([
    point({}, 2, 500),
    point({ contexts: 2 }, 3, 700),
    point({ batch: 8 }, 4, 2000),
    point({ batch: 8, contexts: 2 }, 6, 2100),
    point({ role: "reference", batch: 8 }, 1, 99_999),
  ]);
  expect(bestBatch(d)).toEqual({ shape: "s", batch: 8, contexts: 1, throughput: 2000, single: 500, wait: 2 });
  expect(bestContexts(d)).toEqual({ shape: "s", batch: 1, contexts: 2, throughput: 700, single: 500, wait: 1.5 });
});
it("nothing is told where there is nothing to hold it against", () => {
  const d = of([point({ batch: 8 }, 4, 2000), { role: "candidate", shape: "s", batch: 1, contexts: 1, rounds: [] }]);
  expect([bestBatch(d), bestContexts(d), speedOverReference(d)]).toEqual([undefined, undefined, undefined]);
});
it("the candidate's speed is that of calls that both engines were timed with", () => {
  const d = of([
    point({}, 2, 1),
    point({ role: "reference" }, 6, 1),
    point({ batch: 8 }, 4, 1),
    point({ batch: 8, role: "reference" }, 6, 1),
    point({ batch: 8, contexts: 2 }, 1, 1),
  ]);
  expect(speedOverReference(d)).toEqual({ least: 1.5, most: 3, points: 2 });
});
