import type { EngineLayer, EngineRecord } from "@halfscope/core";
import type { DeviceView } from "../../device/device-view.js";
import { computeWords, milliseconds, roleWords } from "../../device/device-words.js";
import { count, countCell, nameOf, numberCell, percent, plural } from "../../format.js";
import { html, type Markup } from "../../markup.js";
import { sentence, shortName } from "../../names.js";
import type { View } from "../../view.js";
import { numeric, table, text } from "../section.js";

const mostLayers = 25;

/** The slowest layers of the engines that matter, by what they compute in: folded, for those who look further. */
export function engineLayers(v: View, d: DeviceView): Markup | false {
  const shown = [d.recommended, d.allHalf, d.reference].filter((e): e is EngineRecord => (e?.layers ?? []).length > 0);
  if (shown.length === 0) return false;
  return html`<h3>Layers of the engines</h3>${shown.map((e) => html`<details><summary>${roleWords(e.role, v.word)}: ${plural((e.layers ?? []).length, "engine layer")}, the slowest first</summary>${layerTable(e.layers ?? [])}</details>`)}`;
}

function layerTable(layers: readonly EngineLayer[]): Markup {
  const total = layers.reduce((sum, l) => sum + (l.milliseconds ?? 0), 0);
  const timed = layers.some((l) => l.milliseconds !== undefined);
  const sorted = timed ? layers.toSorted((a, b) => (b.milliseconds ?? 0) - (a.milliseconds ?? 0)) : layers;
  const rows = sorted.slice(0, mostLayers).map((l) => {
    const share = l.milliseconds === undefined || total === 0 ? undefined : l.milliseconds / total;
    return html`<tr><td>${nameOf(l.name, 72)}${l.tactic !== undefined && html`<br><span class="small"><bdi>${shortName(l.tactic, 96)}</bdi></span>`}</td><td>${sentence(l.kind).slice(0, 40)}</td><td>${computeWords(l.computes)}</td>${numberCell(l.milliseconds, l.milliseconds === undefined ? undefined : milliseconds(l.milliseconds))}${numberCell(share, share === undefined ? undefined : percent(share))}${countCell(l.nodes.length)}</tr>`;
  });
  const byType = new Map<EngineLayer["computes"], number>();
  for (const l of layers) byType.set(l.computes, (byType.get(l.computes) ?? 0) + 1);
  const types = [...byType]
    .toSorted((a, b) => b[1] - a[1])
    .map(([type, n]) =>
      type === "unknown" ? `${count(n)} that ${n === 1 ? "does" : "do"} not say` : `${count(n)} in ${computeWords(type)}`,
    );
  return html`<p class="small">${types.join(", ")}.${layers.length > mostLayers && ` The table has ${mostLayers} of ${count(layers.length)}.`}</p>${table([text("engine layer"), text("kind"), text("computes in"), numeric("time"), numeric("share"), numeric("nodes", "of the ONNX graph that it computes")], rows)}`;
}
