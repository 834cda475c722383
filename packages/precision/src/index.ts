export * from "./float-graph.js";
export * from "./half.js";
export * from "./operators.js";
export * from "./plan.js";
export * from "./sites.js";
