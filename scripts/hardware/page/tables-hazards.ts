/** What each hazard does on each engine. */
import type { HazardEngine, HazardEntry } from "../hazards.js";
import type { Outcome } from "../measuring/outcome.js";
import { number, table } from "./markdown-table.js";
import { engineOf, type Reports } from "./reports.js";

function said(o: Outcome | undefined): string {
  if (o === undefined) return "-";
  if (o.outcome === "refused") return "refused";
  return o.outcome === "fine" || o.outcome === "wrong" ? `${o.outcome} ${number(o.error)}` : o.outcome;
}

/** A weakly typed engine without a layer in FP16 says nothing about FP16. */
const inFull = ({ computes }: HazardEngine): string =>
  computes !== undefined && (computes.float16 ?? 0) + (computes.mixed ?? 0) + (computes.unknown ?? 0) === 0 ? " (in FP32)" : "";

/** Unmarked, and marked where that is another outcome. */
function ofEngine(engines: readonly HazardEngine[], typing: "typed" | "weak", constants: HazardEngine["constants"], asked = false): string {
  const of = (marked: boolean) =>
    engines.find((e) => e.typing === typing && e.constants === constants && e.marked === marked && (e.asked ?? false) === asked);
  const text = (e: HazardEngine) => `${said(e)}${inFull(e)}`;
  const [bare, marked] = [of(false), of(true)];
  if (bare === undefined) return marked === undefined ? "-" : `marked: ${text(marked)}`;
  return marked === undefined || bare.outcome === marked.outcome ? text(bare) : `${text(bare)}; marked: ${text(marked)}`;
}

/** Kinds of warnings of the engines that nobody marked, without those that say nothing about precision. */
function warned(entry: HazardEntry): string {
  const unmarked = entry.engines.filter((e) => !e.marked);
  if (unmarked.length === 0) return "-";
  const kinds = unmarked.flatMap((e) => (e.warnings ?? []).filter((w) => w.kind !== "other" && w.kind !== "memory").map((w) => w.kind));
  return kinds.length === 0 ? "no" : [...new Set(kinds)].join(", ");
}

/** Held against the typed engine, or, of a version that builds none, against the one that was asked for FP16. */
const agrees = (entry: HazardEntry, typed: boolean): string => {
  const engine = entry.engines.find((e) => !e.marked && (typed ? e.typing === "typed" && e.constants === "finite" : e.asked === true));
  if (entry.predicted === undefined || engine === undefined) return "-";
  // halfscope says that it is wrong in FP16, and keeps it in FP32; a file that does not was measured.
  if (entry.keptFull !== undefined && engine.outcome !== "fine") return "yes";
  return entry.predicted.outcome === engine.outcome ? "yes" : "**no**";
};

export const hazardsTable = ({ hazards }: Reports): string =>
  hazards
    .map((r) => {
      const has = (typing: "typed" | "weak") => r.cases.some((c) => c.engines.some((e) => e.typing === typing));
      const [typed, weak] = [has("typed"), has("weak")];
      const head = [
        "case",
        "hazards that halfscope names",
        "predicted",
        ...(typed ? ["typed", "typed, plain cast"] : []),
        ...(weak ? ["weak", "weak, FP16 asked for"] : []),
        `predicted = ${typed ? "typed" : "FP16 asked for"}`,
        "warned",
      ];
      const rows = r.cases.map((c) => [
        c.title,
        c.hazards.map((h) => h.replace(/ \(.*\)/, "")).join(", ") || "none",
        c.failed === undefined ? `${c.keptFull === undefined ? "" : "kept in FP32: "}${said(c.predicted)}` : `not run: ${c.failed}`,
        ...(typed ? [ofEngine(c.engines, "typed", "finite"), ofEngine(c.engines, "typed", "overflow")] : []),
        ...(weak ? [ofEngine(c.engines, "weak", "own"), ofEngine(c.engines, "weak", "own", true)] : []),
        agrees(c, typed),
        warned(c),
      ]);
      const same = rows.filter((cells) => cells[cells.length - 2] === "yes").length;
      const judged = rows.filter((cells) => cells[cells.length - 2] !== "-").length;
      const kept = r.cases.filter((c) => c.keptFull !== undefined && agrees(c, typed) === "yes").length;
      const wrong = kept === 0 ? "" : `, ${kept} of them of a node that is kept in FP32, as the engine computes it wrongly`;
      const missing = (r.notBegun?.length ?? 0) + r.cases.filter((c) => c.unfinished !== undefined && agrees(c, typed) === "-").length;
      const more = missing === 0 ? "" : ` ${missing} more cases are not measured yet.`;
      return `**${engineOf(r)}**, predicted with \`--like ${r.like}\`: ${same} of ${judged} outcomes as predicted${wrong}.${more}\n\n${table(head, rows)}`;
    })
    .join("\n\n");
