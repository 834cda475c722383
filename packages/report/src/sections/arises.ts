import type { ErrorSummary, RankedLayer } from "@halfscope/core";
import { blocksOf } from "../blocks.js";
import { bar } from "../charts/bars.js";
import { nameOf, number, numberCell, plural } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { shortName } from "../names.js";
import { isBroken, type View } from "../view.js";
import { kindWord, notMeasured, numeric, type Section, table, text } from "./section.js";

const shownLayers = 20;
const mostBlocks = 60;

export function arisesSection(v: View): Section {
  const layers = (v.result.ranking?.layers ?? []).filter((l) => l.isolated !== undefined);
  return {
    id: "arises",
    title: "Where does the error arise?",
    intro:
      "Isolated error: what a layer's own roundings add when everything that goes into it is still the FP32 reference. A Reshape has none.",
    body:
      layers.length === 0
        ? notMeasured("The isolated error", v.commands.compare)
        : html`<h3>Layers, worst first</h3>${ranked(v, layers)}<h3>By block and kind</h3>${heat(v)}`,
  };
}

function ranked(v: View, layers: readonly RankedLayer[]): Markup {
  const shown = layers.slice(0, shownLayers);
  const largest = shown.reduce((m, l) => (isBroken(l.isolated) ? m : Math.max(m, l.isolated?.relativeL2 ?? 0)), 0);
  const rows = shown.map((l) => {
    const e = l.isolated as ErrorSummary;
    const total = isBroken(e) ? Number.POSITIVE_INFINITY : e.relativeL2;
    return html`<tr><td>${nameOf(l.layer, 64)}</td><td>${kindWord(v.layers.get(l.layer)?.kind)}</td><td class="bar-cell">${bar(total, largest, [{ kind: "one", value: 1 }])}</td>${isBroken(e) ? html`<td class="n alarm" title="${e.nonFiniteMismatch} of ${e.count} elements">not finite</td>` : numberCell(e.relativeL2)}${[e.maxAbs, e.meanAbs, e.meanUlp].map((x) => numberCell(e.count > e.nonFiniteMismatch ? x : undefined))}</tr>`;
  });
  const exact = layers.filter((l) => l.isolated !== undefined && !isBroken(l.isolated) && l.isolated.maxAbs === 0).length;
  return html`${table([text("layer"), text("kind"), text("isolated"), numeric("relative L2"), numeric("largest"), numeric("mean"), numeric("mean ulps", `mean error in units of the last place of FP16; rounding alone makes ${v.word === "FP16" ? "0.25" : "2 in BF16"}`)], rows)}<p class="small">${plural(layers.length, "layer")} measured, ${plural(exact, "layer")} exact. All of them are in the <a href="#layers">table of layers</a>.</p>`;
}

/** Blocks by kinds, the worst isolated error of each; shaded in equal factors. */
function heat(v: View): Markup {
  const blocks = blocksOf(v.result.layers);
  const worst = new Map<string, { value: number; broken: boolean; layer: string }>();
  const kinds = new Map<string, number>();
  for (const [b, block] of blocks.entries())
    for (const layer of block.layers) {
      const e = v.ranked.get(layer.id)?.isolated;
      if (e === undefined || (!isBroken(e) && e.maxAbs === 0)) continue;
      const broken = isBroken(e);
      const key = `${b} ${layer.kind}`;
      const before = worst.get(key);
      if (before === undefined || (broken && !before.broken) || (broken === before.broken && e.relativeL2 > before.value))
        worst.set(key, { value: e.relativeL2, broken, layer: layer.id });
      kinds.set(layer.kind, Math.max(kinds.get(layer.kind) ?? 0, broken ? Number.MAX_VALUE : e.relativeL2));
    }
  const shownBlocks = blocks.flatMap((block, b) =>
    [...kinds.keys()].some((k) => worst.has(`${b} ${k}`)) ? [{ name: block.name, b }] : [],
  );
  if (shownBlocks.length === 0) return html`<p>No layer adds an error of its own.</p>`;
  const columns = [...kinds].toSorted((a, b) => b[1] - a[1]).map(([kind]) => kind);
  const shades = shadesOf([...worst.values()].filter((w) => !w.broken).map((w) => w.value));
  const cell = (b: number, kind: string) => {
    const found = worst.get(`${b} ${kind}`);
    if (found === undefined) return html`<td class="h"></td>`;
    const name = shortName(found.layer);
    return found.broken
      ? html`<td class="h hx" title="${name}: values that are not finite">✕ not finite</td>`
      : html`<td class="h h${shades.of(found.value)}" title="${name}: ${String(found.value)}">${number(found.value)}</td>`;
  };
  const rows = shownBlocks
    .slice(0, mostBlocks)
    .map(
      ({ name, b }) =>
        html`<tr><th scope="row">${name === "" ? "(no block)" : html`<bdi class="name">${shortName(name, 40)}</bdi>`}</th>${columns.map((k) => cell(b, k))}</tr>`,
    );
  return html`<div class="scroll"><table class="heat"><thead><tr><th scope="col">block</th>${columns.map((k) => html`<th scope="col">${kindWord(k)}</th>`)}</tr></thead><tbody>${rows}</tbody>${means(v, columns)}</table></div><p class="small">Worst relative L2 of each block and kind. The stronger the colour the worse, a step for every factor of ${number(shades.factor)} below ${number(shades.top)}; columns by their worst.${shownBlocks.length > mostBlocks && html` The first ${mostBlocks} of ${shownBlocks.length} blocks.`}</p>`;
}

function means(v: View, columns: readonly string[]): Markup {
  const byKind = new Map(v.result.ranking?.byKind.map((k) => [k.kind, k]));
  if (byKind.size === 0) return nothing;
  return html`<tfoot><tr><th scope="row">mean of the kind</th>${columns.map((k) => numberCell(byKind.get(k)?.meanIsolated))}</tr></tfoot>`;
}

/** Seven shades between the lowest tenth and the worst, by equal factors of at least 1.25: smaller differences are noise and look alike. */
function shadesOf(values: readonly number[]): { factor: number; top: number; of: (value: number) => number } {
  const sorted = values.filter((x) => Number.isFinite(x) && x > 0).toSorted((a, b) => a - b);
  const top = sorted.at(-1) ?? 1;
  const low = sorted[Math.floor(sorted.length / 10)] ?? top;
  const factor = Math.max(1.25, (top / low) ** (1 / 6));
  return { factor, top, of: (x) => (x > 0 ? Math.max(0, 6 - Math.floor(Math.log(top / x) / Math.log(factor) + 1e-9)) : 0) };
}
