import { goalWords, judgedWords, minimalWords, type Recommendation, type Trial } from "@halfscope/core";
import { trialsChart } from "../charts/trials.js";
import { count, exactly, nameOf, number, numberCell, percent, plural } from "../format.js";
import { html, type Markup } from "../markup.js";
import { sentence, shortName } from "../names.js";
import { allHalfOf, chosenTrial, type View } from "../view.js";
import { folded, kindWord, notMeasured, numeric, quoted, type Section, table, text } from "./section.js";

export function pinsSection(v: View): Section {
  const { recommendation, overrides } = v.result;
  return {
    id: "pins",
    title: "What was pinned, and what did it buy?",
    intro:
      recommendation?.goal === undefined
        ? "A pin keeps a layer in FP32. Every set of pins that was tried was also measured; a pin stays only if dropping it breaks the tolerance."
        : "A pin keeps a layer in FP32. Every set of pins that was tried was also measured; of those within what was asked for, the one with the lowest error was taken.",
    body:
      recommendation !== undefined
        ? html`${summary(v, recommendation)}${how(recommendation)}${pinTable(v, recommendation.pins)}${trials(v, recommendation)}`
        : overrides !== undefined && overrides.pins.length > 0
          ? html`${notMeasured("What pins buy", v.commands.recommend)}<p>The overrides of this folder pin ${plural(overrides.pins.length, "layer")}:</p>${pinTable(v, overrides.pins)}`
          : notMeasured("Which pins are needed", v.result.sensitivity === undefined ? v.commands.debug : v.commands.recommend),
  };
}

function summary(v: View, r: Recommendation): Markup {
  const before = allHalfOf(v);
  const { verdict } = v.result;
  const from = before === undefined ? "" : before.nonFinite ? " from outputs that are not finite" : html` from ${exactly(before.error)}`;
  const share = chosenTrial(v.result)?.fp32Share;
  const held = r.heldBackError !== undefined && html`, and ${exactly(r.heldBackError)} on samples that they were not chosen on`;
  const file =
    verdict !== undefined &&
    html` The written file has ${count(verdict.halfWeights)} weights in ${v.word}, ${count(verdict.casts)} Casts and ${count(verdict.sitesOn)} rounded tensors.${verdict.unmappedTensors > 0 && html` ${count(verdict.unmappedTensors)} of its float tensors have no counterpart in the original by name.`}`;
  if (r.goal !== undefined)
    return html`<p>Asked for: the lowest error with at most ${goalWords(r.goal)}. ${plural(r.pins.length, "pin")}${share !== undefined && html`, ${percent(share)} of the work,`} bring it${from} to ${exactly(r.measuredError)}${held}.${file}</p>`;
  if (r.pins.length === 0)
    return html`<p>No layer needs to be pinned: the error is ${exactly(r.measuredError)} at a tolerance of ${exactly(r.tolerance)}${held}.${r.outcome === "not-met" && " The tolerance is not met, and no set of pins was found that meets it."}${file}</p>`;
  return html`<p>${plural(r.pins.length, "pin")}${share !== undefined && html`, ${percent(share)} of the work,`} bring the error${from} to ${exactly(r.measuredError)}${held}; the tolerance is ${exactly(r.tolerance)}${r.outcome === "not-met" && html` and is <strong class="alarm">not met</strong>`}.${file}</p>`;
}

/** What the claim rests on, and what the shares are made of. */
function how(r: Recommendation): Markup {
  const minimal = minimalWords(r.minimal);
  const unknown = r.cost?.layersOfUnknownSize ?? 0;
  const judged = judgedWords(r, number);
  const beyond = (r.confirmed?.beyond ?? 0) > 0;
  return html`${minimal !== undefined && html`<p>${minimal}</p>`}${judged.length > 0 && html`<p${beyond && html` class="alarm"`}>${judged.join(" ")}</p>`}${r.cost !== undefined && html`<p class="small">Work is counted as ${r.cost.source}.${unknown > 0 && html` <span class="loud">The sizes in ${plural(unknown, "layer")} are not known; they are counted with what is.</span>`}</p>`}`;
}

interface ShownPin {
  layer: string;
  reason: string;
  evidence?: Readonly<Record<string, number | string>>;
}

function pinTable(v: View, pins: readonly ShownPin[]): Markup | false {
  return (
    pins.length > 0 &&
    folded(pins.slice(0, 3000), 25, "Pins", (part) =>
      table(
        [text("pinned layer"), text("kind"), text("reason"), text("evidence")],
        part.map(
          (p) =>
            html`<tr><td>${nameOf(p.layer, 64)}</td><td>${kindWord(v.layers.get(p.layer)?.kind)}</td><td class="prose">${quoted(p.reason)}</td><td>${evidence(p.evidence)}</td></tr>`,
        ),
      ),
    )
  );
}

function evidence(values: ShownPin["evidence"]): Markup {
  return html`${Object.entries(values ?? {})
    .slice(0, 12)
    .map(
      ([key, value]) =>
        html`<span class="fact">${shortName(spaced(key), 40)} ${typeof value === "number" ? (/share/i.test(key) ? percent(value) : exactly(value)) : html`<bdi>${sentence(String(value))}</bdi>`}</span> `,
    )}`;
}

/** outputErrorRemoved -> output error removed */
const spaced = (key: string): string => key.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();

function trials(v: View, r: Recommendation): Markup | false {
  if (r.trials.length === 0) return false;
  const chosen = chosenTrial(v.result);
  const onFront = new Set((r.front ?? []).map((i) => r.trials[i]));
  const row = (t: Trial) =>
    html`<tr><td>${shortName(t.purpose, 40)}${t === chosen && html` <span class="tag">recommended</span>`}${onFront.has(t) && html` <span class="tag">front</span>`}</td>${numberCell(t.pins.length, count(t.pins.length))}${numberCell(t.fp32Share, percent(t.fp32Share))}${numberCell(t.casts, t.casts === undefined ? undefined : count(t.casts))}${numberCell(t.predictedError)}${t.nonFinite ? html`<td class="n alarm">not finite</td>` : numberCell(t.measuredError)}${numberCell(t.heldBackError)}<td>${!t.nonFinite && t.measuredError <= r.tolerance && !((t.heldBackError ?? 0) > r.tolerance) ? "within" : "not within"}</td></tr>`;
  const head = [
    text("tried as"),
    numeric("pins"),
    numeric("work in FP32"),
    numeric("Casts", "beyond those of the model without pins"),
    numeric("predicted"),
    numeric("measured"),
    numeric("held back", "the worst of the samples that pins are not chosen on; left out where the others had decided already"),
    text(`tolerance ${number(r.tolerance)}`),
  ];
  return html`<h3>Everything that was tried</h3>${trialsChart(r.trials, { chosen, tolerance: r.goal === undefined ? r.tolerance : 0, word: v.word, predicted: r.predictedFront })}<details><summary>The ${plural(r.trials.length, "measured set")} of pins as a table</summary>${table(head, r.trials.slice(0, 2000).map(row), { sortable: true })}</details>`;
}
