export * from "./dtype.js";
export * from "./error-stats.js";
export * from "./errors.js";
export * from "./json.js";
export * from "./layer.js";
export * from "./plan.js";
export * from "./progress.js";
export * from "./result.js";
