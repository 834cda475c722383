import type { Choice } from "@halfscope/core";
import { fixAdvice } from "../fix-advice.js";
import { count, number, numberCell, percent, plural } from "../format.js";
import { html, type Markup } from "../markup.js";
import type { View } from "../view.js";
import { numeric, quoted, type Section, table, text } from "./section.js";

const shown = 50;

/** Better fixes than pins, and what they bring beside them. */
export function fixesSection(v: View): Section {
  const { fixes } = v.result;
  const advice = fixAdvice(v);
  return {
    id: "fixes",
    title: "Is there a better fix than a pin?",
    intro: "Some hazards can be taken out of the graph: FP32 results stay what they are, and nothing has to be kept in FP32 for them.",
    body:
      fixes === undefined || fixes.fixes.length === 0
        ? html`<p>No edit of the graph was found that would do better than the pins.${fixes !== undefined && fixes.leftOut.length > 0 && html` ${plural(fixes.leftOut.length, "fix", "fixes")} would change FP32 results beyond ${number(fixes.tolerance)}.`}</p>`
        : html`${advice !== undefined && html`<p>${advice}</p>`}${choices(v)}<ul>${fixes.fixes.slice(0, shown).map((f) => html`<li>${quoted(f.title)}${f.note !== undefined && html`<br><span class="small">Mind: ${quoted(f.note)}.</span>`}</li>`)}${fixes.fixes.length > shown && html`<li>and ${fixes.fixes.length - shown} more</li>`}</ul><dl><dt>change in FP32</dt><dd>${number(fixes.fp32Change)}</dd><dt>every layer in FP16, before</dt><dd>${error(fixes.allHalfBefore)}</dd><dt>every layer in FP16, after</dt><dd>${error(fixes.allHalfAfter)}</dd>${fixes.withPins !== undefined && fixes.withPins.pins.length > 0 && html`<dt>after, with the ${plural(fixes.withPins.pins.length, "pin")} that no fix answers</dt><dd>${error(fixes.withPins.error)}</dd>`}</dl><p class="small">Relative L2 of the worst final output. <code>halfscope fix MODEL -o fixed.onnx</code> writes the fixed model.</p>`,
  };
}

export const choiceWords: Readonly<Record<Choice["kind"], string>> = {
  pins: "pins only",
  fixes: "fixes only",
  "fixes-and-pins": "fixes, and the pins still needed",
};

/** Pins, fixes and both, side by side. */
function choices(v: View): Markup | false {
  const all = v.result.choices;
  if (!Array.isArray(all) || all.length === 0) return false;
  const row = (c: Choice) =>
    html`<tr><td>${choiceWords[c.kind] ?? c.kind}${c.best && html` <span class="tag">best</span>`}</td>${numberCell(c.pins.length, count(c.pins.length))}${numberCell(c.fp32Share, percent(c.fp32Share))}<td class="n">${error(c.error)}</td><td>${c.meets ? "within" : "not within"}</td><td class="prose">${quoted(c.todo)}</td></tr>`;
  const head = [
    text("way"),
    numeric("pins"),
    numeric("work in FP32"),
    numeric("error, all samples"),
    text(`tolerance ${number(v.tolerance)}`),
    text("what to do"),
  ];
  return table(head, all.slice(0, 10).map(row));
}

const error = (x: number | undefined) =>
  x === undefined ? "not measured" : Number.isFinite(x) ? number(x) : html`<strong class="loud">not finite</strong>`;
