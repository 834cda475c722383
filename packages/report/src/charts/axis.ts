/**
 * What the charts share. They are SVG text written on the server side: d3-scale gives ticks and scales, d3-shape paths and symbols; both are pure
 * and need no DOM. Libraries that draw whole charts need one (Observable Plot) or bring megabytes and styles of their own (Vega).
 */
import { type ScaleLogarithmic, scaleLog } from "d3-scale";
import { html, type Markup } from "../markup.js";

/** Error axes are logarithmic over whole powers of ten: at least two of them, at most fourteen. Zeros and what is not finite get lanes of their own. */
export function errorScale(values: readonly number[], range: readonly [number, number]): ScaleLogarithmic<number, number> {
  const usable = values.filter((v) => Number.isFinite(v) && v > 0);
  if (usable.length === 0) return scaleLog([1e-6, 1], range).clamp(true);
  const high = Math.ceil(Math.log10(Math.max(...usable)) + 1e-9);
  const low = Math.floor(Math.log10(Math.min(...usable)) - 1e-9);
  const top = Math.max(-280, Math.min(300, Math.max(high, low + 2)));
  return scaleLog([power(Math.max(low, top - 14)), power(top)], range).clamp(true);
}

/** 10 to a whole power as the literal has it: `10 ** -4` is one bit off. */
const power = (e: number): number => Number(`1e${e}`);

/** Whole powers of ten inside the scale's domain, thinned out to at most eight. */
export function powersOfTen(scale: ScaleLogarithmic<number, number>): number[] {
  const [low = 1, high = 10] = scale.domain();
  const from = Math.round(Math.log10(low));
  const to = Math.round(Math.log10(high));
  const step = Math.ceil((to - from) / 8);
  const powers: number[] = [];
  for (let e = from; e <= to; e += step) powers.push(power(e));
  return powers;
}

const superscripts: Readonly<Record<string, string>> = {
  "-": "⁻",
  "0": "⁰",
  "1": "¹",
  "2": "²",
  "3": "³",
  "4": "⁴",
  "5": "⁵",
  "6": "⁶",
  "7": "⁷",
  "8": "⁸",
  "9": "⁹",
};

/** 0.01, 0.1, 1, 10 as they are, other powers of ten as 10⁻⁴. */
export function powerLabel(value: number): string {
  const e = Math.round(Math.log10(value));
  return e >= -2 && e <= 3 ? String(Number(value.toPrecision(1))) : `10${[...String(e)].map((c) => superscripts[c] ?? c).join("")}`;
}

/** Coordinates with one decimal: enough for a screen and for paper, and the same text everywhere. */
export const at = (x: number): string => String(Math.round(x * 10) / 10);

export interface Frame {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Horizontal grid lines with labels at powers of ten, and the axis title above them. */
export function errorAxis(scale: ScaleLogarithmic<number, number>, frame: Frame, title: string): Markup {
  return html`<text class="axis-title" x="${0}" y="${12}">${title}</text>${powersOfTen(scale).map((p) => {
    const y = at(scale(p));
    return html`<line class="grid" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${y}" y2="${y}"/><text class="tick" x="${frame.left - 6}" y="${y}" dy="0.32em" text-anchor="end">${powerLabel(p)}</text>`;
  })}`;
}

/** A chart that scrolls inside its figure where the page is narrower than it can be read at. */
export const figure = (frame: Frame, label: string, content: Markup, caption: Markup | string): Markup =>
  html`<figure><div class="scroll"><svg class="chart" viewBox="0 0 ${frame.width} ${frame.height}" width="${frame.width}" height="${frame.height}" role="img" aria-label="${label}">${content}</svg></div><figcaption>${caption}</figcaption></figure>`;
