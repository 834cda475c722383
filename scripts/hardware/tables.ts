// Writes the tables of docs/hardware.md from reports/hardware, so that text and data cannot drift apart. Run it when a result is added:
//   node scripts/dist/hardware/tables.js
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fillPage } from "./page/fill-page.js";
import { readReports } from "./page/reports.js";

const root = join(import.meta.dirname, "../../..");
const page = join(root, "docs/hardware.md");
const text = fillPage(readFileSync(page, "utf8"), readReports(join(root, "reports/hardware")));
writeFileSync(`${page}.partial`, text);
renameSync(`${page}.partial`, page);
