import { number } from "../format.js";
import { html, type Markup } from "../markup.js";

export interface BarPart {
  /** Class of the part's colour. */
  kind: "one" | "two" | "three";
  value: number;
}

/** A horizontal bar of `total` against `largest`, inside a table cell. Parts share its length by their squares, since that is how errors of independent roundings add. What is not finite fills the cell, hatched. */
export function bar(total: number, largest: number, parts: readonly BarPart[]): Markup {
  if (!Number.isFinite(total))
    return html`<svg class="bar" role="img" aria-label="not finite" width="100%" height="11"><rect class="bar-alarm" width="100%" height="11"/></svg>`;
  const width = largest > 0 ? Math.min(100, (100 * total) / largest) : 0;
  const squares = parts.reduce((sum, p) => sum + p.value * p.value, 0);
  let from = 0;
  const rectangles = parts.map((p) => {
    const length = squares > 0 ? (width * p.value * p.value) / squares : 0;
    const rectangle = length > 0 && html`<rect class="bar-${p.kind}" x="${from.toFixed(2)}%" width="${length.toFixed(2)}%" height="11"/>`;
    from += length;
    return rectangle;
  });
  return html`<svg class="bar" role="img" aria-label="${number(total)}" width="100%" height="11"><rect class="bar-track" width="100%" height="11"/>${rectangles}</svg>`;
}
