/**
 * What halfscope knows about operators. Their types come from their schemas (`operators-table.ts`, generated); which of them only move values and
 * what they keep inside is meaning, which no schema has, and is written by hand.
 */
export * from "./operators-half.js";
export * from "./operators-inner.js";
export * from "./operators-movers.js";
export { tableVersions } from "./operators-table.js";
export * from "./operators-types.js";
