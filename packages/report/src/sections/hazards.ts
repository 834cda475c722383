import type { Hazard } from "@halfscope/core";
import { exponentChart } from "../charts/exponents.js";
import { nameOf, numberCell, plural } from "../format.js";
import { html, type Markup } from "../markup.js";
import type { View } from "../view.js";
import { hazardWords, kindWord, numeric, quoted, type Section, table, text } from "./section.js";

const rank: Readonly<Record<Hazard["severity"], number>> = { error: 0, warning: 1, info: 2 };

export function hazardsSection(v: View): Section {
  const hazards = v.result.hazards.toSorted((a, b) => rank[a.severity] - rank[b.severity]);
  const measured = v.result.accumulated ?? v.result.isolated;
  return {
    id: "hazards",
    title: "What could still go wrong?",
    intro:
      v.word === "FP16"
        ? "Hazards: reasons in the graph, its constants and its ranges why FP16 may fail, whether or not it did with these inputs, and how close the values come to the ends of FP16."
        : "Hazards: reasons in the graph why BF16 may fail, whether or not it did with these inputs. BF16 has FP32's range, so those that are about FP16's range are left out.",
    body: html`${
      hazards.length === 0
        ? html`<p>${measured === undefined ? html`No hazards are in this result; <code>halfscope inspect</code> looks for those that need no run.` : "No hazards were found."}</p>`
        : hazardTable(hazards)
    }${measured !== undefined && v.word === "FP16" && html`<h3>How close values come to the ends of FP16</h3>${exponentChart(measured)}${headroom(v)}`}`,
  };
}

/** One model has the same epsilon in fifty layers: the first of each kind and severity stand for the rest, which is folded. */
export function hazardTable(hazards: readonly Hazard[]): Markup {
  const groups = new Map<string, Hazard[]>();
  for (const h of hazards) groups.set(`${h.severity} ${h.code}`, [...(groups.get(`${h.severity} ${h.code}`) ?? []), h]);
  const head = [text("severity"), text("hazard"), text("layer"), text("evidence"), text("what to do")];
  const rows = [...groups.values()].flatMap((group) => {
    const most = lists.has(group[0]?.code) ? mostListed : mostAlike;
    const shown = group.length <= most ? group : group.slice(0, most - 1);
    const rest = group.length - shown.length;
    return [
      ...shown.map(row),
      ...(rest > 0
        ? [html`<tr><td></td><td colspan="4" class="small">and ${plural(rest, "layer")} more with the same hazard, listed below</td></tr>`]
        : []),
    ];
  });
  const all = hazards.slice(0, 2000);
  return html`${table(head, rows)}${rows.length < hazards.length && html`<details><summary>All ${plural(hazards.length, "hazard")}</summary>${table(head, all.map(row))}</details>`}`;
}
const mostAlike = 3;
/** Hazards that are lists by type of operator: each row is another thing. */
const lists: ReadonlySet<Hazard["code"] | undefined> = new Set(["no-half-form", "inner-state", "long-reduction"] as const);
const mostListed = 12;

function row(h: Hazard): Markup {
  const tag = h.severity === "error" ? "tag tag-loud" : "tag";
  return html`<tr><td><span class="${tag}">${h.severity}</span></td><td>${hazardWords[h.code] ?? h.code}</td><td>${nameOf(h.layer, 56)}<br><span class="small">${nameOf(h.tensor, 56)}</span></td><td class="prose">${quoted(h.evidence)}</td><td class="prose">${quoted(h.fix)}</td></tr>`;
}

/** The layers nearest to 65504. */
function headroom(v: View): Markup | false {
  const largest = [...v.reach].filter(([, reach]) => reach > 0).toSorted((a, b) => b[1] - a[1]);
  if (largest.length === 0) return false;
  const rows = largest
    .slice(0, 6)
    .map(
      ([layer, reach]) =>
        html`<tr><td>${nameOf(layer, 64)}</td><td>${kindWord(v.layers.get(layer)?.kind)}</td>${numberCell(reach)}${numberCell(65504 / reach, `${Number((65504 / reach).toPrecision(2))} ×`)}</tr>`,
    );
  return table(
    [
      text("layers nearest to the end"),
      text("kind"),
      numeric("largest magnitude"),
      numeric("room to 65504", "how often the value fits below the largest FP16 number; below 1 it overflows"),
    ],
    rows,
  );
}
