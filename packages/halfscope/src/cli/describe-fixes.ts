import type { FixReport } from "@halfscope/core";
import { number, quote, safe } from "./text.js";

/** What `fix` prints for people. */
export function describeFixes(report: FixReport): string {
  const lines: string[] = [];
  if (report.outcome === "nothing-to-fix") lines.push("No fix applies: nothing that this command knows how to mend was found.");
  if (report.fixes.length > 0) {
    lines.push(`${report.path === undefined ? "Fixes found" : `Written to ${safe(report.path)}`}, ${report.fixes.length} in all:`);
    for (const f of report.fixes) {
      lines.push(quote(`${f.kind}: ${f.title}`, 2));
      if (f.note !== undefined) lines.push(quote(`Mind: ${f.note}.`, 4));
      if (f.allHalfAfter !== undefined)
        lines.push(`    alone: FP32 results change by ${number(f.fp32Change ?? 0)}; with every layer in FP16 they ${half(f.allHalfAfter)}`);
    }
  }
  if (report.outputs !== undefined && report.fixes.length > 0) {
    lines.push(
      `In FP32 they change the final outputs by ${number(report.fp32Change)} (relative L2; tolerance ${number(report.tolerance)}).`,
      ...Object.entries(report.outputs)
        .slice(0, 10)
        .map(([name, o]) =>
          quote(`"${name}": largest difference ${number(o.maxAbs)}, mean ${number(o.meanAbs)}, relative L2 ${number(o.relativeL2)}`, 2),
        ),
      `With every layer in FP16, the final outputs ${half(report.allHalfBefore)} before and ${half(report.allHalfAfter)} after.`,
    );
  }
  for (const f of report.leftOut) lines.push(quote(`Left out, because it changes FP32 results by ${number(f.fp32Change)}: ${f.title}`, 0));
  for (const n of report.none.slice(0, 10)) lines.push(quote(`No ${n.kind} for ${n.layer}: ${n.reason}.`, 0));
  if (report.none.length > 10) lines.push(`... and ${report.none.length - 10} more without a fix (see --json)`);
  if (report.outcome === "fixed" && report.path === undefined)
    lines.push(report.outputs === undefined ? "Nothing was tried or written." : "Nothing was written: name a file with -o.");
  return lines.join("\n");
}

const half = (error: number | undefined): string =>
  error === undefined ? "were not measured" : Number.isFinite(error) ? `are off by ${number(error)}` : "are NOT FINITE";
