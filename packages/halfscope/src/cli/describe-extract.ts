import type { ErrorSummary } from "@halfscope/core";
import type { Extracted } from "../pipeline/extract.js";
import { table } from "./table.js";
import { amount, number, quote, safe } from "./text.js";

const shown = (e: ErrorSummary | undefined): string =>
  e === undefined ? "-" : e.nonFiniteMismatch > 0 ? "not finite" : number(e.relativeL2);

const many = (n: number, one: string): string => `${n} ${one}${n === 1 ? "" : "s"}`;

/** What was taken out, and whether it shows the fault alone. */
export function describeExtract(e: Extracted): string {
  const verdict = {
    same: "The fault shows in the extract alone.",
    smaller: "The extract alone shows a smaller error than the layer has in the model: try --with-cause.",
    none: "Whether the fault shows alone could not be measured.",
  }[e.fault ?? "none"];
  return [
    `${safe(e.folder)}: ${many(e.nodes, "node")}, ${amount(e.sizeBytes)}B, ${many(e.inputs.length, "recorded input")}; how to run it is in reproduce.md.`,
    e.sameReference
      ? "Alone in FP32, it gives the recorded outputs bit for bit."
      : "Alone in FP32, it does NOT give the recorded outputs bit for bit.",
    verdict,
    "",
    table(
      ["output", "isolated\nin the model", "accumulated\nin the model", "extract\nalone"],
      e.outputs.map((o) => [o.tensor, shown(o.isolated), shown(o.accumulated), shown(o.alone)]),
      { numeric: [1, 2, 3] },
    ),
    ...e.notes.map((n) => quote(n, 0)),
  ].join("\n");
}
