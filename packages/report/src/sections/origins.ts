import type { Origin } from "@halfscope/core";
import { countCell, nameOf, number, plural } from "../format.js";
import { html, type Markup } from "../markup.js";
import { rangeEnd, type View } from "../view.js";
import { folded, kindWord, notMeasured, numeric, originWords, quoted, type Section, table, text } from "./section.js";

export function originsSection(v: View): Section {
  const harmful = v.origins.filter((o) => o.kind !== "harmless-overflow");
  const harmless = v.origins.filter((o) => o.kind === "harmless-overflow");
  return {
    id: "origins",
    title: "What overflows first?",
    intro: `The first places where a value that FP32 holds becomes infinite, NaN or lost in ${v.word}. Silent ones come first: there the final outputs stay finite and are wrong, so nothing else would tell.`,
    body: html`${overflows(v, harmful, harmless)}${decisions(v)}`,
  };
}

const overflows = (v: View, harmful: readonly Origin[], harmless: readonly Origin[]): Markup =>
  v.result.ranking === undefined
    ? notMeasured("Whether anything overflows", v.commands.compare)
    : harmful.length === 0
      ? html`<p>Nothing that matters: no value overflows or turns to NaN on the way to the final outputs.</p>${fold(v, harmless)}`
      : html`<ol class="origins">${harmful.slice(0, 30).map((o) => item(v, o))}</ol>${harmful.length > 30 && html`<details><summary>The other ${harmful.length - 30}</summary><ol class="origins" start="31">${harmful.slice(30, 500).map((o) => item(v, o))}</ol></details>`}${fold(v, harmless)}`;

/** Integers and booleans that fell otherwise: an ArgMax that flips, a comparison that turns. */
function decisions(v: View): Markup | false {
  const found = v.result.accumulated?.decisions;
  if (found === undefined || found.compared === 0) return false;
  if (found.changed.length === 0)
    return html`<p class="small">No decision changed: ${plural(found.compared, "integer or boolean tensor")} that ${v.word} reaches ${found.compared === 1 ? "is" : "are"} as in FP32.</p>`;
  return html`<h3>Decisions that changed</h3><p>${plural(found.changed.length, "tensor")} of ${found.compared} with integers or booleans fell otherwise in ${v.word}. What hangs on them differs by more than rounding.</p>${folded(
    found.changed.slice(0, 500),
    10,
    "Decisions",
    (part) =>
      table(
        [text("tensor"), text("layer"), numeric("changed"), numeric("of"), numeric("first at"), numeric("FP32"), numeric(v.word)],
        part.map(
          (d) =>
            html`<tr><td>${nameOf(d.tensor, 64)}</td><td>${nameOf(d.layer, 64)}</td>${[d.differing, d.count].map((n) => countCell(n))}${d.firstIndex < 0 ? html`<td colspan="3">the shapes differ</td>` : [d.firstIndex, d.reference, d.candidate].map((n) => countCell(n))}</tr>`,
        ),
      ),
  )}`;
}

const fold = (v: View, harmless: readonly Origin[]): Markup | false =>
  harmless.length > 0 &&
  html`<details><summary>${plural(harmless.length, "overflow")} that harm${harmless.length === 1 && "s"} nothing behind (a mask in front of a Softmax, for instance)</summary><ol class="origins">${harmless.slice(0, 100).map((o) => item(v, o))}</ol></details>`;

function item(v: View, o: Origin): Markup {
  const layer = v.layers.get(o.layer);
  const loud = o.kind === "harmless-overflow" ? "quiet" : "loud";
  return html`<li class="${loud}"><p class="origin-head"><span class="tag tag-${o.kind === "silent-overflow" ? "silent" : loud}">${originWords[o.kind] ?? o.kind}</span> ${nameOf(o.layer)}</p><p>${quoted(o.evidence)}</p><p class="small">${layer !== undefined && html`${kindWord(layer.kind)}, `}tensor ${nameOf(o.tensor)}${o.kind !== "constant-overflow" && html`, largest reference ${number(o.maxReference)} (${v.word} ends at ${rangeEnd[v.word]})`}${v.pins.has(o.layer) && ", pinned"}</p></li>`;
}
