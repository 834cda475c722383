/** Cells and tables of the page. */

/** Three significant digits, no more zeros than needed; what is not finite in words. */
export function number(x: number | undefined): string {
  if (x === undefined || Number.isNaN(x)) return "-";
  if (x === Number.POSITIVE_INFINITY) return "not finite";
  if (x === 0) return "0";
  const rounded = Number(x.toPrecision(3));
  return Math.abs(rounded) < 1e-4 || Math.abs(rounded) >= 1e6
    ? rounded.toExponential().replace("e+", "e")
    : rounded.toLocaleString("en-US", { maximumSignificantDigits: 3 });
}

export const percent = (x: number | undefined): string => (x === undefined ? "-" : `${number(100 * x)} %`);
export const seconds = (x: number | undefined): string => (x === undefined ? "-" : `${number(x)} s`);
export const milliseconds = (x: number | undefined): string => (x === undefined ? "-" : `${number(x)} ms`);

/** Text from files: what Markdown or HTML would read otherwise is written out. */
export const cell = (text: string): string =>
  text
    .replace(/[\n\r]+/g, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll("|", "\\|");

/** A table; nothing where there are no rows. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}
