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

/** Narrow enough for a phone without scrolling: this is the figure that everyone should see. */
const frame = { width: 560, height: 0, left: 8, right: 88, top: 28, bottom: 26 };
const rowHeight = 28;

/** The errors of whole candidates on one logarithmic ruler with the tolerance: left of it is good. */
export function rulerChart(marks: readonly RulerMark[], tolerance: number): Markup {
  if (marks.length === 0) return nothing;
  const height = frame.top + marks.length * rowHeight + frame.bottom;
  const end = frame.width - frame.right;
  const x = errorScale([...marks.flatMap((m) => (m.nonFinite ? [] : [m.error])), tolerance], [frame.left, end]);
  const bottom = height - frame.bottom;
  const limit = tolerance > 0 ? x(tolerance) : frame.left;
  const ticks = powersOfTen(x).map((p, i) => {
    const place = at(x(p));
    const anchor = i === 0 ? "start" : "middle";
    return html`<line class="grid" x1="${place}" x2="${place}" y1="${frame.top}" y2="${bottom}"/><text class="tick" x="${place}" y="${bottom + 16}" text-anchor="${anchor}">${powerLabel(p)}</text>`;
  });
  const lane =
    marks.some((m) => m.nonFinite) &&
    html`<text class="tick alarm" x="${frame.width}" y="${bottom + 16}" text-anchor="end">not finite</text><line class="grid" x1="${end + 34}" x2="${end + 34}" y1="${frame.top}" y2="${bottom}"/>`;
  const labelAnchor = limit < 60 ? "start" : limit > end - 60 ? "end" : "middle";
  const rows = marks.map((m, i) =>
    row(m, frame.top + (i + 0.5) * rowHeight, m.nonFinite ? end + 60 : m.error > 0 ? x(m.error) : frame.left),
  );
  const content = html`${ticks}${lane}<line class="limit" x1="${at(limit)}" x2="${at(limit)}" y1="${frame.top - 8}" y2="${bottom}"/><text class="tick strong" x="${at(limit)}" y="14" text-anchor="${labelAnchor}">tolerance ${number(tolerance)}</text>${rows}`;
  const label = `Errors of whole candidates: ${marks.map((m) => `${m.label} ${m.nonFinite ? "not finite" : number(m.error)}`).join(", ")}; tolerance ${number(tolerance)}`;
  const caption = "Relative L2 error of the worst final output, logarithmic. Left of the tolerance is within it.";
  return html`<div class="ruler">${figure({ ...frame, height }, label, content, caption)}</div>`;
}

/** Words go to the side of the mark that has more room. */
function row(m: RulerMark, y: number, x: number): Markup {
  const right = x < frame.width / 2;
  const title = html`<title>${m.label}: ${m.nonFinite ? "not finite" : String(m.error)}</title>`;
  const shape = m.nonFinite
    ? html`<path class="cross" d="M${at(x - 5)},${at(y - 5)}l10,10m0,-10l-10,10">${title}</path>`
    : html`<circle class="${m.chosen ? "dot chosen" : "dot"}" cx="${at(x)}" cy="${at(y)}" r="5.5">${title}</circle>`;
  const value = !m.nonFinite && html`<tspan class="strong">${number(m.error)}</tspan>`;
  const words = right ? html`${value} ${m.label}` : html`${m.label} ${value}`;
  return html`<text class="tick halo${m.chosen && " strong"}" x="${at(right ? x + 11 : x - 11)}" y="${at(y)}" dy="0.32em" text-anchor="${right ? "start" : "end"}">${words}</text>${shape}`;
}
