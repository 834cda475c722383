import type { Graph, Initializer, Node } from "./types.js";

export interface Use {
  readonly node: Node;
  readonly input: number;
}

/** A graph's edges: who makes and who reads each tensor. Reads inside subgraphs count as reads of the node that holds the subgraph, with input -1. */
export interface GraphView {
  readonly graph: Graph;
  readonly producer: ReadonlyMap<string, Node>;
  readonly consumers: ReadonlyMap<string, readonly Use[]>;
  readonly initializers: ReadonlyMap<string, Initializer>;
  readonly graphInputs: ReadonlySet<string>;
  readonly graphOutputs: ReadonlySet<string>;
  /** Nodes in an order in which producers come first (file order where that already holds). */
  readonly order: readonly Node[];
}
