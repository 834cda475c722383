/** Puts tables made from results into the page that reads them out. */

import type { Reports } from "./reports.js";
import { goalsTable } from "./table-goals.js";
import { enginesTable, outputsTable, tensorsTable, verdictsTable } from "./tables-errors.js";
import { hazardsTable } from "./tables-hazards.js";
import { filesTable, overheadTable, servingTable } from "./tables-serving.js";

const tables: Readonly<Record<string, (reports: Reports) => string>> = {
  goals: goalsTable,
  tensors: tensorsTable,
  outputs: outputsTable,
  engines: enginesTable,
  verdicts: verdictsTable,
  hazards: hazardsTable,
  serving: servingTable,
  overhead: overheadTable,
  files: filesTable,
};
export const tableNames: readonly string[] = Object.keys(tables);
export const notMeasured = "Not measured yet.";

/**
 * The page with what stands between `<!-- table NAME -->` and `<!-- end -->` made anew. Throws Error for a name that is not known and for a table without its end.
 */
export function fillPage(page: string, reports: Reports): string {
  const open = page.match(/<!-- table /g)?.length ?? 0;
  let filled = 0;
  const text = page.replace(/<!-- table (\S+) -->\n[\s\S]*?<!-- end -->/g, (_, name: string) => {
    const make = tables[name];
    if (make === undefined) throw new Error(`The page asks for the table ${JSON.stringify(name)}; known are ${tableNames.join(", ")}.`);
    filled++;
    return `<!-- table ${name} -->\n${make(reports) || notMeasured}\n<!-- end -->`;
  });
  if (filled !== open) throw new Error(`The page opens ${open} tables, ${filled} of them end.`);
  return text;
}
