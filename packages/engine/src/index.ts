export * from "./addon.js";
export { mentions } from "./bfloat-stand-in.js";
export * from "./cuts.js";
export * from "./engines.js";
export * from "./explain-load-failure.js";
export * from "./feeds/index.js";
export * from "./infer-types.js";
export * from "./pair-graph.js";
export * from "./run-shapes.js";
