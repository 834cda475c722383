import type { BenchComparison, BenchDocument, BenchRefusal } from "@halfscope/core";
import { type ExampleBenchOptions, exampleBench } from "@halfscope/report";
import { describe, expect, it, test } from "vitest";
import { describeBench } from "./describe-bench.js";

const example = (o: ExampleBenchOptions = {}, change: Partial<BenchDocument> = {}): BenchDocument => ({
  ...exampleBench({ shapes: 1, ...o }),
  ...change,
});
const textOf = (d: BenchDocument) => describeBench(d).replaceAll(/\s+/g, " ");
const firstLine = (d: BenchDocument) => describeBench(d).split("\n")[0];
const failed: BenchRefusal = { kind: "failed", code: "ERR_ENGINE_RUN", reason: 'Add node "a": 64 by 9999.' };

/** The same document as an engine without real FP16 gives it. */
function notReal(d: BenchDocument): BenchDocument {
  const comparisons = d.comparisons.map(({ reference: _, ...c }): BenchComparison => c);
  return {
    ...d,
    comparisons,
    environment: { ...d.environment, capabilities: { ...d.environment.capabilities, realHalf: false } },
    verdict: { ...d.verdict, against: "single", error: 9e-7, notRealHalf: "A library computes FP16 operators in FP32." },
  };
}

describe("a benchmark for people", () => {
  test.each(["candidate", "alone", "mixes", "static", "broken"] as const)("(%s) keeps within a terminal and holds no undefined", (kind) => {
    const text = describeBench(example({ kind }));
    expect(text.split("\n").filter((line) => [...line].length > 120)).toEqual([]);
    expect(text).not.toMatch(/undefined|\[object|NaN %|e\+3\b|-0 %|\+0 %/);
  });

  it("says first that FP16 is none, and nothing of FP32 but that it was not judged", () => {
    const d = notReal(example());
    expect(firstLine(d)).toMatch(/^NOT REAL FP16: A library computes FP16 operators in FP32\. Only batching is judged\.$/);
    const text = textOf(d);
    expect(text).toMatch(/Batching is WITHIN tolerance: requests are off the same sent singly by 9\.00e-7/);
    expect(text).toMatch(/Not judged: what FP16 loses against FP32\..*`halfscope verify`/);
    expect(text).not.toMatch(/off the FP32 reference|against FP32 relative|times as fast as the reference/);
    expect(textOf(example())).toMatch(/against FP32/);
  });

  it("says before the verdict what was not served, and gives each reason once with all places", () => {
    const d = example();
    const comparisons = d.comparisons.map(
      (c): BenchComparison => (c.batch > 1 && c.batch < 8 ? { shape: c.shape, batch: c.batch, refusal: failed } : c),
    );
    const text = textOf({ ...d, comparisons });
    expect(text).toMatch(
      /^FAILED: 2 of 4 batch sizes and shapes; what follows is about the others\. NOT SERVED: 1 of 4 .* WITHIN tolerance/,
    );
    expect(text).toMatch(/FAILED \(batches 2, 4 of sequence=128\): Add node "a": 64 by 9999\./);
    expect(text.match(/64 by 9999/g)).toHaveLength(1);
    expect(text).toMatch(/What has no row here was not served/);
  });

  it("tells a reference that failed beside a candidate that did not", () => {
    const d = example();
    const comparisons = d.comparisons.map(
      ({ reference: _, ...c }): BenchComparison => (c.refusal === undefined ? { ...c, referenceRefusal: failed } : c),
    );
    const points = d.points.map((p) =>
      p.role === "reference" ? { role: p.role, shape: p.shape, batch: p.batch, contexts: p.contexts, rounds: [], refusal: failed } : p,
    );
    const { worst: _, ...verdict } = d.verdict;
    const text = textOf({ ...d, comparisons, points, verdict: { ...verdict, outcome: "not-judged" } });
    expect(text).toMatch(/Not judged: the reference was not served/);
    expect(text.match(/64 by 9999/g)).toHaveLength(1);
    expect(text).toMatch(/FAILED \(the reference, batches 1, 2, 4 of/);
  });

  it("explains batch 1 and other neighbours only where they were measured", () => {
    expect(textOf(example())).toMatch(/batch 1: the same single request sent twice; other neighbours:/);
    const d = example();
    const without = { ...d, comparisons: d.comparisons.filter((c) => c.batch > 1) };
    expect(textOf(without)).not.toMatch(/single request sent twice/);
    const single = { ...d, comparisons: d.comparisons.filter((c) => c.batch === 1) };
    expect(textOf(single)).not.toMatch(/other neighbours:/);
  });

  it("tells padded requests that were not served beside those that were, or in their place", () => {
    const d = example();
    const refused = { kind: "refused", code: "ERR_PROFILE", reason: "No profile serves 96." } as const;
    const comparisons = d.comparisons.map(({ padded: _, ...c }): BenchComparison => (c.batch > 1 ? { ...c, paddedRefusal: refused } : c));
    expect(textOf({ ...d, comparisons })).toMatch(
      /Requests of different lengths in one batch were not measured; each would be sent alone at its own length too not served \(batches 2, 4, 8 of sequence=128\): No profile serves 96\./,
    );
  });

  it("tells how far a measurement came that was stopped", () => {
    const d = example({}, { stopped: { comparisons: [4, 4], points: [3, 12], rounds: [0, 4] } });
    expect(firstLine(d)).toBe("STOPPED before the end: 4 of 4 comparisons, times of 3 of 12 points, 0 of 4 rounds.");
  });

  it("says what batches, contexts and the candidate buy", () => {
    const text = textOf(example());
    expect(text).toMatch(/The candidate is \d\.\d( to \d\.\d)? times as fast as the reference \(p50, 3 points\)\./);
    expect(text).toMatch(/Batches of 4 serve 1\.\d times as many requests per second as single calls; each caller waits/);
    expect(text).toMatch(/At batch \d, 2 contexts serve 1\.\d times as many as one\./);
  });

  it("does not call it within a tolerance where no batch was compared", () => {
    const d = example({ kind: "alone" });
    const comparisons = d.comparisons.filter((c) => c.batch === 1);
    const { batched: _, ...verdict } = d.verdict;
    const text = textOf({ ...d, comparisons, verdict: { ...verdict, outcome: "not-judged", against: "single", error: 0 } });
    expect(text).toMatch(/^Not judged: no batch was compared\. Single requests that are sent again give the same values\./);
  });

  it("states the clocks", () => {
    const clock = { smMHz: 1980, memoryMHz: 2619, throttle: [] };
    expect(textOf(example({}, { clocks: { before: clock, after: { ...clock, smMHz: 1965 } } }))).toMatch(
      /Clocks: SM 1980 MHz before, 1965 MHz after, memory 2619 MHz, no throttling\./,
    );
    expect(textOf(example({}, { clocks: { reason: "no NVML" } }))).toMatch(/Clocks: not read: no NVML\./);
  });
});
