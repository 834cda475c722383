import type { Trial } from "@halfscope/core";
import { scalePow } from "d3-scale";
import { curveStepAfter, line, symbol, symbolCircle, symbolSquare, symbolStar, symbolTriangle } from "d3-shape";
import { number, percent } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { at, errorAxis, errorScale, figure } from "./axis.js";

const frame = { width: 960, height: 380, left: 70, right: 24, top: 44, bottom: 48 };
const mostTrials = 600;

const isBrokenTrial = (t: Trial): boolean => t.nonFinite || !Number.isFinite(t.measuredError);

/** How a trial is drawn: shapes tell them apart without colour. */
export type TrialShape = "half" | "rule" | "chosen" | "searched";

export const shapeOf = (t: Trial, chosen: Trial | undefined): TrialShape =>
  t === chosen ? "chosen" : t.pins.length === 0 ? "half" : t.purpose.startsWith("rule") ? "rule" : "searched";

/** What was tried: share of the work that stays in FP32 against the measured error, with the front of what nothing beats on both. */
export function trialsChart(trials: readonly Trial[], chosen: Trial | undefined, tolerance: number, word = "FP16"): Markup {
  const drawable = trials.filter((t) => Number.isFinite(t.fp32Share));
  const shown = drawable.filter((t, i) => i < mostTrials || t === chosen);
  if (shown.length === 0) return nothing;
  const errors = shown.flatMap((t) => (t.nonFinite ? [] : [t.measuredError]));
  const bottom = frame.height - frame.bottom;
  const y = errorScale([...errors, tolerance], [bottom - 8, frame.top + 8]);
  const most = Math.max(...shown.map((t) => t.fp32Share), 1e-6);
  // A square root leaves room for the small shares, where the interesting sets of pins lie, and has a zero.
  const x = scalePow([0, most], [frame.left + 14, frame.width - frame.right]).exponent(0.5);
  const heightOf = (t: Trial) => (isBrokenTrial(t) ? frame.top - 8 : t.measuredError > 0 ? y(t.measuredError) : bottom - 2);

  const front = paretoFront(shown);
  const corners = front.map((t): [number, number] => [x(t.fp32Share), heightOf(t)]);
  const path = corners.length < 2 ? "" : (line().curve(curveStepAfter).digits(1)(corners) ?? "");
  const ticks = x.ticks(6);
  const anyBroken = shown.some(isBrokenTrial);
  const predicted = shown.flatMap((t) =>
    t.predictedError !== undefined && Number.isFinite(t.predictedError) && t.predictedError > 0 && !t.nonFinite
      ? [
          html`<line class="lead" x1="${at(x(t.fp32Share))}" x2="${at(x(t.fp32Share))}" y1="${at(heightOf(t))}" y2="${at(y(t.predictedError))}"/><path class="predicted" d="M${at(x(t.fp32Share) - 5)},${at(y(t.predictedError))}h10"/>`,
        ]
      : [],
  );
  // The chosen one is drawn last, on top.
  const ordered = shown.toSorted((a, b) => Number(a === chosen) - Number(b === chosen));
  const content = html`${errorAxis(y, frame, "relative L2 error of the worst final output")}${ticks.map((t) => html`<line class="grid" x1="${at(x(t))}" x2="${at(x(t))}" y1="${bottom}" y2="${bottom + 4}"/><text class="tick" x="${at(x(t))}" y="${bottom + 17}" text-anchor="middle">${Number((100 * t).toPrecision(3))} %</text>`)}<text class="axis-title" x="${frame.width - frame.right}" y="${frame.height - 6}" text-anchor="end">share of the work that stays in FP32 (square-root scale) →</text>${anyBroken && html`<text class="tick alarm" x="${frame.left - 6}" y="${frame.top - 8}" dy="0.32em" text-anchor="end">not finite</text>`}${tolerance > 0 && html`<line class="limit" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${at(y(tolerance))}" y2="${at(y(tolerance))}"/><text class="tick strong halo" x="${frame.width - frame.right}" y="${at(y(tolerance) - 5)}" text-anchor="end">tolerance ${number(tolerance)}</text>`}<path class="front" d="${path}"/>${predicted}${ordered.map((t) => mark(t, shapeOf(t, chosen), x(t.fp32Share), heightOf(t)))}`;
  return figure(
    frame,
    `${shown.length} measured sets of pins: error against the share of work in FP32`,
    content,
    html`<span class="key">${legendItem("half", `every layer in ${word}`)}${legendItem("searched", "tried on the way")}${legendItem("rule", "suggested by rule")}${legendItem("chosen", "recommended")}<span class="key-item"><svg width="16" height="12" aria-hidden="true"><path class="predicted" d="M3,6h10"/></svg> predicted from the sweep</span><span class="key-item"><svg width="16" height="12" aria-hidden="true"><path class="front" d="M1,3h7v6h7"/></svg> best error for a share</span></span>`,
  );
}

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
  chosen: symbol(symbolStar, 150),
  searched: symbol(symbolCircle, 42),
} as const;

function mark(t: Trial, shape: TrialShape, x: number, y: number): Markup {
  const broken = isBrokenTrial(t);
  return html`<path class="trial trial-${shape}${broken && " broken"}" transform="translate(${at(x)},${at(y)})" d="${rounded(shape)}"><title>${t.purpose}: ${t.pins.length} pins, ${broken ? "not finite" : number(t.measuredError)}, ${percent(t.fp32Share)} of the work in FP32</title></path>`;
}

const legendItem = (shape: TrialShape, label: string): Markup =>
  html`<span class="key-item"><svg width="16" height="16" aria-hidden="true"><path class="trial trial-${shape}" transform="translate(8,8)" d="${rounded(shape)}"/></svg> ${label}</span>`;

const rounded = (shape: TrialShape): string => shapes[shape].digits(1)() ?? "";
