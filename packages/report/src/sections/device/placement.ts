import type { DeviceView, Fallback } from "../../device/device-view.js";
import { count, countCell, plural } from "../../format.js";
import { html, type Markup } from "../../markup.js";
import { sentence, shortName } from "../../names.js";
import { numeric, table, text } from "../section.js";

/** Which nodes ran where: what fell back to the CPU is neither quick nor rounded as on the GPU. */
export function placement(d: DeviceView, word: string): Markup | false {
  const placed = d.device.engines.filter((e) => (e.placement ?? []).length > 0).slice(0, 40);
  if (placed.length === 0) return false;
  const rows = placed.flatMap((e) =>
    (e.placement ?? []).map((p) => {
      const loud = d.fallbacks.some((f) => f.engine === e && f.provider === p.provider);
      return html`<tr><td class="prose"><bdi>${sentence(e.title)}</bdi></td><td>${loud ? html`<span class="tag tag-silent">fell back</span> ` : ""}<bdi>${shortName(p.provider, 60)}</bdi></td>${countCell(p.nodes)}<td class="prose">${operators(p.operators)}</td></tr>`;
    }),
  );
  const worst = d.fallbacks.toSorted((a: Fallback, b: Fallback) => b.nodes - a.nodes)[0];
  return html`<h3>What ran where</h3>${worst !== undefined && html`<p class="alarm"><strong>${plural(worst.nodes, "node")} of ${count(worst.of)} ${worst.nodes === 1 ? "was" : "were"} left to the CPU. Values are copied there and back, and the CPU computes ${word} operators in FP32.</strong></p><p>Shape arithmetic on the CPU is usual and harmless; products and normalizations are not.</p>`}${table([text("engine"), text("provider"), numeric("nodes"), text("operators")], rows)}`;
}

function operators(found: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(found).toSorted((a, b) => b[1] - a[1]);
  const shown = sorted.slice(0, 8).map(([name, n]) => `${shortName(name, 40)} ${count(n)}`);
  return `${shown.join(", ")}${sorted.length > 8 ? ` and ${sorted.length - 8} more kinds` : ""}`;
}
