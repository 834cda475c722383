import { number } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { at, errorScale, figure, powerLabel, powersOfTen } from "./axis.js";

export interface RulerMark {
  label: string;
  error: number;
  nonFinite: boolean;
  /** The answer's own candidate is drawn filled. */
  chosen: boolean;
}

const frame = { width: 960, height: 0, left: 8, right: 96, top: 26, bottom: 26 };
const rowHeight = 26;

/** The errors of whole candidates on one logarithmic ruler with the tolerance: left of it is good. */
export function rulerChart(marks: readonly RulerMark[], tolerance: number): Markup {
  if (marks.length === 0) return nothing;
  const height = frame.top + marks.length * rowHeight + frame.bottom;
  const left = 250;
  const end = frame.width - frame.right;
  const x = errorScale([...marks.map((m) => m.error), tolerance], [left, end]);
  const bottom = height - frame.bottom;
  const limit = tolerance > 0 ? x(tolerance) : left;
  const lane =
    marks.some((m) => m.nonFinite) &&
    html`<text class="tick alarm" x="${end + 54}" y="${14}" text-anchor="middle">not finite</text><line class="grid" x1="${end + 16}" x2="${end + 16}" y1="${frame.top - 4}" y2="${bottom}"/>`;
  const content = html`<rect class="good-zone" x="${left}" y="${frame.top - 4}" width="${at(limit - left)}" height="${bottom - frame.top + 4}"/>${powersOfTen(x).map((p) => html`<line class="grid" x1="${at(x(p))}" x2="${at(x(p))}" y1="${frame.top - 4}" y2="${bottom}"/><text class="tick" x="${at(x(p))}" y="${bottom + 16}" text-anchor="middle">${powerLabel(p)}</text>`)}${lane}<line class="limit" x1="${at(limit)}" x2="${at(limit)}" y1="${frame.top - 10}" y2="${bottom}"/><text class="tick strong" x="${at(limit)}" y="${12}" text-anchor="middle">tolerance ${number(tolerance)}</text>${marks.map((m, i) => row(m, frame.top + i * rowHeight + rowHeight / 2 - 2, m.nonFinite ? end + 54 : m.error > 0 ? x(m.error) : left, left))}`;
  const label = `Errors of whole candidates: ${marks.map((m) => `${m.label} ${m.nonFinite ? "not finite" : number(m.error)}`).join(", ")}; tolerance ${number(tolerance)}`;
  return figure(
    { ...frame, height },
    label,
    content,
    "Relative L2 error of the worst final output, logarithmic. Left of the tolerance is within it.",
  );
}

function row(m: RulerMark, y: number, x: number, left: number): Markup {
  const shape = m.nonFinite
    ? html`<path class="cross" d="M${at(x - 5)},${at(y - 5)}l10,10m0,-10l-10,10"/>`
    : html`<circle class="${m.chosen ? "dot chosen" : "dot"}" cx="${at(x)}" cy="${at(y)}" r="5.5"/>`;
  const value = m.nonFinite
    ? nothing
    : html`<text class="tick strong halo" x="${at(x + 11)}" y="${at(y)}" dy="0.32em">${number(m.error)}</text>`;
  return html`<text class="${m.chosen ? "row-label strong" : "row-label"}" x="${left - 12}" y="${at(y)}" dy="0.32em" text-anchor="end">${m.label}</text>${shape}${value}<title>${m.label}: ${String(m.error)}</title>`;
}
