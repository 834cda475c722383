import { type BenchDocument, decodeJson, encodeJson } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { renderBenchHtml } from "./bench-page.js";
import { type ExampleBenchOptions, exampleBench } from "./testing/example-bench.js";
import { readStrictly } from "./testing/strict-html.js";

const kinds: readonly NonNullable<ExampleBenchOptions["kind"]>[] = ["candidate", "alone", "mixes", "static", "broken"];
const textOf = (o: ExampleBenchOptions) => readStrictly(renderBenchHtml(exampleBench(o))).text;

describe("a page of a benchmark", () => {
  test.each(kinds)("(%s) is the same for a document that was saved and read again", (kind) => {
    const d = exampleBench({ kind });
    expect(renderBenchHtml(decodeJson(encodeJson(d)) as BenchDocument)).toBe(renderBenchHtml(d));
  });

  test("escapes hostile names everywhere", () => {
    const own = readStrictly(renderBenchHtml(exampleBench()));
    for (const rename of [
      (n: string) => `"><img src=x onerror=alert(1)>${n}`,
      (n: string) => `${n}</script><script>alert(1)</script>`,
      (n: string) => `</title></style><svg onload=alert(1)>${n}`,
      (n: string) => n + "x".repeat(10_000),
    ]) {
      const page = readStrictly(renderBenchHtml(exampleBench({ rename })));
      expect([...page.tags].filter((t) => !own.tags.has(t))).toEqual([]);
      expect([...page.attributes].filter((a) => !own.attributes.has(a) && a !== "title")).toEqual([]);
      expect(page.scripts).toEqual(own.scripts);
    }
  });

  test("names nothing outside of itself, and links only to ids that it has", () => {
    const page = renderBenchHtml(exampleBench());
    const links = [...page.matchAll(/(?:href|src)="([^"]*)"/g)].map((m) => m[1]);
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map((m) => m[1]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(links.filter((h) => h !== "data:," && !ids.includes(h?.slice(1) ?? ""))).toEqual([]);
    expect(page).toMatch(/Content-Security-Policy" content="default-src &#39;none&#39;/);
  });

  test("answers first", () => {
    expect(textOf({ kind: "candidate" })).toMatch(/Yes: batched requests are within the tolerance\./);
    expect(textOf({ kind: "mixes" })).toMatch(/No: batched requests miss the tolerance\.\s*Requests mix/);
    expect(textOf({ kind: "broken" })).toMatch(/No: an output is not finite/);
    expect(textOf({ kind: "static" })).toMatch(/One request at a time only/);
  });

  test("judges nothing against FP32 where the served FP16 is none, and says so first", () => {
    const d = exampleBench({ kind: "candidate", shapes: 1 });
    const comparisons = d.comparisons.map(({ reference: _, ...c }) => c);
    const verdict = { ...d.verdict, against: "single" as const, notRealHalf: "A library computes FP16 operators in FP32." };
    const text = readStrictly(renderBenchHtml({ ...d, comparisons, verdict })).text;
    expect(text).toMatch(
      /Not real FP16: only batching is judged\.[\s\S]*A library computes FP16 operators in FP32\.[\s\S]*Yes: batched requests/,
    );
    expect(text).not.toMatch(/relative L2 against FP32|Against the FP32 reference|of the reference\./);
    expect(textOf({ kind: "candidate" })).toMatch(/relative L2 against FP32/);
  });

  test("says of what was stopped, what failed and what has no reference", () => {
    const d = exampleBench({ kind: "candidate", shapes: 1 });
    const stopped = readStrictly(renderBenchHtml({ ...d, stopped: { comparisons: [4, 4], points: [3, 12], rounds: [1, 4] } })).text;
    expect(stopped).toMatch(/Stopped before the end: 4 of 4 comparisons, times of 3 of 12 points, 1 of 4 rounds\./);
    const refusal = { kind: "failed", code: "ERR_ENGINE_RUN", reason: "Out of memory." } as const;
    const comparisons = d.comparisons.map(({ reference: _, ...c }) => (c.refusal === undefined ? { ...c, referenceRefusal: refusal } : c));
    const { worst: __, ...verdict } = d.verdict;
    const text = readStrictly(renderBenchHtml({ ...d, comparisons, verdict: { ...verdict, outcome: "not-judged" } })).text;
    expect(text).toMatch(/3 of 4 batch sizes and shapes failed, 1 of 4 batch sizes and shapes is not served/);
    expect(text).toMatch(/Not judged: the reference was not served\./);
  });

  test("states the clocks", () => {
    const clock = { smMHz: 1980, memoryMHz: 2619, throttle: [] };
    const d = exampleBench();
    expect(readStrictly(renderBenchHtml({ ...d, clocks: { before: clock, after: clock } })).text).toMatch(
      /SM 1980 MHz before, 1980 MHz after/,
    );
    expect(readStrictly(renderBenchHtml({ ...d, clocks: { reason: "no NVML" } })).text).toMatch(/not read: no NVML; the drift/);
  });

  test("says what batches buy", () => {
    expect(textOf({ kind: "candidate" })).toMatch(/Batches of 4 with sequence=\d+ serve 1\.\d times as many requests per second/);
    const d = exampleBench({ kind: "alone" });
    const flat = { ...d, points: d.points.map((p) => ({ ...p, throughput: 10 })) };
    expect(renderBenchHtml(flat)).toMatch(/batching only makes callers wait/);
  });

  test("shows a refused batch in both tables, and its reason once", () => {
    const text = textOf({ kind: "candidate", shapes: 1 });
    expect(text).toMatch(/1 of 4 batch sizes and shapes is not served: what follows is about the others\./);
    // That line, one row of differences, and three of times.
    expect(text.match(/not served/g)).toHaveLength(1 + 1 + 3);
    expect(text.match(/No profile serves this request/g)).toHaveLength(1);
  });

  test("draws a line per shape, contexts and engine, a cross for what is not finite, and no line to it", () => {
    const page = renderBenchHtml(exampleBench({ kind: "candidate" }));
    const charts = page.match(/<svg class="chart"[\s\S]*?<\/svg>/g) ?? [];
    expect(charts).toHaveLength(3);
    const lines = (chart: string | undefined) => chart?.match(/class="series/g)?.length;
    // Two shapes: against single and against FP32; candidate with one and two contexts, reference with one.
    expect(charts.map(lines)).toEqual([4, 6, 6]);
    const broken = renderBenchHtml(exampleBench({ kind: "broken", shapes: 1 })).match(/<svg class="chart"[\s\S]*?<\/svg>/)?.[0] ?? "";
    expect(broken.match(/class="cross"/g)).toHaveLength(3);
    expect(/class="series tone-0" d="([^"]*)"/.exec(broken)?.[1]).toMatch(/^M[\d.,]+Z?$/);
  });

  test("stays small with many shapes, and says that lines are left out", () => {
    const page = renderBenchHtml(exampleBench({ shapes: 60 }));
    expect(page.length).toBeLessThan(1e6);
    expect(page).toMatch(/lines more are in the table/);
  });
});
