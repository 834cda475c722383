import type { HazardCode, LayerKind, Origin } from "@halfscope/core";
import { html, type Markup, type Renderable } from "../markup.js";
import { sentence } from "../names.js";

/** One part of the page: a question as its title and one sentence that tells a newcomer what is shown. */
export interface Section {
  id: string;
  title: string;
  intro: Renderable;
  body: Renderable;
}

export const notMeasured = (what: string, command: string): Markup =>
  html`<p class="missing">${what} was not measured yet. <code>${command}</code> does it.</p>`;

/** Evidence, a reason, a warning: text of a result that may quote names. What stands between backticks is shown as code. */
export const quoted = (text: string): Markup =>
  html`<bdi>${sentence(text)
    .split(/`([^`]+)`/)
    .map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part))}</bdi>`;

/** A table that scrolls by itself. `sortable` lets the page's script sort it by column. */
export function table(
  head: readonly Column[],
  rows: readonly Markup[],
  options: { sortable?: boolean; filter?: string; tall?: boolean } = {},
): Markup {
  const filter = options.filter !== undefined && html` data-filter="${options.filter}"`;
  return html`<div class="scroll${options.tall && " tall"}"><table${options.sortable && html` data-sortable`}${filter}><thead><tr>${head.map((c) => html`<th scope="col"${c.numeric && html` class="n"`}${c.help !== undefined && html` title="${c.help}"`}>${c.label}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

export interface Column {
  label: string;
  numeric?: boolean;
  help?: string;
}
export const text = (label: string, help?: string): Column => ({ label, ...(help !== undefined && { help }) });
export const numeric = (label: string, help?: string): Column => ({ label, numeric: true, ...(help !== undefined && { help }) });

/** The first rows, and the others behind a line that opens them. */
export function folded<T>(items: readonly T[], shown: number, what: string, render: (part: readonly T[]) => Markup): Markup {
  // A fold for one or two rows costs more attention than the rows.
  if (items.length <= shown + 2) return render(items);
  return html`${render(items.slice(0, shown))}<details><summary>${what}: the other ${items.length - shown}</summary>${render(items.slice(shown))}</details>`;
}

export const originWords: Readonly<Record<Origin["kind"], string>> = {
  "silent-overflow": "silent overflow",
  overflow: "overflow",
  "constant-overflow": "constant overflows",
  "harmless-overflow": "harmless overflow",
};

export const hazardWords: Readonly<Record<HazardCode, string>> = {
  "weight-overflow": "weight beyond the FP16 range",
  "weight-underflow": "weight too small for FP16",
  "mask-constant": "mask constant",
  "mask-sum": "masks that add up",
  "epsilon-underflow": "epsilon too small for FP16",
  "decomposed-layer-norm": "normalization in single nodes",
  "decomposed-softmax": "softmax in single nodes",
  "range-overflow": "values near or beyond the FP16 range",
  "hidden-overflow": "overflow inside an operator",
  "small-divisor": "division by very small numbers",
  "inexact-positions": "large integers or angles",
  "inexact-coordinates": "sizes or coordinates in FP16",
  "long-reduction": "long sum",
  "inner-state": "recurrent state",
  "no-half-form": "stays in FP32",
  "engine-fallback": "runs otherwise than asked for",
};

const kindWords: Partial<Record<LayerKind, string>> = {
  "layer-norm": "LayerNorm",
  "rms-norm": "RMSNorm",
  softmax: "Softmax",
  gelu: "GELU",
  "attention-scores": "attention scores",
  "attention-context": "attention context",
  "residual-add": "residual add",
  "output-head": "output head",
  matmul: "MatMul",
  mover: "moves values",
  shape: "shapes",
  "control-flow": "control flow",
};
export const kindWord = (kind: string | undefined): string => (kind === undefined ? "" : (kindWords[kind as LayerKind] ?? kind));
