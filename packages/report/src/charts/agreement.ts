import { type ScaleLogarithmic, scaleLinear, scaleLog } from "d3-scale";
import { count, number, plural } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { at, errorScale, figure, powerLabel, powersOfTen } from "./axis.js";
import { type Box, placeLabel } from "./labels.js";

/** One tensor, errors as means of magnitudes. */
export interface AgreementPoint {
  measured: number;
  predicted: number;
  /** Tooltip. */
  title: string;
  /** Stands beside the mark and in the table: the tensors that differ most. */
  mark: string | undefined;
}

/** Square, and narrow enough for a phone. */
const frame = { width: 560, height: 520, left: 58, right: 14, top: 30, bottom: 46 };
const right = frame.width - frame.right;
const bottom = frame.height - frame.bottom;
const mostPoints = 2500;

type Scale = ScaleLogarithmic<number, number>;

/**
 * Predicted against measured error, tensor by tensor: on two logarithmic axes of one scale, and as predicted over measured along the graph, which shows where prediction and
 * engine part. `spread` is the middle nine tenths of predicted over measured.
 */
export function agreementCharts(all: readonly AgreementPoint[], spread: readonly [number, number] | undefined): Markup {
  const usable = all.filter((p) => isPositive(p.measured) && isPositive(p.predicted));
  if (usable.length === 0) return nothing;
  // Every so many in the order of the graph, and all that are named.
  const every = Math.ceil(usable.length / mostPoints);
  const shown = usable.map((point, index) => ({ ...point, index })).filter((p) => p.index % every === 0 || p.mark !== undefined);
  const marks = `A mark per tensor${every > 1 ? `, every ${every}th of ${count(usable.length)}` : ""}`;
  const words =
    spread === undefined ? "" : ` Shaded: the middle 90 %, predicted over measured ${number(spread[0])} to ${number(spread[1])}.`;
  return html`<div class="columns"><div class="ruler">${figure(
    frame,
    `Predicted against measured mean error of ${plural(usable.length, "tensor")}, logarithmic.${words}`,
    scatter(shown, usable, spread),
    html`${marks}; on the dashed line prediction and engine agree.${words}`,
  )}</div><div class="ruler">${figure(
    frame,
    `Predicted over measured mean error of ${plural(usable.length, "tensor")} in the order of the graph.${words}`,
    ratios(shown, usable.length, spread),
    html`The same along the graph. Numbers name the tensors of the table below, where prediction and engine differ most.`,
  )}</div></div>`;
}

const isPositive = (n: number): boolean => Number.isFinite(n) && n > 0;

interface Shown extends AgreementPoint {
  index: number;
}

function scatter(shown: readonly Shown[], all: readonly AgreementPoint[], spread: readonly [number, number] | undefined): Markup {
  const values = all.flatMap((p) => [p.measured, p.predicted]);
  const x = errorScale(values, [frame.left, right]);
  const y = errorScale(values, [bottom, frame.top]);
  const ticks = powersOfTen(x).map(
    (p) =>
      html`<line class="grid" x1="${at(x(p))}" x2="${at(x(p))}" y1="${frame.top}" y2="${bottom}"/><line class="grid" x1="${frame.left}" x2="${right}" y1="${at(y(p))}" y2="${at(y(p))}"/><text class="tick" x="${at(x(p))}" y="${bottom + 16}" text-anchor="${p === x.domain()[1] ? "end" : "middle"}">${powerLabel(p)}</text><text class="tick" x="${frame.left - 6}" y="${at(y(p))}" dy="0.32em" text-anchor="end">${powerLabel(p)}</text>`,
  );
  const [low = 1, high = 10] = x.domain();
  return html`<text class="axis-title" x="0" y="12">mean error predicted on the CPU</text>${band(x, y, spread)}${ticks}<path class="limit" d="M${at(x(low))},${at(y(low))}L${at(x(high))},${at(y(high))}"/>${marksOf(shown, (p) => [x(p.measured), y(p.predicted)])}<text class="axis-title" x="${right}" y="${frame.height - 4}" text-anchor="end">mean error on the engine →</text>`;
}

/** The strip between predicted = low * measured and predicted = high * measured, cut at the frame. */
function band(x: Scale, y: Scale, spread: readonly [number, number] | undefined): Markup | false {
  if (spread === undefined) return false;
  const [from, to] = spread;
  const [low = 1, high = 10] = x.domain();
  const width = high / low;
  if (!(from > 1 / width && to < width && from <= to)) return false;
  const ends = (r: number) => [Math.max(low, low / r), Math.min(high, high / r)] as const;
  const [lower, upper] = [ends(from), ends(to)];
  const point = (v: number, r: number) => `${at(x(v))},${at(y(v * r))}`;
  const straddles = from < 1 && to > 1;
  const corners = (v: number) => (straddles ? [`${at(x(v))},${at(y(v))}`] : []);
  const outline = [
    point(lower[0], from),
    point(lower[1], from),
    ...corners(high),
    point(upper[1], to),
    point(upper[0], to),
    ...corners(low),
  ];
  return html`<path class="good-zone" d="M${outline.join("L")}Z"/>`;
}

/** Ratios beyond a thousand stand at the edge. */
const edge = 1000;
const roundRatios = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2];

function ratios(shown: readonly Shown[], total: number, spread: readonly [number, number] | undefined): Markup {
  const clamped = (r: number) => Math.min(edge, Math.max(1 / edge, r));
  const values = [...shown.map((p) => clamped(p.predicted / p.measured)), ...(spread ?? []).filter(isPositive).map(clamped)];
  const reach = Math.max(1.25, ...values.map((r) => Math.max(r, 1 / r)));
  // The same distance up and down: twice too much is as wrong as half.
  const ends = reach <= 2 ? reach * 1.03 : Number(`1e${Math.ceil(Math.log10(reach) - 1e-9)}`);
  const y = scaleLog([1 / ends, ends], [bottom, frame.top]).clamp(true);
  const x = scaleLinear([-0.5, total - 0.5], [frame.left, right]);
  const labels = ends <= 2.1 ? roundRatios.filter((r) => r >= 1 / ends && r <= ends) : powersOfTen(y);
  const ticks = labels.map(
    (r) =>
      html`<line class="grid" x1="${frame.left}" x2="${right}" y1="${at(y(r))}" y2="${at(y(r))}"/><text class="tick" x="${frame.left - 6}" y="${at(y(r))}" dy="0.32em" text-anchor="end">${ends <= 2.1 ? String(r) : powerLabel(r)}</text>`,
  );
  const [from, to] = spread ?? [];
  const strip =
    from !== undefined &&
    to !== undefined &&
    isPositive(from) &&
    to >= from &&
    html`<rect class="good-zone" x="${frame.left}" y="${at(y(to))}" width="${right - frame.left}" height="${at(y(from) - y(to))}"/>`;
  return html`<text class="axis-title" x="0" y="12">predicted over measured mean error</text>${strip}${ticks}<line class="limit" x1="${frame.left}" x2="${right}" y1="${at(y(1))}" y2="${at(y(1))}"/>${marksOf(shown, (p) => [x(p.index), y(clamped(p.predicted / p.measured))], false)}<text class="axis-title" x="${right}" y="${frame.height - 4}" text-anchor="end">tensors in the order of the graph →</text>`;
}

/** Tooltips once are enough: with a thousand tensors they are most of the page. */
function marksOf(shown: readonly Shown[], place: (p: Shown) => readonly [number, number], titles = true): Markup {
  const named = shown.filter((p) => p.mark !== undefined);
  const taken: Box[] = named.map((p) => {
    const [x, y] = place(p);
    return { x: x - 6, y: y - 6, width: 12, height: 12 };
  });
  const dots = shown
    .toSorted((a, b) => Number(a.mark !== undefined) - Number(b.mark !== undefined))
    .map((p) => {
      const [x, y] = place(p);
      return html`<circle class="${p.mark === undefined ? "small-dot" : "dot"}" cx="${at(x)}" cy="${at(y)}" r="${p.mark === undefined ? 2.2 : 4}">${(titles || p.mark !== undefined) && html`<title>${p.title}</title>`}</circle>`;
    });
  const labels = named.map((p) => {
    const [x, y] = place(p);
    const free = placeLabel(p.mark ?? "", x, y, taken, { left: frame.left, right, top: frame.top, bottom });
    return (
      free !== undefined &&
      html`<text class="tick strong halo" x="${at(free.x)}" y="${at(free.y)}" dy="0.32em" text-anchor="${free.anchor}">${p.mark}</text>`
    );
  });
  return html`${dots}${labels}`;
}
