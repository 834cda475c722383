import Table from "cli-table3";
import { safe, shortenPath, wrap } from "./text.js";

const noLines = Object.fromEntries(
  ["top", "bottom"].flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`]).map((key) => [key, ""]),
);
const between = "  ";
const narrowest = 30;

export interface TableOptions {
  /** Columns of numbers: aligned to the right. */
  numeric?: readonly number[];
  /** Columns that may be shortened in the middle where the table would be too wide. The first by default. */
  names?: readonly number[];
  /** A column of sentences: broken into lines. */
  sentences?: number;
  /** Width to keep within where possible; that of the terminal by default, 120 elsewhere. */
  width?: number;
}

/** A table without lines. A head may have several lines of its own. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[], o: TableOptions = {}): string {
  const cells = rows.map((r) => r.map((c) => safe(String(c))));
  const widths = fit(head, cells, o);
  const columns = head.map((_, i) => {
    const column = cells.map((r) => r[i] ?? "");
    const width = widths[i] ?? 0;
    if (i === o.sentences) return column.map((c) => wrap(c, width));
    const names = new Set(column).size;
    // A name that could be another is worse than a wide table.
    for (let w = width; ; w++) {
      const short = column.map((c) => shortenPath(c, w));
      widths[i] = w;
      if (new Set(short).size === names) return short;
    }
  });
  const t = new Table({
    head: [...head],
    chars: { ...noLines, left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: between },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: head.map((_, i) => (o.numeric?.includes(i) ? "right" : "left")),
    colWidths: widths,
    rowAligns: ["bottom"],
  });
  t.push(...cells.map((r, row) => r.map((_, i) => columns[i]?.[row] ?? "")));
  return t
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** Widths of the columns: natural where all fits, else sentences and then names give way. */
function fit(head: readonly string[], cells: readonly (readonly string[])[], o: TableOptions): number[] {
  const { names = [0], width = process.stdout.columns ?? 120 } = o;
  const least = head.map((h) => Math.max(...h.split("\n").map((line) => line.length)));
  const widths = least.map((w, i) => cells.reduce((max, row) => Math.max(max, row[i]?.length ?? 0), w));
  const excess = () => widths.reduce((sum, w) => sum + w, between.length * (widths.length - 1)) - width;
  const narrow = (column: number, floor: number) => {
    widths[column] = Math.max(Math.min(widths[column] ?? 0, floor), (widths[column] ?? 0) - Math.max(0, excess()));
  };
  if (o.sentences !== undefined) narrow(o.sentences, 40);
  // The widest gives way first, so that short names beside long ones stay whole.
  while (excess() > 0) {
    const column = [...names].sort((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))[0];
    if (column === undefined || (widths[column] ?? 0) <= Math.max(narrowest, least[column] ?? 0)) break;
    widths[column] = (widths[column] ?? 0) - 1;
  }
  return widths;
}
