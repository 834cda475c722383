import type { BenchComparison, BenchDocument, PaddedComparison } from "@halfscope/core";
import { numberCell } from "../format.js";
import { html, type Markup } from "../markup.js";
import { sentence } from "../names.js";
import { numeric, type Section, table, text } from "../sections/section.js";
import { mostRows, refusalCell, sameness, shapeWord } from "./words.js";

/** Requests of different lengths in one batch. */
export function paddingSection(d: BenchDocument): Section {
  return {
    id: "padding",
    title: "Does a request notice how long its neighbours are?",
    intro: html`Requests of different lengths share a batch when the shorter ones are padded with zeros, in the mask too. Each is held against itself, sent alone and not padded; positions of padding are left out.`,
    body: body(d),
  };
}

function body({ comparisons, paddingNotTried }: BenchDocument): Markup {
  const tried = comparisons.filter((c) => c.padded !== undefined || c.paddedRefusal !== undefined);
  if (tried.length === 0)
    return html`<p class="missing">Not tried: <bdi>${sentence(paddingNotTried ?? "no batch of two or more was served")}</bdi>.</p>`;
  const head = [
    text("shape"),
    numeric("batch"),
    numeric("lengths"),
    text("in the batch"),
    numeric("max difference"),
    numeric("mean difference"),
    numeric("relative L2"),
    numeric("padded alone, relative L2", "what the padding does without any neighbour"),
  ];
  return html`${table(head, tried.slice(0, mostRows).map(row))}<p class="small">Where both columns of relative L2 are alike, the difference comes from the padding itself (a longer softmax, other kernels) and not from the neighbours.</p>`;
}

function row(c: BenchComparison): Markup {
  const head = html`<tr><td>${shapeWord(c.shape)}</td>${numberCell(c.batch)}`;
  if (c.padded === undefined) return html`${head}${c.paddedRefusal !== undefined && refusalCell(c.paddedRefusal, 6)}</tr>`;
  const { batched, alone } = c.padded;
  return html`${head}<td class="n">${lengthsOf(c.padded)}</td>${sameness(batched)}${numberCell(batched.maxAbs)}${numberCell(batched.meanAbs)}${numberCell(batched.relativeL2)}${numberCell(alone.relativeL2)}</tr>`;
}

const lengthsOf = ({ lengths }: PaddedComparison): string =>
  lengths.length > 6 ? `${Math.min(...lengths)} to ${Math.max(...lengths)}` : lengths.join(", ");
