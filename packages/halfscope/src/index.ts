export * from "./pipeline/apply.js";
export * from "./pipeline/base-pins.js";
export * from "./pipeline/debug.js";
export * from "./pipeline/describe.js";
export * from "./pipeline/results-folder.js";
export * from "./pipeline/steps.js";
export * from "./pipeline/verify.js";
export * from "./pipeline/workbench.js";
export { version } from "./version.js";
