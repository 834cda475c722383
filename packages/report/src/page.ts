import type { ResultDocument } from "@halfscope/core";
import { bytes, millions, nameOf, plural } from "./format.js";
import { html, type Markup } from "./markup.js";
import { shortName } from "./names.js";
import { arisesSection } from "./sections/arises.js";
import { costSection } from "./sections/cost.js";
import { deviceSection } from "./sections/device/section.js";
import { fixesSection } from "./sections/fixes.js";
import { growsSection } from "./sections/grows.js";
import { hazardsSection } from "./sections/hazards.js";
import { layersSection } from "./sections/layers.js";
import { methodSection } from "./sections/method.js";
import { originsSection } from "./sections/origins.js";
import { pinsSection } from "./sections/pins.js";
import { rulesSection } from "./sections/rules.js";
import type { Section } from "./sections/section.js";
import { verdictSection } from "./sections/verdict.js";
import { fileName, renderPage } from "./shell.js";
import { type View, viewOf } from "./view.js";

/** Sections in the order in which questions come up: does it work, why not, what to do, how do you know. */
const sections: readonly ((v: View) => Section | undefined)[] = [
  verdictSection,
  deviceSection,
  originsSection,
  arisesSection,
  growsSection,
  costSection,
  pinsSection,
  fixesSection,
  rulesSection,
  hazardsSection,
  methodSection,
  layersSection,
];

/**
 * A result as one HTML page that needs nothing else: no network, no file beside it. A pure function: the same result gives the same text.
 *
 * Parts that were not measured are named with the command that would measure them. Names from the model are untrusted; they are escaped, and a
 * content security policy by hash forbids every script, style and request but the page's own, should one slip through.
 */
export function renderHtml(result: ResultDocument): string {
  const view = viewOf(result);
  const parts = sections.flatMap((section) => section(view) ?? []);
  const title = shortName(fileName(result.model.path), 80);
  return renderPage({
    title: `${title}: ${view.word} precision`,
    version: result.environment.halfscope,
    over: `halfscope: ${view.word} against FP32, layer by layer`,
    heading: nameOf(fileName(result.model.path), 80),
    facts: `${bytes(result.model.sizeBytes)}, ${millions(result.model.parameters)} parameters, ${plural(result.model.nodes, "node")} in ${plural(result.layers.length, "layer")}`,
    sections: parts,
    footer: footer(view.word),
  });
}

const footer = (word: View["word"]): Markup => html`<footer><details><summary>Words on this page</summary><dl>
<dt>reference</dt><dd>the model as it runs in FP32</dd>
<dt>candidate</dt><dd>the model as it runs in ${word}, or mixed</dd>
<dt>layer</dt><dd>what a person calls a layer: one node, or the nodes of one recognised pattern</dd>
<dt>relative L2</dt><dd>length of the difference over the length of the reference: 0.01 is one percent</dd>
<dt>isolated error</dt><dd>what a layer's own roundings add when its inputs are the reference's</dd>
<dt>accumulated error</dt><dd>what arrived at a layer when the whole candidate ran</dd>
<dt>sensitivity</dt><dd>change of the final outputs when only this layer's roundings are in ${word}</dd>
<dt>pin</dt><dd>keep a layer in FP32</dd>
<dt>silent overflow</dt><dd>an infinity or a lost value inside that ends in finite, wrong outputs</dd>
<dt>ulp</dt><dd>distance between neighbouring FP16 numbers at the reference's magnitude; rounding to FP16 alone costs at most half of one</dd>
</dl></details></footer>`;
