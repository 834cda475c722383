import { fixAdvice } from "../fix-advice.js";
import { number, plural } from "../format.js";
import { html } from "../markup.js";
import type { View } from "../view.js";
import { quoted, type Section } from "./section.js";

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
        : html`${advice !== undefined && html`<p>${advice}</p>`}<ul>${fixes.fixes.slice(0, shown).map((f) => html`<li>${quoted(f.title)}${f.note !== undefined && html`<br><span class="small">Mind: ${quoted(f.note)}.</span>`}</li>`)}${fixes.fixes.length > shown && html`<li>and ${fixes.fixes.length - shown} more</li>`}</ul><dl><dt>change in FP32</dt><dd>${number(fixes.fp32Change)}</dd><dt>every layer in FP16, before</dt><dd>${error(fixes.allHalfBefore)}</dd><dt>every layer in FP16, after</dt><dd>${error(fixes.allHalfAfter)}</dd>${fixes.withPins !== undefined && fixes.withPins.pins.length > 0 && html`<dt>after, with the ${plural(fixes.withPins.pins.length, "pin")} that no fix answers</dt><dd>${error(fixes.withPins.error)}</dd>`}</dl><p class="small">Relative L2 of the worst final output. <code>halfscope fix MODEL -o fixed.onnx</code> writes the fixed model.</p>`,
  };
}

const error = (x: number | undefined) =>
  x === undefined ? "not measured" : Number.isFinite(x) ? number(x) : html`<strong class="loud">not finite</strong>`;
