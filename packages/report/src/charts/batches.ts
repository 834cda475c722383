import { scaleLinear, scaleLog } from "d3-scale";
import { line, symbol, symbolCircle, symbolDiamond, symbolSquare, symbolTriangle } from "d3-shape";
import { number } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { at, errorScale, figure, powerLabel, powersOfTen } from "./axis.js";

/** One line of a chart over batch sizes. Lines are told apart by colour and mark, and by dashes. */
export interface BatchSeries {
  label: string;
  /** Colour and mark, counted from 0; four of each. */
  tone: number;
  mark: number;
  dashed: boolean;
  points: readonly BatchMark[];
}
export interface BatchMark {
  batch: number;
  /** Not drawn where undefined; above all others where not finite. */
  value: number | undefined;
  /** Upper end of a thin line from the mark. */
  upTo?: number | undefined;
  /** Beyond the label: in the tooltip. */
  title: string;
}

const frame = { width: 960, height: 330, left: 70, right: 24, top: 44, bottom: 46 };
/** More lines cannot be told apart. */
const mostSeries = 12;

/** A scale of values as the chart needs it. */
interface Axis {
  place(value: number): number;
  ticks: readonly (readonly [value: number, label: string])[];
  /** Where what has no place on the scale stands. */
  zero: { y: number; label: string } | undefined;
}

/** Time over batch sizes, logarithmic: a batch that costs as much per request as a single one rises as the batch does. */
export function latencyChart(series: readonly BatchSeries[]): Markup {
  const values = shown(series).flatMap((s) => s.points.flatMap((p) => [p.value, p.upTo]));
  return batchChart(series, logAxis(finite(values)), {
    title: "milliseconds of a call, logarithmic",
    about: "Time of a call by batch size",
    caption: "Each mark is the median; the thin line above it ends at p99.",
  });
}

/** Requests per second over batch sizes, from zero. */
export function throughputChart(series: readonly BatchSeries[]): Markup {
  const values = finite(shown(series).flatMap((s) => s.points.map((p) => p.value)));
  const scale = scaleLinear([0, Math.max(1e-9, ...values)], [frame.height - frame.bottom, frame.top + 8]).nice(5);
  const ticks = scale.ticks(5).map((t) => [t, number(t)] as const);
  return batchChart(
    series,
    { place: scale, ticks, zero: undefined },
    {
      title: "single requests per second",
      about: "Throughput by batch size",
      caption: "All contexts together. Where the line is flat, a larger batch only makes each caller wait longer.",
    },
  );
}

/** Relative L2 over batch sizes, with the tolerance. */
export function differenceChart(series: readonly BatchSeries[], tolerance: number): Markup {
  const bottom = frame.height - frame.bottom;
  const values = finite(shown(series).flatMap((s) => s.points.map((p) => p.value)));
  const scale = errorScale([...values, tolerance], [bottom - 22, frame.top + 10]);
  const ticks = powersOfTen(scale).map((p) => [p, powerLabel(p)] as const);
  return batchChart(
    series,
    { place: (v) => scale(v), ticks, zero: { y: bottom - 7, label: "no difference" } },
    {
      title: "relative L2 of the worst output of the worst request, logarithmic",
      about: "Differences by batch size",
      caption: "Marks at the foot differ by nothing.",
      ...(tolerance > 0 && { limit: { y: scale(tolerance), label: `tolerance ${number(tolerance)}` } }),
    },
  );
}

interface ChartWords {
  title: string;
  about: string;
  caption: string;
  limit?: { y: number; label: string };
}

function batchChart(all: readonly BatchSeries[], axis: Axis, words: ChartWords): Markup {
  const series = shown(all);
  const batches = [...new Set(series.flatMap((s) => s.points.flatMap((p) => (p.value === undefined ? [] : [p.batch]))))].sort(
    (a, b) => a - b,
  );
  if (batches.length === 0) return nothing;
  const [bottom, end] = [frame.height - frame.bottom, frame.width - frame.right];
  const step = (end - frame.left) / batches.length;
  const x = (batch: number) => frame.left + (batches.indexOf(batch) + 0.5) * step;
  const broken = series.some((s) => s.points.some((p) => p.value !== undefined && !Number.isFinite(p.value)));
  const y = (value: number) =>
    !Number.isFinite(value) ? frame.top - 8 : value <= 0 && axis.zero !== undefined ? axis.zero.y : axis.place(value);
  const drawn = series.map((s, i) => drawSeries(s, x, y, spreadOf(series.length, step) * (i - (series.length - 1) / 2)));
  const grid = axis.ticks.map(
    ([value, label]) =>
      html`<line class="grid" x1="${frame.left}" x2="${end}" y1="${at(axis.place(value))}" y2="${at(axis.place(value))}"/><text class="tick" x="${frame.left - 6}" y="${at(axis.place(value))}" dy="0.32em" text-anchor="end">${label}</text>`,
  );
  const foot = batches.map((b) => html`<text class="tick" x="${at(x(b))}" y="${bottom + 17}" text-anchor="middle">${b}</text>`);
  const zero =
    axis.zero !== undefined &&
    series.some((s) => s.points.some((p) => p.value === 0)) &&
    html`<text class="tick" x="${frame.left - 6}" y="${at(axis.zero.y)}" dy="0.32em" text-anchor="end">none</text>`;
  const lane =
    broken && html`<text class="tick alarm" x="${frame.left - 6}" y="${frame.top - 8}" dy="0.32em" text-anchor="end">not finite</text>`;
  const limit =
    words.limit !== undefined &&
    html`<line class="limit" x1="${frame.left}" x2="${end}" y1="${at(words.limit.y)}" y2="${at(words.limit.y)}"/><text class="tick strong halo" x="${end}" y="${at(words.limit.y - 5)}" text-anchor="end">${words.limit.label}</text>`;
  const content = html`<text class="axis-title" x="0" y="12">${words.title}</text>${grid}<line class="grid" x1="${frame.left}" x2="${end}" y1="${bottom}" y2="${bottom}"/>${foot}${zero}${lane}${limit}${drawn}<text class="axis-title" x="${end}" y="${frame.height - 6}" text-anchor="end">requests in one call →</text>`;
  const left = all.length > series.length && ` ${all.length - series.length} lines more are in the table.`;
  return figure(
    frame,
    `${words.about}: ${series.map((s) => s.label).join("; ")}`,
    content,
    html`${legend(series)}<p>${words.caption}${left}</p>`,
  );
}

/** Lines stand a little beside each other, so that equal marks can be seen. */
const spreadOf = (lines: number, step: number): number => Math.min(11, (0.5 * step) / Math.max(1, lines));
const shown = (series: readonly BatchSeries[]): readonly BatchSeries[] => series.slice(0, mostSeries);
const finite = (values: readonly (number | undefined)[]): number[] =>
  values.filter((v): v is number => v !== undefined && Number.isFinite(v) && v > 0);

function drawSeries(s: BatchSeries, x: (batch: number) => number, y: (value: number) => number, shift: number): Markup {
  const tone = `tone-${s.tone % 4}`;
  const marks = s.points.flatMap((p) => (p.value === undefined ? [] : [{ ...p, value: p.value }])).toSorted((a, b) => a.batch - b.batch);
  // A gap where a value is not finite: no line leads there.
  const path = line<(typeof marks)[number]>(
    (p) => x(p.batch) + shift,
    (p) => y(p.value),
  )
    .defined((p) => Number.isFinite(p.value))
    .digits(1)(marks);
  const spread = marks.map(
    (p) =>
      p.upTo !== undefined &&
      Number.isFinite(p.upTo) &&
      html`<line class="spread ${tone}" x1="${at(x(p.batch) + shift)}" x2="${at(x(p.batch) + shift)}" y1="${at(y(p.value))}" y2="${at(y(p.upTo))}"/>`,
  );
  const symbols = marks.map((p) => {
    const place = html`translate(${at(x(p.batch) + shift)},${at(y(p.value))})`;
    const title = html`<title>${s.label}, batch ${p.batch}: ${p.title}</title>`;
    return Number.isFinite(p.value)
      ? html`<path class="mark ${tone}" transform="${place}" d="${shapeOf(s.mark)}">${title}</path>`
      : html`<path class="cross" transform="${place}" d="M-5,-5l10,10m0,-10l-10,10">${title}</path>`;
  });
  return html`${spread}<path class="series ${tone}${s.dashed && " dashed"}" d="${path ?? ""}"/>${symbols}`;
}

const shapes = [symbol(symbolCircle, 56), symbol(symbolSquare, 56), symbol(symbolTriangle, 52), symbol(symbolDiamond, 60)];
const shapeOf = (mark: number): string => shapes[mark % shapes.length]?.digits(1)() ?? "";

const legend = (series: readonly BatchSeries[]): Markup =>
  html`<span class="key">${series.map(
    (s) =>
      html`<span class="key-item long"><svg width="30" height="14" aria-hidden="true"><path class="series tone-${s.tone % 4}${s.dashed && " dashed"}" d="M1,7h28"/><path class="mark tone-${s.tone % 4}" transform="translate(15,7)" d="${shapeOf(s.mark)}"/></svg> <span>${s.label}</span></span>`,
  )}</span>`;

/** Ticks at 1, 2 and 5 times powers of ten; at powers alone where these are many. */
function logAxis(values: readonly number[]): Axis {
  const [low, high] = values.length === 0 ? [0.1, 10] : [Math.min(...values), Math.max(...values)];
  const scale = scaleLog([low / 1.3, high * 1.3], [frame.height - frame.bottom - 6, frame.top + 8]);
  const from = Math.floor(Math.log10(low / 1.3));
  const to = Math.ceil(Math.log10(high * 1.3));
  const powers = Array.from({ length: to - from + 1 }, (_, i) => Number(`1e${from + i}`));
  const candidates = to - from > 4 ? powers : powers.flatMap((p) => [p, 2 * p, 5 * p]);
  const [bottom = 0, top = 0] = scale.domain();
  const ticks = candidates.filter((t) => t >= bottom && t <= top).map((t) => [t, number(Number(t.toPrecision(2)))] as const);
  return { place: scale, ticks, zero: undefined };
}
