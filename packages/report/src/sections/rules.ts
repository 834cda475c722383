import type { Suggestion } from "@halfscope/core";
import { count, numberCell, percent, plural } from "../format.js";
import { html, type Markup } from "../markup.js";
import { shortName } from "../names.js";
import type { View } from "../view.js";
import { notMeasured, numeric, quoted, type Section, table, text } from "./section.js";

export const ruleWords: Readonly<Record<Suggestion["rule"], string>> = {
  "layer-norm": "LayerNormalization in FP32",
  softmax: "Softmax in FP32",
  embedding: "embeddings in FP32",
  "residual-add": "residual additions in FP32",
  "output-head": "output head in FP32",
};

export function rulesSection(v: View): Section {
  const suggestions = v.result.recommendation?.suggestions;
  return {
    id: "rules",
    title: "What is the usual advice worth here?",
    intro:
      "Guides to FP16 tell to keep these layers in FP32. Each rule was measured alone, added to what overflow makes necessary, also where it turns out to do nothing.",
    body: html`${like(v)}${
      suggestions === undefined
        ? notMeasured("The benefit of the rules", v.result.sensitivity === undefined ? v.commands.debug : v.commands.recommend)
        : suggestions.length === 0
          ? html`<p>The model has no layers that a rule names.</p>`
          : table(
              [
                text("rule"),
                numeric("layers"),
                numeric("error without"),
                numeric("error with"),
                numeric("removes"),
                numeric("work in FP32"),
                text("verdict"),
              ],
              suggestions.map(row),
            )
    }`,
  };
}

/** What somebody asked to see beside the recommended pins. */
function like(v: View): Markup | false {
  const l = v.result.recommendation?.like;
  if (l === undefined) return false;
  return html`<p>Asked for with <code>--pins-like ${shortName(l.given, 80)}</code>: ${plural(l.layers.length, "layer")}. ${quoted(l.verdict)}</p>`;
}

function row(s: Suggestion): Markup {
  const removed = Number.isFinite(s.errorWithout) && s.errorWithout > 0 ? 1 - s.errorWith / s.errorWithout : undefined;
  return html`<tr><td>${ruleWords[s.rule] ?? s.rule}</td>${numberCell(s.layers.length, count(s.layers.length))}${numberCell(s.errorWithout)}${numberCell(s.errorWith)}${numberCell(removed, percent(removed))}${numberCell(s.fp32Share, percent(s.fp32Share))}<td class="prose">${quoted(s.verdict)}</td></tr>`;
}
