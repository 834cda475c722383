import type { Recommendation, Trial } from "@halfscope/core";
import { scaleLog } from "d3-scale";
import { curveStepAfter, line, symbol, symbolCircle, symbolDiamond, symbolSquare, symbolStar, symbolTriangle } from "d3-shape";
import { number, percent, plural } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { at, errorAxis, errorScale, figure } from "./axis.js";

const frame = { width: 960, height: 400, left: 70, right: 24, top: 44, bottom: 48 };
const mostTrials = 600;
/** A logarithm has no zero: sets that keep nothing in FP32 stand in a lane of their own. */
const lane = 46;
/** Shares below are drawn there. */
const leastShare = 1e-6;

const isBrokenTrial = (t: Trial): boolean => t.nonFinite || !Number.isFinite(t.measuredError);

/** How a trial is drawn: shapes tell them apart without colour. */
export type TrialShape = "half" | "rule" | "like" | "chosen" | "searched";

export const shapeOf = (t: Trial, chosen: Trial | undefined): TrialShape =>
  t === chosen
    ? "chosen"
    : t.pins.length === 0
      ? "half"
      : t.purpose.startsWith("rule")
        ? "rule"
        : t.purpose === "pins like"
          ? "like"
          : "searched";

export interface TrialsChartOptions {
  chosen: Trial | undefined;
  tolerance: number;
  word?: string;
  /** Predicted walk from no pins to everything pinned. */
  predicted?: Recommendation["predictedFront"];
}

/** What was tried: share of the work that stays in FP32 against the measured error, the front of what nothing beats on both, and the walk as predicted. */
export function trialsChart(trials: readonly Trial[], o: TrialsChartOptions): Markup {
  const { chosen, tolerance, word = "FP16", predicted = [] } = o;
  const drawable = trials.filter((t) => Number.isFinite(t.fp32Share));
  const shown = drawable.filter((t, i) => i < mostTrials || t === chosen);
  if (shown.length === 0) return nothing;
  const errors = shown.flatMap((t) => (t.nonFinite ? [] : [t.measuredError]));
  const bottom = frame.height - frame.bottom;
  const y = errorScale([...errors, tolerance], [bottom - 22, frame.top + 8]);
  const x = shareScale([...shown.map((t) => t.fp32Share), ...predicted.map((p) => p.fp32Share)]);
  const heightOf = (t: Trial) => (isBrokenTrial(t) ? frame.top - 8 : t.measuredError > 0 ? y(t.measuredError) : bottom - 6);

  const front = paretoFront(shown);
  const onFront = new Set(front);
  const corners = front.map((t): [number, number] => [x.place(t.fp32Share), heightOf(t)]);
  const path = corners.length < 2 ? "" : (line().curve(curveStepAfter).digits(1)(corners) ?? "");
  const walk = predicted
    .filter((p) => Number.isFinite(p.error) && p.error > 0 && Number.isFinite(p.fp32Share))
    .map((p): [number, number] => [x.place(p.fp32Share), y(p.error)]);
  const walkPath = walk.length < 2 ? "" : (line().curve(curveStepAfter).digits(1)(walk) ?? "");
  const anyBroken = shown.some(isBrokenTrial);
  const anyExact = shown.some((t) => !isBrokenTrial(t) && t.measuredError === 0);
  // The front lies over the rest, and the chosen one on top.
  const rank = (t: Trial) => (t === chosen ? 2 : Number(onFront.has(t)));
  const ordered = shown.toSorted((a, b) => rank(a) - rank(b));
  const content = html`${errorAxis(y, frame, "relative L2 error of the worst final output, on the sample that was swept; held-back ones decide too (see the tooltips)")}${x.ticks.map((t) => html`<line class="grid" x1="${at(x.place(t))}" x2="${at(x.place(t))}" y1="${frame.top}" y2="${bottom}"/><text class="tick" x="${at(x.place(t))}" y="${bottom + 17}" text-anchor="middle">${shareLabel(t)}</text>`)}<text class="tick" x="${at(x.place(0))}" y="${bottom + 17}" text-anchor="middle">none</text><text class="axis-title" x="${frame.width - frame.right}" y="${frame.height - 6}" text-anchor="end">share of the work that stays in FP32 →</text>${anyBroken && html`<text class="tick alarm" x="${frame.left - 6}" y="${frame.top - 8}" dy="0.32em" text-anchor="end">not finite</text>`}${anyExact && html`<text class="tick" x="${frame.left - 6}" y="${bottom - 6}" dy="0.32em" text-anchor="end">exact</text>`}${tolerance > 0 && html`<line class="limit" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${at(y(tolerance))}" y2="${at(y(tolerance))}"/><text class="tick strong halo" x="${frame.width - frame.right}" y="${at(y(tolerance) - 5)}" text-anchor="end">tolerance ${number(tolerance)}</text>`}<path class="walk" d="${walkPath}"/><path class="front" d="${path}"/>${ordered.map((t) => mark(t, shapeOf(t, chosen), x.place(t.fp32Share), heightOf(t), onFront.has(t)))}`;
  const present = new Set(shown.map((t) => shapeOf(t, chosen)));
  const legend = legends.flatMap(([shape, label]) => (present.has(shape) ? [legendItem(shape, label(word))] : []));
  return figure(
    frame,
    `${shown.length} measured sets of pins: error against the share of work in FP32`,
    content,
    html`<span class="key">${legend}<span class="key-item"><svg width="16" height="12" aria-hidden="true"><path class="front" d="M1,3h7v6h7"/></svg> the front: no measured set is better on both</span>${walkPath !== "" && html`<span class="key-item"><svg width="16" height="12" aria-hidden="true"><path class="walk" d="M1,3h7v6h7"/></svg> predicted from the sweep</span>`}</span>`,
  );
}

/** Logarithmic from the smallest share on, with a lane for none at the left. */
function shareScale(shares: readonly number[]): { place(share: number): number; ticks: readonly number[] } {
  const positive = shares.filter((s) => Number.isFinite(s) && s > leastShare);
  const low = 10 ** Math.floor(Math.log10(Math.min(...positive, 0.1)) + 1e-9);
  const scale = scaleLog([low, 1], [frame.left + 14 + lane, frame.width - frame.right - 10]).clamp(true);
  const decades = Math.round(-Math.log10(low));
  const powers = Array.from({ length: decades + 1 }, (_, i) => Number(`1e${i - decades}`));
  const ticks = decades <= 2 ? powers.flatMap((p) => (p < 1 ? [p, 2 * p, 5 * p] : [p])) : powers;
  return { place: (share) => (share > leastShare ? scale(share) : frame.left + 14), ticks };
}

const shareLabel = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/** Trials that no other beats on both error and share, cheapest first. */
export function paretoFront(trials: readonly Trial[]): Trial[] {
  const front: Trial[] = [];
  const finite = trials.filter((t) => !isBrokenTrial(t));
  for (const t of finite.toSorted((a, b) => a.fp32Share - b.fp32Share || a.measuredError - b.measuredError)) {
    const best = front.at(-1);
    if (best === undefined || t.measuredError < best.measuredError) front.push(t);
  }
  return front;
}

const shapes = {
  half: symbol(symbolSquare, 70),
  rule: symbol(symbolTriangle, 60),
  like: symbol(symbolDiamond, 70),
  chosen: symbol(symbolStar, 150),
  searched: symbol(symbolCircle, 42),
} as const;

const legends: readonly (readonly [TrialShape, (word: string) => string])[] = [
  ["half", (word) => `every layer in ${word}`],
  ["searched", () => "tried on the way (pale: beaten)"],
  ["rule", () => "suggested by rule"],
  ["like", () => "asked for with --pins-like"],
  ["chosen", () => "recommended"],
];

function mark(t: Trial, shape: TrialShape, x: number, y: number, onFront: boolean): Markup {
  const broken = isBrokenTrial(t);
  const said = t.predictedError === undefined ? "" : `, predicted ${number(t.predictedError)}`;
  const heldBack = t.heldBackError === undefined ? "" : `, on held-back samples ${number(t.heldBackError)}`;
  const pale = !onFront && shape === "searched";
  return html`<path class="trial trial-${shape}${broken && " broken"}${pale && " pale"}" transform="translate(${at(x)},${at(y)})" d="${rounded(shape)}"><title>${t.purpose}: ${plural(t.pins.length, "pin")}, ${percent(t.fp32Share)} of the work in FP32, ${broken ? "not finite" : `error ${number(t.measuredError)}`}${said}${heldBack}</title></path>`;
}

const legendItem = (shape: TrialShape, label: string): Markup =>
  html`<span class="key-item"><svg width="16" height="16" aria-hidden="true"><path class="trial trial-${shape}" transform="translate(8,8)" d="${rounded(shape)}"/></svg> ${label}</span>`;

const rounded = (shape: TrialShape): string => shapes[shape].digits(1)() ?? "";
