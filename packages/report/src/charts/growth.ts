import type { ErrorSummary, Layer } from "@halfscope/core";
import { line } from "d3-shape";
import { type Block, runsOfBlocks } from "../blocks.js";
import { number, plural } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { shortName } from "../names.js";
import { isBroken } from "../view.js";
import { at, errorAxis, errorScale, figure } from "./axis.js";

const frame = { width: 960, height: 340, left: 70, right: 12, top: 44, bottom: 46 };
/** Every layer is a mark; beyond this many they would be a smear of megabytes. */
const mostMarks = 1500;

interface Point {
  layer: Layer;
  error: ErrorSummary;
  index: number;
}

/** Accumulated error along the depth of the model: a mark per layer, a step per block at the error that leaves it. */
export function growthChart(layers: readonly Layer[], errors: ReadonlyMap<string, ErrorSummary>, tolerance: number): Markup {
  const measured = layers.flatMap((layer) => {
    const error = errors.get(layer.id);
    return error === undefined ? [] : [{ layer, error }];
  });
  const points: Point[] = measured.map((p, index) => ({ ...p, index }));
  if (points.length === 0) return nothing;
  const finite = points.filter((p) => !isBroken(p.error) && p.error.relativeL2 > 0);
  const bottom = frame.height - frame.bottom;
  const y = errorScale([...finite.map((p) => p.error.relativeL2), tolerance], [bottom - 16, frame.top + 8]);
  const step = (frame.width - frame.left - frame.right) / points.length;
  const x = (index: number) => frame.left + (index + 0.5) * step;
  const place = (p: Point) => (isBroken(p.error) ? frame.top - 6 : p.error.relativeL2 > 0 ? y(p.error.relativeL2) : bottom - 4);
  const broken = points.filter((p) => isBroken(p.error)).length;

  const blocks = blockSpans(points);
  const every = Math.ceil(points.length / mostMarks);
  const marks = points
    .filter((p) => p.index % every === 0 || isBroken(p.error))
    .slice(0, 2 * mostMarks)
    .map((p) => mark(p, x(p.index), place(p)));
  const limit =
    tolerance > 0 &&
    html`<line class="limit" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${at(y(tolerance))}" y2="${at(y(tolerance))}"/><text class="tick strong halo" x="${frame.width - frame.right}" y="${at(y(tolerance) - 5)}" text-anchor="end">tolerance for the final outputs ${number(tolerance)}</text>`;
  const lane =
    broken > 0 && html`<text class="tick alarm" x="${frame.left - 6}" y="${frame.top - 6}" dy="0.32em" text-anchor="end">not finite</text>`;
  const content = html`${errorAxis(y, frame, "relative L2 error, accumulated")}${blockAxis(blocks, step, bottom)}${limit}${lane}${blockSteps(blocks, step, place)}${marks}<text class="axis-title" x="${frame.width - frame.right}" y="${frame.height - 4}" text-anchor="end">layers in the order of the graph, by block →</text>`;
  const last = points.at(-1);
  return figure(
    { ...frame },
    `Accumulated error of ${points.length} layers in the order of the graph; the last has ${number(last?.error.relativeL2)}`,
    content,
    html`Each dot is a layer, the line is the error that leaves each block. Logarithmic.${broken > 0 && html` Crosses at the top are ${plural(broken, "layer")} with values that are not finite${2 * broken > points.length && "; behind them growth cannot be seen, because FP16 as a plain cast writes it was measured"}.`}${every > 1 && html` One layer in ${every} is drawn.`}`,
  );
}

interface Span {
  name: string;
  from: number;
  points: readonly Point[];
}

function blockSpans(points: readonly Point[]): Span[] {
  let from = 0;
  return runsOfBlocks(points.map((p) => p.layer)).map((run: Block) => {
    const span = { name: run.name, from, points: points.slice(from, from + run.layers.length) };
    from += run.layers.length;
    return span;
  });
}

/** Labels are the last part of a block's name; where many blocks share the width, only some are labelled. */
function blockAxis(blocks: readonly Span[], step: number, bottom: number): Markup {
  let free = 0;
  return html`${blocks.map((b, i) => {
    const x = frame.left + b.from * step;
    const label = shortName(b.name.split("/").at(-1) ?? "", 12);
    const middle = x + (b.points.length * step) / 2;
    const half = label.length * 3.4;
    const fits = label !== "" && middle - half >= free && middle + half <= frame.width;
    if (fits) free = middle + half + 8;
    return html`${(i === 0 || b.points.length * step >= 4) && html`<line class="grid" x1="${at(x)}" x2="${at(x)}" y1="${frame.top}" y2="${bottom}"/>`}${fits && html`<text class="tick" x="${at(middle)}" y="${bottom + 15}" text-anchor="middle">${label}</text>`}`;
  })}`;
}

/** A gap where what leaves a block is not finite, or is exact. */
function blockSteps(blocks: readonly Span[], step: number, place: (p: Point) => number): Markup {
  const corners = blocks.flatMap((b): Corner[] => {
    const leaving = b.points.at(-1);
    const y = leaving === undefined || isBroken(leaving.error) || leaving.error.relativeL2 === 0 ? undefined : place(leaving);
    const from = frame.left + b.from * step;
    return [
      [from, y],
      [from + b.points.length * step, y],
    ];
  });
  const path = line<Corner>(
    (c) => c[0],
    (c) => c[1] ?? 0,
  )
    .defined((c) => c[1] !== undefined)
    .digits(1)(corners);
  return html`<path class="line" d="${path ?? ""}"/>`;
}
type Corner = readonly [x: number, y: number | undefined];

function mark(p: Point, x: number, y: number): Markup {
  const title = html`<title>${shortName(p.layer.id)}: ${isBroken(p.error) ? "not finite" : number(p.error.relativeL2)}</title>`;
  return isBroken(p.error)
    ? html`<path class="cross" d="M${at(x - 3)},${at(y - 3)}l6,6m0,-6l-6,6">${title}</path>`
    : html`<circle class="small-dot" cx="${at(x)}" cy="${at(y)}" r="2">${title}</circle>`;
}
