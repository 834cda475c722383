import type { HazardCase } from "./case-graph.js";
import { functionCases } from "./functions.js";
import { maskCases } from "./masks.js";
import { normCases } from "./norms.js";
import { sumCases } from "./sums.js";

export { CaseGraph, type HazardCase } from "./case-graph.js";

/** Every question about hazards, in the order of the table. */
export const hazardCases: readonly HazardCase[] = [...normCases, ...maskCases, ...sumCases, ...functionCases];
