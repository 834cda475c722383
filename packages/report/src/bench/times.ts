import type { BenchDocument, BenchPoint } from "@halfscope/core";
import { type BatchSeries, latencyChart, throughputChart } from "../charts/batches.js";
import { number, numberCell, plural } from "../format.js";
import { html, type Markup } from "../markup.js";
import { numeric, type Section, table, text } from "../sections/section.js";
import { mostRows, refusalCell, shapeWord } from "./words.js";

/** Latency and throughput. */
export function timesSection(d: BenchDocument): Section {
  const { rounds, requests, warmup, maxSeconds } = d.options;
  const device = d.points.some((p) => p.latency?.deviceP50 !== undefined);
  const head = [
    text("engine"),
    text("shape"),
    numeric("batch"),
    numeric("contexts"),
    numeric("p50 ms"),
    numeric("p95 ms"),
    numeric("p99 ms"),
    ...(device ? [numeric("device ms", "median between events on the device's stream: the engine alone")] : []),
    numeric("requests/s"),
    numeric("variation"),
    numeric("drift"),
    numeric("calls"),
  ];
  const said = new Set(d.comparisons.flatMap((c) => c.refusal?.reason ?? []));
  return {
    id: "times",
    title: "What do batches buy?",
    intro: html`Time of a call from handing in its inputs to having its outputs; a call holds a whole batch, and throughput counts single requests. All points were measured in turn in ${plural(rounds, "round")}, every second one backwards, ${plural(warmup, "call")} of warm-up before each left out, up to ${plural(requests, "call")} or ${number(maxSeconds)} s of each point.`,
    body: html`${latencyChart(series(d, (p) => ({ value: p.latency?.p50, upTo: p.latency?.p99, title: `p50 ${milliseconds(p.latency?.p50)}, p99 ${milliseconds(p.latency?.p99)}` })))}${throughputChart(series(d, (p) => ({ value: p.throughput, title: `${number(p.throughput)} requests per second` })))}${table(
      head,
      d.points.slice(0, mostRows).map((p) => row(p, device, said)),
      { sortable: true },
    )}`,
  };
}

const milliseconds = (x: number | undefined): string => (x === undefined ? "–" : `${number(x)} ms`);

function row(p: BenchPoint, device: boolean, said: ReadonlySet<string>): Markup {
  const head = html`<td>${p.role}</td><td>${shapeWord(p.shape)}</td>${numberCell(p.batch)}${numberCell(p.contexts)}`;
  const { latency: l, refusal } = p;
  const columns = device ? 8 : 7;
  if (l === undefined)
    return html`<tr>${head}${refusal === undefined ? html`<td colspan="${columns}">–</td>` : refusalCell(refusal, columns, said)}</tr>`;
  return html`<tr>${head}${numberCell(l.p50)}${numberCell(l.p95)}${numberCell(l.p99)}${device && numberCell(l.deviceP50)}${numberCell(p.throughput)}${share(l.variation)}${share(p.drift, true)}${numberCell(l.requests)}</tr>`;
}

function share(x: number | undefined, signed = false): Markup {
  if (x === undefined) return numberCell(undefined);
  const percents = (100 * x).toFixed(1);
  return numberCell(x, `${signed && x > 0 ? "+" : ""}${percents} %`);
}

/** A line per shape, number of contexts and engine: colour, mark, and dashes for the reference beside a candidate. */
function series(
  d: BenchDocument,
  of: (p: BenchPoint) => { value: number | undefined; upTo?: number | undefined; title: string },
): BatchSeries[] {
  const both = d.engines.length > 1;
  const contexts = [...new Set(d.points.map((p) => p.contexts))].sort((a, b) => a - b);
  const lines = new Map<string, BatchSeries & { points: BatchSeries["points"][number][] }>();
  for (const p of d.points) {
    const key = JSON.stringify([p.role, p.shape, p.contexts]);
    const tone = d.shapes.findIndex((s) => s.name === p.shape);
    const parts = [
      ...(both ? [p.role] : []),
      ...(d.shapes.length > 1 || !both ? [shapeWord(p.shape)] : []),
      ...(contexts.length > 1 ? [plural(p.contexts, "context")] : []),
    ];
    const line = lines.get(key) ?? {
      label: parts.join(", "),
      tone: Math.max(0, tone),
      mark: contexts.indexOf(p.contexts),
      dashed: both && p.role === "reference",
      points: [],
    };
    lines.set(key, line);
    line.points.push({ batch: p.batch, ...of(p) });
  }
  return [...lines.values()];
}
