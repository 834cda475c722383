import type { BenchDifference, BenchDocument, BenchRefusal } from "@halfscope/core";
import { nameOf } from "../format.js";
import { html, type Markup } from "../markup.js";
import { sentence, shortName } from "../names.js";

/** Rows of a table at most: a document may hold more than a page should. */
export const mostRows = 500;

/** What requests are held against; documents of earlier versions do not say it. */
export const judgedAgainst = ({ verdict, engines }: Pick<BenchDocument, "verdict" | "engines">): "reference" | "single" =>
  verdict.against ?? (engines.some((e) => e.role === "candidate") ? "reference" : "single");

/** A model that is in FP16 itself is its own reference. */
export const referenceWords = ({ engines }: Pick<BenchDocument, "engines">): string =>
  engines.some((e) => e.role === "reference" && e.typing !== "full") ? "the model as it is" : "the FP32 reference";

export const shapeWord = (name: string): string => shortName(name, 60);

/** Of several shapes each is told; one alone needs no name. */
export const inShape = (d: BenchDocument, name: string): Markup | false => d.shapes.length > 1 && html` with ${nameOf(name, 60)}`;

export function sameness(x: BenchDifference | undefined): Markup {
  if (x === undefined) return html`<td>–</td>`;
  if (x.bitIdentical) return html`<td class="good">the same bits</td>`;
  if (x.notFinite > 0) return html`<td class="alarm"><strong>not finite</strong></td>`;
  return html`<td>${x.maxAbs === 0 && x.decisions !== undefined ? "decides otherwise" : "differs"}</td>`;
}

/** Over the columns that have no figures. Reasons that the page has given `said` are not given again. */
export const refusalCell = (r: BenchRefusal, columns: number, said: ReadonlySet<string> = new Set()): Markup =>
  html`<td class="prose" colspan="${columns}">${r.kind === "failed" ? html`<strong class="alarm">failed</strong>` : html`<span class="tag">${r.kind === "stopped" ? "not measured" : "not served"}</span>`}${!said.has(r.reason) && html` <bdi>${sentence(r.reason)}</bdi>`}</td>`;
