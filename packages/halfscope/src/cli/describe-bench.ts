import type { BenchComparison, BenchDifference, BenchDocument, BenchPoint, BenchRefusal } from "@halfscope/core";
import { table } from "./table.js";
import { given, number, quote, safe } from "./text.js";

/** A benchmark for people: the answer, the numbers, the times, and what they are worth. */
export function describeBench(d: BenchDocument): string {
  return [answer(d), engines(d), accuracy(d), padding(d), times(d), remarks(d)].filter((part) => part !== "").join("\n\n");
}

/** Milliseconds with three digits. */
const ms = (x: number | undefined): string => (x === undefined ? "-" : x >= 1000 ? String(Math.round(x)) : x.toPrecision(3));
const rate = (x: number | undefined): string => (x === undefined ? "-" : x >= 1000 ? String(Math.round(x)) : x.toPrecision(3));
const several = (n: number, one: string): string => `${n} ${one}${n === 1 ? "" : "s"}`;

function answer({ verdict: v, batching, engines }: BenchDocument): string {
  const where = v.worst === undefined ? "" : `, at batch ${v.worst.batch}${shapeOf(v.worst.shape)}, output "${safe(v.worst.output)}"`;
  const reference = engines.length > 1 ? "the FP32 reference" : "the same sent singly";
  const lines: string[] = [];
  if (v.outcome === "not-judged") lines.push("Not judged: no float output could be compared.");
  else if (v.outcome === "not-finite") lines.push(`NOT FINITE: an output cannot be compared with ${reference}${where}.`);
  else if (v.error === 0) lines.push(`WITHIN tolerance: requests are equal to ${reference}.`);
  else
    lines.push(
      `${v.outcome === "within" ? "WITHIN" : "NOT WITHIN"} tolerance: requests are off ${reference} by ${number(v.error)} at most (relative L2, tolerance ${given(v.tolerance)})${where}.`,
    );
  if (batching.kind !== "dynamic") lines.push("The model takes one request at a time: there are no batches to compare.");
  else if (v.batched?.bitIdentical) lines.push("Every batched request gives the bits of the same request sent singly.");
  else if (v.batched !== undefined && engines.length > 1)
    lines.push(
      `A batched request differs from the same sent singly by ${number(v.batched.maxAbs)} at most (relative L2 ${number(v.batched.relativeL2)}).`,
    );
  if (v.mixes)
    lines.push(
      "REQUESTS MIX: a request's result changes with the requests beside it. Something in the model works across the batch axis, such as a normalization.",
    );
  return lines.map((line) => quote(line, 0)).join("\n");
}

const shapeOf = (name: string): string => (name === "as declared" ? "" : `, ${safe(name)}`);

function engines({ environment: e, engines, machine }: BenchDocument): string {
  const gpu = e.gpu === undefined ? "" : `, ${e.gpu}${e.driver === undefined ? "" : `, driver ${e.driver}`}`;
  const cpu = `${machine.processor === "" ? "" : `${machine.processor}, `}${several(machine.cores, "core")}`;
  const load = machine.load === undefined ? "" : `, load ${machine.load.map((l) => l.toFixed(1)).join(" before and ")} after`;
  return quote(`${e.library} ${e.version}${gpu}; ${cpu}${load}`, 0).concat(
    ...engines.map((x) => `\n${quote(`${x.role}: ${x.title}, built in ${x.buildSeconds.toFixed(1)} s`, 2)}`),
  );
}

function accuracy(d: BenchDocument): string {
  const judged = d.engines.length > 1;
  const rows = d.comparisons.map((c) => [
    c.shape,
    c.batch,
    ...(c.refusal !== undefined
      ? [word(c.refusal), "", "", "", ""]
      : [
          bits(c.single),
          number(c.single?.maxAbs),
          number(c.single?.meanAbs),
          worstOf(c.reference),
          c.neighbours === undefined ? "-" : bits(c.neighbours),
        ]),
  ]);
  const notes = [
    "batch 1 is the same single request twice; other neighbours: the same request in the same place beside other requests",
    ...sentAtOnce(d),
    ...refusals(d.comparisons),
    ...notCompared(d.comparisons),
  ];
  const head = [
    "shape",
    "batch",
    "batched against\nsingle",
    "largest\ndifference",
    "mean\ndifference",
    `against ${judged ? "FP32" : "single"}\nrelative L2`,
    "other\nneighbours",
  ];
  return `Batched against single requests\n\n${table(head, rows, { numeric: [1, 3, 4, 5] })}\n\n${notes.map((n) => quote(n, 2)).join("\n")}`;
}

const bits = (x: BenchDifference | undefined): string =>
  x === undefined
    ? "-"
    : x.bitIdentical
      ? "same bits"
      : x.notFinite > 0
        ? "not finite"
        : x.relativeL2 === 0 && x.decisions !== undefined
          ? "decides otherwise"
          : "differs";
const worstOf = (x: BenchDifference | undefined): string => (x === undefined ? "-" : number(x.relativeL2));
const word = (r: BenchRefusal): string => (r.kind === "refused" ? "not served" : "FAILED");

function sentAtOnce({ comparisons, options }: BenchDocument): string[] {
  const all = comparisons.flatMap((c) => c.atOnce ?? []);
  if (all.length === 0) return [];
  const same = all.every((x) => x.bitIdentical);
  return [
    `single requests sent ${Math.max(...options.contexts)} at once: ${same ? "the bits of those sent one after the other" : "NOT the bits of those sent one after the other"}`,
  ];
}

/** Each reason once, with where it holds. */
function refusals(all: readonly { shape: string; batch: number; refusal?: BenchRefusal; paddedRefusal?: BenchRefusal }[]): string[] {
  const reasons = new Map<string, string[]>();
  for (const c of all)
    for (const [r, what] of [
      [c.refusal, ""],
      [c.paddedRefusal, " padded"],
    ] as const)
      if (r !== undefined)
        reasons.set(`${word(r)}: ${r.reason}`, [
          ...(reasons.get(`${word(r)}: ${r.reason}`) ?? []),
          `batch ${c.batch}${what}${shapeOf(c.shape)}`,
        ]);
  return [...reasons].map(([reason, where]) => `${where.slice(0, 4).join("; ")}${where.length > 4 ? " ..." : ""} ${reason}`);
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
  if (padded.length === 0)
    return paddingNotTried === undefined ? "" : quote(`Requests of different lengths in one batch were not tried: ${paddingNotTried}.`, 0);
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
  return `Requests of different lengths, padded to the longest of the batch, against each alone at its own length\n\n${table(head, rows, { numeric: [1, 4, 5, 6], names: [0, 2] })}`;
}

function times(d: BenchDocument): string {
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
          p.drift === undefined ? "-" : `${p.drift < 0 ? "-" : "+"}${Math.abs(Math.round(100 * p.drift))} %`,
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
  const note = `A call holds a whole batch; requests/s counts single ones. ${several(rounds, "round")} over all points in turn, ${several(warmup, "call")} of warm-up before each and left out, up to ${requests} timed calls or ${maxSeconds} s of each point. Variation: standard deviation over mean. Drift: median of the last round against the first's.`;
  return `Times of a call: inputs in, engine run, outputs out\n\n${table(head, d.points.map(row), { numeric })}\n\n${quote(note, 2)}`;
}

function remarks({ warnings, notes }: BenchDocument): string {
  return [...warnings.map((w) => `Warning: ${w}`), ...notes.map((n) => `Note: ${n}`)].map((line) => quote(line, 0)).join("\n");
}
