import type { Sensitivity } from "@halfscope/core";
import { bar } from "../charts/bars.js";
import { count, exactly, nameOf, number, numberCell, percent, plural } from "../format.js";
import { html, type Markup } from "../markup.js";
import type { View } from "../view.js";
import { figuresOf, judgedFacts } from "./judged.js";
import { kindWord, notMeasured, numeric, type Section, table, text } from "./section.js";

const shownLayers = 25;

export function costSection(v: View): Section {
  const { sensitivity } = v.result;
  return {
    id: "cost",
    title: "What does each layer cost the final outputs?",
    intro: `Sensitivity: how much the final outputs change when only this layer's roundings are in ${v.word} and all others are not. This, not the error inside, decides what is worth pinning.`,
    body:
      sensitivity === undefined
        ? notMeasured("What each layer costs", v.commands.sweep)
        : html`${summary(v, sensitivity)}${judgedFacts(v, sensitivity)}${chart(v, sensitivity)}${figuresOf(v, sensitivity)}`,
  };
}

function summary(v: View, s: Sensitivity): Markup {
  const squares = s.layers.map((l) => (Number.isFinite(l.outputError) ? l.outputError ** 2 : 0)).toSorted((a, b) => b - a);
  const total = squares.reduce((a, b) => a + b, 0);
  let most = 0;
  for (let sum = 0; most < squares.length && sum < 0.9 * total; most++) sum += squares[most] ?? 0;
  const inputs = s.sites.filter((site) => site.layer === undefined).map((site) => site.outputError);
  const ratio = s.predictedError > 0 ? s.measuredError / s.predictedError : Number.NaN;
  return html`<p>${total > 0 && html`${plural(most, "layer")} of ${count(s.layers.length)} make${most === 1 && "s"} 90 % of the squared error. `}All roundings together change the outputs by ${exactly(s.measuredError)}; the parts predict ${exactly(s.predictedError)}${Number.isFinite(ratio) && html` (measured over predicted: ${exactly(ratio)}; near 1 means that the parts add up)`}${addition(s)}.${s.basePins.length > 0 && html` ${plural(s.basePins.length, "layer")} had to be pinned first because of overflow and ${s.basePins.length === 1 ? "is" : "are"} not in this list${basePins(s)}.`}${inputs.length > 0 && html` The graph's inputs themselves cost ${exactly(Math.sqrt(inputs.reduce((a, b) => a + b * b, 0)))}.`}${v.result.recommendation === undefined && html` Pins were not chosen yet: <code>${v.commands.recommend}</code>.`}</p>`;
}

/** How the parts were added. */
const addition = (s: Sensitivity): Markup | string =>
  s.predictedInSquares === undefined
    ? ", added in squares"
    : html`: weights, which err alike in every candidate, with their signs, and fresh roundings in squares${s.predictedInSquares !== s.predictedError && html`; all in squares would be ${exactly(s.predictedInSquares)}`}`;

const basePins = (s: Sensitivity): Markup =>
  html`: ${s.basePins.slice(0, 4).map((p, i) => html`${i > 0 && ", "}${nameOf(p, 56)}`)}${s.basePins.length > 4 && ` and ${s.basePins.length - 4} more`}`;

function chart(v: View, s: Sensitivity): Markup {
  const shown = s.layers.slice(0, shownLayers);
  const total = s.layers.reduce((sum, l) => sum + (Number.isFinite(l.outputError) ? l.outputError ** 2 : 0), 0);
  const largest = shown.reduce((m, l) => (Number.isFinite(l.outputError) ? Math.max(m, l.outputError) : m), 0);
  const sums = s.layers.some((l) => l.accumulation !== undefined);
  const rows = shown.map((l) => {
    const parts = [
      { kind: "one" as const, value: l.activation },
      { kind: "two" as const, value: l.weight },
      { kind: "three" as const, value: l.accumulation ?? 0 },
    ];
    const flags = [
      l.overflow && html`<span class="tag tag-loud">overflow</span> `,
      l.estimated && html`<span class="tag" title="some of its roundings were not measured alone">estimated</span> `,
      l.belowFloor &&
        html`<span class="tag" title="below the noise floor: no measurement of the outputs would show that it vanished">noise</span> `,
      v.pins.has(l.layer) && html`<span class="tag">pinned</span>`,
    ];
    return html`<tr><td>${nameOf(l.layer, 64)}</td><td>${kindWord(v.layers.get(l.layer)?.kind)}</td><td class="bar-cell">${bar(l.outputError, largest, parts)}</td>${numberCell(l.outputError)}${numberCell(l.activation)}${numberCell(l.weight)}${sums && numberCell(l.accumulation)}${numberCell(total > 0 ? l.outputError ** 2 / total : undefined, total > 0 ? percent(l.outputError ** 2 / total) : undefined)}<td>${flags}</td></tr>`;
  });
  const item = (kind: string, words: string) =>
    html`<span class="key-item"><svg width="14" height="10" aria-hidden="true"><rect class="bar-${kind}" width="14" height="10"/></svg> ${words}</span>`;
  const key = html`<p class="key">${item("one", "rounded activations")}${item("two", "rounded weights")}${sums && item("three", "sums inside products")}<span class="small">a bar is as long as the layer's cost; its colours share it by squared error</span></p>`;
  return html`${key}${table([text("layer"), text("kind"), text("cost"), numeric("relative L2"), numeric("activations"), numeric("weights"), ...(sums ? [numeric("sums", "what summing products otherwise than in FP32 costs")] : []), numeric("share", "of the squared error of all layers"), text("")], rows)}${s.layers.length > shownLayers && html`<p class="small">The first ${shownLayers} of ${count(s.layers.length)}; the others are in the <a href="#layers">table of layers</a>, the least of them ${number(s.layers.at(-1)?.outputError)}.</p>`}`;
}
