import type { BenchComparison, BenchDocument, BenchPoint } from "@halfscope/core";
import { clocksText, judgedAgainst, referenceWords } from "@halfscope/report";
import { benchAnswer } from "./describe-bench-answer.js";
import { bits, ms, placesOf, rate, refusals, several, word, worstOf } from "./describe-bench-words.js";
import { table } from "./table.js";
import { number, quote } from "./text.js";

/** A benchmark for people: the answer, the numbers, the times, and what they are worth. */
export function describeBench(d: BenchDocument): string {
  return [benchAnswer(d), engines(d), accuracy(d), padding(d), times(d), remarks(d)].filter((part) => part !== "").join("\n\n");
}

function engines({ environment: e, engines, machine }: BenchDocument): string {
  const gpu = e.gpu === undefined ? "" : `, ${e.gpu}${e.driver === undefined ? "" : `, driver ${e.driver}`}`;
  const cpu = `${machine.processor === "" ? "" : `${machine.processor}, `}${several(machine.cores, "core")}`;
  const load = machine.load === undefined ? "" : `, load ${machine.load.map((l) => l.toFixed(1)).join(" before and ")} after`;
  return quote(`${e.library} ${e.version}${gpu}; ${cpu}${load}`, 0).concat(
    ...engines.map((x) => `\n${quote(`${x.role}: ${x.title}, built in ${x.buildSeconds.toFixed(1)} s`, 2)}`),
  );
}

function accuracy(d: BenchDocument): string {
  const single = judgedAgainst(d) === "single";
  const rows = d.comparisons.map((c) => [
    c.shape,
    c.batch,
    ...(c.refusal !== undefined
      ? [word(c.refusal), "", "", "", ""]
      : [
          bits(c.single),
          number(c.single?.maxAbs),
          number(c.single?.meanAbs),
          single ? worstOf(c.single) : c.referenceRefusal === undefined ? worstOf(c.reference) : word(c.referenceRefusal),
          c.neighbours === undefined ? "-" : bits(c.neighbours),
        ]),
  ]);
  const measured = d.comparisons.filter((c) => c.refusal === undefined);
  const legend = [
    ...(measured.some((c) => c.batch === 1) ? ["batch 1: the same single request sent twice"] : []),
    ...(measured.some((c) => c.neighbours !== undefined)
      ? ["other neighbours: the same request in the same place of the batch beside other requests"]
      : []),
  ];
  const notes = [
    ...(legend.length === 0 ? [] : [legend.join("; ")]),
    ...sentAtOnce(d),
    ...nothingToHold(d),
    ...refusals(d.comparisons, (c) => c.refusal),
    ...refusals(d.comparisons, (c) => c.referenceRefusal, "the reference, "),
    ...notCompared(d.comparisons),
  ];
  const expected = referenceWords(d) === "the FP32 reference" ? "FP32" : "reference";
  const head = [
    "shape",
    "batch",
    "batched against\nsingle",
    "largest\ndifference",
    "mean\ndifference",
    single ? "relative L2" : `against ${expected}\nrelative L2`,
    "other\nneighbours",
  ];
  const lines = notes.map((n) => quote(n, 2)).join("\n");
  return `Batched against single requests\n\n${table(head, rows, { numeric: [1, 3, 4, 5] })}${lines === "" ? "" : `\n\n${lines}`}`;
}

function sentAtOnce({ comparisons, options }: BenchDocument): string[] {
  const all = comparisons.flatMap((c) => c.atOnce ?? []);
  if (all.length === 0) return [];
  const same = all.every((x) => x.bitIdentical);
  return [
    `single requests sent ${Math.max(...options.contexts)} at once: ${same ? "the bits of those sent one after the other" : "NOT the bits of those sent one after the other"}`,
  ];
}

/** Batches that were served where no single request was. */
function nothingToHold({ comparisons }: BenchDocument): string[] {
  const shapes = new Map<string, number[]>();
  for (const c of comparisons)
    if (c.refusal === undefined && c.referenceRefusal === undefined && c.single === undefined && c.reference === undefined)
      shapes.set(c.shape, [...(shapes.get(c.shape) ?? []), c.batch]);
  return shapes.size === 0
    ? []
    : [`not judged (${placesOf(shapes)}): single requests are not served, so there is nothing to hold these against`];
}

function notCompared(all: readonly BenchComparison[]): string[] {
  const reasons = new Map<string, string>();
  for (const c of all)
    for (const x of [c.single, c.reference])
      for (const n of x?.notCompared ?? []) if (!reasons.has(n.output)) reasons.set(n.output, n.reason);
  return [...reasons].map(([output, reason]) => `not compared: "${output}": ${reason}`);
}

function padding({ comparisons, paddingNotTried }: BenchDocument): string {
  const padded = comparisons.flatMap((c) => (c.padded === undefined ? [] : [{ ...c, padded: c.padded }]));
  const refused = refusals(comparisons, (c) => c.paddedRefusal);
  const reasons = refused.map((line) => quote(line, 2)).join("\n");
  if (padded.length === 0) {
    if (refused.length > 0)
      return `Requests of different lengths in one batch were not measured; each would be sent alone at its own length too\n\n${reasons}`;
    return paddingNotTried === undefined ? "" : quote(`Requests of different lengths in one batch were not tried: ${paddingNotTried}.`, 0);
  }
  const rows = padded.map(({ shape, batch, padded: p }) => {
    const lengths = [...new Set(p.lengths)];
    return [
      shape,
      batch,
      lengths.length > 6 ? `${Math.min(...lengths)} to ${Math.max(...lengths)}` : p.lengths.join(" "),
      bits(p.batched),
      number(p.batched.maxAbs),
      number(p.batched.relativeL2),
      number(p.alone.relativeL2),
    ];
  });
  const head = [
    "shape",
    "batch",
    "lengths",
    "in the batch\nagainst alone",
    "largest\ndifference",
    "relative L2",
    "padding alone,\nrelative L2",
  ];
  return `Requests of different lengths, padded to the longest of the batch, against each alone at its own length\n\n${table(head, rows, { numeric: [1, 4, 5, 6], names: [0, 2] })}${reasons === "" ? "" : `\n\n${reasons}`}`;
}

const signed = (x: number): string => {
  const percents = Math.round(100 * x);
  return `${percents > 0 ? "+" : percents < 0 ? "-" : ""}${Math.abs(percents)} %`;
};

function times(d: BenchDocument): string {
  // What was not served stands in the table of differences, with its reason.
  const refused = (p: BenchPoint) => d.comparisons.some((c) => c.shape === p.shape && c.batch === p.batch && c.refusal !== undefined);
  const referenceRefused = (p: BenchPoint) =>
    d.comparisons.some((c) => c.shape === p.shape && c.batch === p.batch && c.referenceRefusal !== undefined);
  const shown = d.points.filter((p) => !refused(p));
  if (shown.length === 0) return "";
  const both = d.engines.length > 1;
  const contexts = d.options.contexts.length > 1;
  const row = (p: BenchPoint) => [
    p.shape,
    p.batch,
    ...(contexts ? [p.contexts] : []),
    ...(both ? [p.role] : []),
    ...(p.refusal !== undefined || p.latency === undefined
      ? [p.refusal === undefined ? "-" : word(p.refusal), "", "", "", "", ""]
      : [
          ms(p.latency.p50),
          ms(p.latency.p95),
          ms(p.latency.p99),
          rate(p.throughput),
          `${Math.round(100 * p.latency.variation)} %`,
          p.drift === undefined ? "-" : signed(p.drift),
        ]),
  ];
  const head = [
    "shape",
    "batch",
    ...(contexts ? ["contexts"] : []),
    ...(both ? ["engine"] : []),
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "requests/s",
    "variation",
    "drift",
  ];
  const first = head.indexOf("p50 ms");
  const numeric = [1, ...(contexts ? [2] : []), ...head.slice(first).map((_, i) => first + i)];
  const { rounds, requests, warmup, maxSeconds } = d.options;
  const notes = [
    ...refusals(shown, (p) => (p.role === "reference" && referenceRefused(p) ? undefined : p.refusal)),
    ...(shown.length < d.points.length ? ["What has no row here was not served or not measured, as told above."] : []),
  ];
  const note = `A call holds a whole batch; requests/s counts single ones. ${several(rounds, "round")} over all points in turn, ${several(warmup, "call")} of warm-up before each and left out, up to ${requests} timed calls or ${maxSeconds} s of each point. Variation: standard deviation over mean. Drift: median of the last round against the first's. Clocks: ${clocksText(d.clocks)}.`;
  return `Times of a call: inputs in, engine run, outputs out\n\n${table(head, shown.map(row), { numeric })}\n\n${[...notes, note].map((n) => quote(n, 2)).join("\n")}`;
}

function remarks({ warnings, notes }: BenchDocument): string {
  return [...warnings.map((w) => `Warning: ${w}`), ...notes.map((n) => `Note: ${n}`)].map((line) => quote(line, 0)).join("\n");
}
