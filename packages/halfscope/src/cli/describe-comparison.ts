import { outputErrorFrom } from "@halfscope/analysis";
import { type ErrorSummary, type Measurements, outputBand, type ResultDocument, wordOf } from "@halfscope/core";
import { table } from "./table.js";
import { clip, given, number, quote, safe, shorten } from "./text.js";

const shown = 25;

/** What `compare` prints for people. */
export function describeComparison(result: ResultDocument): string {
  const lines: string[] = [];
  const { ranking, accumulated } = result;
  const candidate = result.model.restored ? "The file as it is" : `All ${wordOf(result)}`;
  if (accumulated !== undefined && Object.keys(accumulated.outputs).length === 0)
    lines.push("No final output is a float: tensors inside are compared, and nothing is said about the outputs.");
  else if (accumulated !== undefined) {
    const { error, nonFinite, maxAbs } = outputErrorFrom(Object.values(accumulated.outputs));
    lines.push(
      nonFinite
        ? `${candidate}: the final outputs are NOT FINITE.`
        : `${candidate}: relative L2 error of the final outputs ${number(error)} (largest difference ${number(maxAbs)}); tolerance ${given(result.options.tolerance)}: ${error <= result.options.tolerance ? "within" : "NOT within"}.`,
    );
    const band = outputBand(accumulated);
    if (band !== undefined)
      lines.push(
        `Between ${number(band[0])} and ${number(band[1])}, as the library chooses its kernels for products (sums in FP32, or in FP16 by one accumulator).`,
      );
  }
  lines.push(...describeOrigins(result), ...describeDecisions(accumulated, wordOf(result)));
  if (ranking !== undefined) {
    const kinds = new Map(result.layers.map((l) => [l.id, l.kind]));
    const cell = (e: ErrorSummary | undefined) =>
      e === undefined
        ? ["-", "-", "-"]
        : [number(e.maxAbs), number(e.meanAbs), e.nonFiniteMismatch > 0 ? `${e.nonFiniteMismatch} NaN/Inf` : number(e.relativeL2)];
    lines.push(
      "",
      `Layers, worst isolated error first (${Math.min(shown, ranking.layers.length)} of ${ranking.layers.length}):`,
      table(
        ["layer", "kind", "isolated\nmax", "mean", "relative", "accumulated\nmax", "mean", "relative"],
        ranking.layers.slice(0, shown).map((r) => [r.layer, kinds.get(r.layer) ?? "", ...cell(r.isolated), ...cell(r.accumulated)]),
        { numeric: [2, 3, 4, 5, 6, 7] },
      ),
    );
  }
  if (accumulated !== undefined) {
    const c = accumulated.coverage;
    lines.push(
      "",
      `Tensors: ${c.compared} compared, ${c["not-float"]} not float, ${c.constant} constant, ${c["not-executed"]} not executed, ${c["not-supported"]} not supported.`,
    );
    for (const n of accumulated.notSupported.slice(0, 10)) lines.push(`  ${shorten(safe(n.tensor), 60)}: ${safe(n.reason)}`);
    if (accumulated.notSupported.length > 10) lines.push(`  ... and ${accumulated.notSupported.length - 10} more (see --json)`);
  }
  return lines.join("\n");
}

/** Decisions that fell otherwise: they explain errors that no rounding does. */
function describeDecisions(accumulated: Measurements | undefined, word: string): string[] {
  const { changed = [], compared = 0 } = accumulated?.decisions ?? {};
  if (changed.length === 0) return [];
  return [
    `DECISIONS CHANGED in ${changed.length} of ${compared} integer and boolean tensors that ${word} reaches:`,
    ...changed
      .slice(0, 5)
      .map(
        (d) =>
          `  ${clip(safe(d.tensor))}: ${d.differing} of ${d.count} elements, ${d.firstIndex < 0 ? "in tensors of two shapes" : `first [${d.firstIndex}]: ${d.reference} in FP32, ${d.candidate} in ${word}`}`,
      ),
    ...(changed.length > 5 ? [`  ... and ${changed.length - 5} more (see --json)`] : []),
  ];
}

export function describeOrigins(result: ResultDocument): string[] {
  const origins = result.ranking?.origins ?? [];
  const harmful = origins.filter((o) => o.kind !== "harmless-overflow");
  const lines = harmful.flatMap((o) => [
    `${o.kind.toUpperCase()} starts at ${clip(safe(o.layer))}, tensor "${clip(safe(o.tensor))}":`,
    quote(o.evidence, 2),
  ]);
  const harmless = origins.length - harmful.length;
  if (harmless > 0) lines.push(`${harmless} overflow${harmless > 1 ? "s" : ""} without harm (masks and the like).`);
  return lines;
}
