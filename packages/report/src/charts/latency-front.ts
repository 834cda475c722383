import type { EngineRole } from "@halfscope/core";
import { type ScaleLogarithmic, scaleLog } from "d3-scale";
import { curveStepAfter, line, symbol, symbolCircle, symbolDiamond, symbolSquare, symbolStar, symbolTriangle } from "d3-shape";
import { number } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { at, errorAxis, errorScale, figure } from "./axis.js";
import { type Box, placeLabel } from "./labels.js";

/** One engine, or a set of pins that was tried on one. */
export interface FrontPoint {
  role: EngineRole;
  /** Beside the mark; empty for none. */
  label: string;
  /** In the tooltip. */
  title: string;
  /** Undefined for the reference, which has none by definition. NaN or infinite where the outputs are not finite. */
  error: number | undefined;
  milliseconds: number;
  /** No other point is better on both. */
  front: boolean;
}

const frame = { width: 960, height: 380, left: 70, right: 28, top: 46, bottom: 48 };
const mostPoints = 400;
/** Milliseconds: a nanosecond and a day. What lies beyond is no latency. */
const [shortest, longest] = [1e-6, 86_400_000];

/** Error against latency: what FP16 buys, and what each set of pins costs of it. Both axes are logarithmic. */
export function latencyFrontChart(all: readonly FrontPoint[], tolerance: number, word: string): Markup {
  const points = all.filter((p) => p.milliseconds >= shortest && p.milliseconds <= longest).slice(0, mostPoints);
  if (points.length < 2) return nothing;
  const bottom = frame.height - frame.bottom;
  const errors = points.flatMap((p) => (p.error !== undefined && Number.isFinite(p.error) ? [p.error] : []));
  const y = errorScale([...errors, tolerance], [bottom - 26, frame.top + 8]);
  const x = timeScale(points.map((p) => p.milliseconds));
  const height = (p: FrontPoint) =>
    p.error === undefined || p.error === 0 ? bottom - 8 : Number.isFinite(p.error) ? y(p.error) : frame.top - 10;
  const broken = points.some((p) => p.error !== undefined && !Number.isFinite(p.error));
  const exact = points.some((p) => p.error === undefined || p.error === 0);

  const corners = points
    .filter((p) => p.front && p.error !== undefined && p.error > 0 && Number.isFinite(p.error))
    .toSorted((a, b) => a.milliseconds - b.milliseconds)
    .map((p): [number, number] => [x(p.milliseconds), y(p.error ?? 0)]);
  const path = corners.length < 2 ? "" : (line().curve(curveStepAfter).digits(1)(corners) ?? "");
  const taken: Box[] = points.map((p) => ({ x: x(p.milliseconds) - 7, y: height(p) - 7, width: 14, height: 14 }));
  const limitWords = `tolerance ${number(tolerance)}`;
  if (tolerance > 0)
    taken.push({ x: frame.width - frame.right - 7 * limitWords.length, y: y(tolerance) - 18, width: 7 * limitWords.length, height: 18 });
  // The words that matter most choose their places first.
  const labels = points.toSorted((a, b) => rank[b.role] - rank[a.role]).map((p) => label(p, x(p.milliseconds), height(p), taken));
  const marks = points.toSorted((a, b) => rank[a.role] - rank[b.role]).map((p) => mark(p, x(p.milliseconds), height(p)));
  const ticks = timeTicks(x).map((t) => {
    const place = at(x(t));
    return html`<line class="grid" x1="${place}" x2="${place}" y1="${frame.top}" y2="${bottom}"/><text class="tick" x="${place}" y="${bottom + 17}" text-anchor="middle">${number(t)} ms</text>`;
  });
  const limit =
    tolerance > 0 &&
    html`<line class="limit" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${at(y(tolerance))}" y2="${at(y(tolerance))}"/><text class="tick strong halo" x="${frame.width - frame.right}" y="${at(y(tolerance) - 5)}" text-anchor="end">${limitWords}</text>`;
  const lanes = html`${broken && html`<text class="tick alarm" x="${frame.left - 6}" y="${frame.top - 10}" dy="0.32em" text-anchor="end">not finite</text>`}${exact && html`<text class="tick" x="${frame.left - 6}" y="${bottom - 8}" dy="0.32em" text-anchor="end">exact</text>`}`;
  const content = html`${errorAxis(y, frame, "relative L2 error of the worst final output against the FP32 engine")}${ticks}<text class="axis-title" x="${frame.width - frame.right}" y="${frame.height - 6}" text-anchor="end">median latency of a request →</text>${lanes}${limit}<path class="front" d="${path}"/>${labels}${marks}`;
  const present = new Set(points.map((p) => p.role));
  const legend = legends.flatMap(([role, words]) =>
    present.has(role)
      ? [
          html`<span class="key-item"><svg width="16" height="16" aria-hidden="true"><path class="${classes(role)}" transform="translate(8,8)" d="${shape(role)}"/></svg> ${words(word)}</span>`,
        ]
      : [],
  );
  return figure(
    frame,
    `Error against latency of ${points.length} engines and sets of pins: ${points
      .slice(0, 8)
      .map((p) => p.title)
      .join("; ")}`,
    content,
    html`<span class="key">${legend}${path !== "" && html`<span class="key-item"><svg width="16" height="12" aria-hidden="true"><path class="front" d="M1,3h7v6h7"/></svg> the front: nothing measured is better on both</span>`}</span>`,
  );
}

const rank: Readonly<Record<EngineRole, number>> = { trial: 0, reference: 1, guides: 2, "all-half": 3, recommended: 4 };

const legends: readonly (readonly [EngineRole, (word: string) => string])[] = [
  ["reference", () => "FP32 reference"],
  ["all-half", (word) => `every layer in ${word}`],
  ["recommended", () => "recommended pins"],
  ["guides", () => "as guides advise"],
  ["trial", () => "tried on the engine"],
];

const shapes = {
  reference: symbol(symbolDiamond, 70),
  "all-half": symbol(symbolSquare, 70),
  recommended: symbol(symbolStar, 150),
  guides: symbol(symbolTriangle, 60),
  trial: symbol(symbolCircle, 42),
} as const;
const shape = (role: EngineRole): string => (shapes[role] ?? shapes.trial).digits(1)() ?? "";

const colours: Readonly<Record<EngineRole, string>> = {
  reference: "like",
  "all-half": "half",
  recommended: "chosen",
  guides: "rule",
  trial: "searched",
};
const classes = (role: EngineRole, broken = false): string => `trial trial-${colours[role] ?? "searched"}${broken ? " broken" : ""}`;

const mark = (p: FrontPoint, x: number, y: number): Markup =>
  html`<path class="${classes(p.role, p.error !== undefined && !Number.isFinite(p.error))}" transform="translate(${at(x)},${at(y)})" d="${shape(p.role)}"><title>${p.title}</title></path>`;

function label(p: FrontPoint, x: number, y: number, taken: Box[]): Markup | false {
  if (p.label === "") return false;
  const place = placeLabel(p.label, x, y, taken, {
    left: frame.left,
    right: frame.width - frame.right,
    top: 16,
    bottom: frame.height - frame.bottom,
  });
  return (
    place !== undefined &&
    html`${Math.abs(place.y - y) > 20 && html`<line class="lead" x1="${at(x)}" x2="${at(place.x)}" y1="${at(y)}" y2="${at(place.y)}"/>`}<text class="tick halo${p.role === "recommended" && " strong"}" x="${at(place.x)}" y="${at(place.y)}" dy="0.32em" text-anchor="${place.anchor}">${p.label}</text>`
  );
}

/** Over all times with a little air, at least a factor of 1.5 wide. */
function timeScale(times: readonly number[]): ScaleLogarithmic<number, number> {
  const low = Math.min(...times);
  const high = Math.max(...times);
  const air = Math.max(1.04, Math.sqrt(1.5 / Math.max(1, Math.min(1.5, high / low))));
  return scaleLog([low / air, high * air], [frame.left + 14, frame.width - frame.right - 14]).clamp(true);
}

/** Round times inside the scale: the coarsest of 1, 2, 5 / tenths / hundredths of a decade that gives at least three. */
function timeTicks(scale: ScaleLogarithmic<number, number>): number[] {
  const [low = 1, high = 10] = scale.domain();
  for (const steps of [
    [1, 10],
    [1, 2, 5],
    [1, 1.5, 2, 3, 4, 5, 7],
  ] as const) {
    const found = roundIn(low, high, steps);
    if (found.length >= 3) return thinned(found);
  }
  const unit = Number(`1e${Math.floor(Math.log10(high - low))}`);
  for (const step of [unit / 2, unit / 5, unit / 10]) {
    const from = Math.ceil(low / step);
    const to = Math.min(from + 40, Math.floor(high / step));
    if (to - from >= 2) return thinned(Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * step).toPrecision(6))));
  }
  return [low, high].map((t) => Number(t.toPrecision(3)));
}

function roundIn(low: number, high: number, steps: readonly number[]): number[] {
  const found = new Set<number>();
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
    for (const s of steps) {
      const t = Number((s * Number(`1e${e}`)).toPrecision(3));
      if (t >= low && t <= high) found.add(t);
    }
  return [...found].sort((a, b) => a - b);
}

const thinned = (ticks: readonly number[]): number[] => ticks.filter((_, i) => i % Math.ceil(ticks.length / 9) === 0);
