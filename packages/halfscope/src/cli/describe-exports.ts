import type { Exported } from "../pipeline/export.js";
import { quote, safe } from "./text.js";

const listed = 20;

/** What was written, and which pins another tool will not see. */
export const describeExports = (exported: readonly Exported[]): string => exported.map(describe).join("\n\n");

function describe({ format, files, addressed, lost, notes }: Exported): string {
  const wanted = (addressed ?? 0) + lost.length;
  const lines = [
    ...files.slice(0, listed).map((f) => safe(f)),
    ...(files.length > listed ? [`and ${files.length - listed} more files`] : []),
    ...(addressed === undefined ? [] : [quote(`${format}: ${addressed} of ${wanted} pinned nodes are named.`, 2)]),
    ...(lost.length === 0 ? [] : [quote(`${lost.length} cannot be, and will run in FP16 there:`, 2)]),
    ...lost.slice(0, listed).map((l) => quote(`${l.opType} ${l.node} of ${l.layer}: ${l.reason}`, 4)),
    ...(lost.length > listed ? [`    and ${lost.length - listed} more (--json lists all)`] : []),
    ...notes.map((n) => quote(n, 2)),
  ];
  return lines.join("\n");
}
