export * from "./encode.js";
export * from "./external-data.js";
export * from "./graph-view.js";
export { attributeFromBytes, mayHoldSubgraph, subgraphsOf } from "./node.js";
export * from "./read-model.js";
export * from "./rewrite.js";
export * from "./rope.js";
export * from "./types.js";
