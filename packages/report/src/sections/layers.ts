import type { ErrorSummary, Layer } from "@halfscope/core";
import { absent, count, nameOf, numberCell } from "../format.js";
import { html, type Markup } from "../markup.js";
import { shortName } from "../names.js";
import { isBroken, rangeEnd, type View } from "../view.js";
import { kindWord, numeric, type Section, table, text } from "./section.js";

/** Beyond this the page would no longer open at once; what is left out is the quietest. */
const mostRows = 3000;

export function layersSection(v: View): Section {
  const { layers } = v.result;
  const shown = layers.length <= mostRows ? layers : loudest(v);
  const index = new Map(layers.map((l, i) => [l.id, i]));
  const head = [
    numeric("#", "place in the graph"),
    text("layer"),
    text("kind"),
    numeric("isolated", "relative L2 that the layer's own roundings add"),
    numeric("max"),
    numeric("mean"),
    numeric("accumulated", "relative L2 of what arrives at its output"),
    numeric("max"),
    numeric("mean"),
    numeric("cost", "relative L2 change of the final outputs"),
    numeric("reach", `largest magnitude of the reference; ${v.word} ends at ${rangeEnd[v.word]}`),
    text("notes"),
  ];
  return {
    id: "layers",
    title: "All layers",
    intro:
      "Every layer in the order of the graph, with the worst tensor that it gives out. Numbers have three digits; the exact ones are in the tooltips and in result.json.",
    body: html`${shown.length < layers.length && html`<p class="missing">The page lists ${count(shown.length)} of ${count(layers.length)} layers, those with the largest errors. All are in result.json.</p>`}${table(
      head,
      shown.map((l) => row(v, l, index.get(l.id) ?? 0)),
      { sortable: true, filter: "Filter layers by name, kind or note", tall: true },
    )}`,
  };
}

function loudest(v: View): Layer[] {
  const score = (l: Layer) => {
    const r = v.ranked.get(l.id);
    return isBroken(r?.isolated) || isBroken(r?.accumulated)
      ? Number.MAX_VALUE
      : Math.max(r?.isolated?.relativeL2 ?? -1, v.sensitivity.get(l.id)?.outputError ?? -1);
  };
  const kept = new Set(
    v.result.layers
      .map((l) => ({ l, s: score(l) }))
      .toSorted((a, b) => b.s - a.s)
      .slice(0, mostRows)
      .map(({ l }) => l),
  );
  return v.result.layers.filter((l) => kept.has(l));
}

function row(v: View, l: Layer, index: number): Markup {
  const r = v.ranked.get(l.id);
  return html`<tr><td class="n">${index + 1}</td><td>${nameOf(l.id, 72)}</td><td title="${shortName(l.title)}: ${shortName(l.operators.join(" "), 200)}">${kindWord(l.kind)}</td>${errorCells(r?.isolated)}${errorCells(r?.accumulated)}${numberCell(v.sensitivity.get(l.id)?.outputError)}${numberCell(v.reach.get(l.id))}<td>${notes(v, l)}</td></tr>`;
}

function errorCells(e: ErrorSummary | undefined): Markup {
  if (e === undefined) return html`<td class="n">${absent}</td><td class="n">${absent}</td><td class="n">${absent}</td>`;
  const first = isBroken(e) ? html`<td class="n alarm" title="Infinity">not finite</td>` : numberCell(e.relativeL2);
  const some = e.count > e.nonFiniteMismatch;
  return html`${first}${numberCell(some ? e.maxAbs : undefined)}${numberCell(some ? e.meanAbs : undefined)}`;
}

function notes(v: View, l: Layer): Markup {
  const e = v.ranked.get(l.id)?.accumulated ?? v.ranked.get(l.id)?.isolated;
  const tags = [
    v.originLayers.has(l.id) && html`<span class="tag tag-loud">origin</span> `,
    v.pins.has(l.id) && html`<span class="tag">pinned</span> `,
    e !== undefined && e.overflowed > 0 && html`<span class="fact">${count(e.overflowed)} overflow</span> `,
    e !== undefined && e.nan > 0 && html`<span class="fact">${count(e.nan)} NaN</span> `,
    e !== undefined && e.flushed > 0 && html`<span class="fact">${count(e.flushed)} flushed to 0</span> `,
  ];
  return html`${tags}`;
}
