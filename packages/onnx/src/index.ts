export * from "./graph-view.js";
export * from "./read-model.js";
export * from "./types.js";
