import type { EngineRecord, PinProof } from "@halfscope/core";
import { type DeviceView, outcomeOf, samePins } from "../../device/device-view.js";
import { milliseconds, outcomeWords, proofWords } from "../../device/device-words.js";
import { countCell, nameOf, number, numberCell, plural } from "../../format.js";
import { html, type Markup } from "../../markup.js";
import { sentence } from "../../names.js";
import type { View } from "../../view.js";
import { folded, numeric, quoted, table, text } from "../section.js";

/** What must be seen first. */
const rank: Readonly<Record<PinProof["outcome"], number>> = { ignored: 0, "not-found": 1, unknown: 2, moved: 3, "took-effect": 4 };
const rankOf = (p: PinProof): number => (Object.hasOwn(rank, p.outcome) ? rank[p.outcome] : 1);

/** Whether pins are in the engines that were built, and what was tried. */
export function pinsOnEngine(v: View, d: DeviceView): Markup {
  const [first, ...others] = d.device.engines
    .filter((e) => (e.proofs ?? []).length > 0)
    .slice(0, 40)
    .toSorted((a, b) => Number(b === d.recommended) - Number(a === d.recommended));
  return html`${first !== undefined && html`<h3>Are the pins in the engine?</h3>${proofs(v, first, others.length > 0)}${others.map((e) => html`<details><summary><bdi>${sentence(e.title)}</bdi>: ${countsOf(e)}</summary>${proofs(v, e, false)}</details>`)}`}${trials(v, d)}`;
}

/** "102 pins: 50 moved by fusion, 52 took effect". */
function countsOf(e: EngineRecord): string {
  const list = e.proofs ?? [];
  const counts = (["ignored", "not-found", "unknown", "moved", "took-effect"] as const).flatMap((o) => {
    const n = list.filter((p) => p.outcome === o).length;
    return n === 0 ? [] : [`${n} ${proofWords(o)}`];
  });
  return `${plural(list.length, "pin")}: ${counts.join(", ")}`;
}

function proofs(v: View, e: EngineRecord, named: boolean): Markup {
  const list = (e.proofs ?? []).toSorted((a, b) => rankOf(a) - rankOf(b));
  const ignored = list.filter((p) => p.outcome === "ignored").length;
  return html`<p>${named && html`<strong><bdi>${sentence(e.title)}</bdi></strong>: `}${countsOf(e)}.</p>${ignored > 0 && html`<p class="alarm"><strong>${plural(ignored, "pinned layer")} ${ignored === 1 ? "is" : "are"} computed in ${v.word} all the same. What this engine gives does not show what the pins are worth.</strong></p>`}${folded(list.slice(0, 2000), 15, "Pins", (part) => table([text("pinned layer"), text("in the engine"), text("evidence"), numeric("nodes")], part.map(proofRow)))}`;
}

function proofRow(p: PinProof): Markup {
  const tag = p.outcome === "ignored" ? "tag tag-silent" : p.outcome === "not-found" ? "tag tag-loud" : "tag";
  return html`<tr><td>${nameOf(p.layer, 64)}</td><td><span class="${tag}">${proofWords(p.outcome)}</span></td><td class="prose">${quoted(p.evidence)}</td>${countCell(p.nodes.length)}</tr>`;
}

function trials(v: View, d: DeviceView): Markup | false {
  const tried = d.device.trials ?? [];
  if (tried.length === 0) return false;
  const head = [
    numeric("no."),
    text("set"),
    numeric("pins"),
    numeric("error"),
    text(`tolerance ${number(d.tolerance)}`),
    numeric("median latency"),
    text("why it was tried"),
  ];
  const rows = tried.slice(0, 500).map((t, i) => {
    const outcome = outcomeOf(t, d.tolerance);
    const chosen = d.recommended !== undefined && samePins(t.pins, d.recommended.pins);
    const better = d.refined !== undefined && samePins(t.pins, d.refined.pins);
    const names = html`<span>${t.pins.slice(0, 2).map((p, k) => html`${k > 0 && ", "}${nameOf(p, 48)}`)}</span>`;
    return html`<tr><td class="n">${i + 1}</td><td class="prose">${t.pins.length === 0 ? `every layer in ${v.word}` : names}${t.pins.length > 2 && ` and ${t.pins.length - 2} more`}${chosen && html` <span class="tag">recommended</span>`}${better && html` <span class="tag">found on the engine</span>`}</td>${countCell(t.pins.length)}${numberCell(t.failed === undefined ? t.error : undefined)}<td>${t.failed !== undefined ? html`<strong class="alarm">not built</strong>` : outcome === undefined ? "" : outcomeWords(outcome)}</td>${numberCell(t.milliseconds, t.milliseconds === undefined ? undefined : milliseconds(t.milliseconds))}<td class="prose">${quoted(t.why)}</td></tr>`;
  });
  return html`<h3>Sets of pins tried on the engine</h3>${table(head, rows)}`;
}
