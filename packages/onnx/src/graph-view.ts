import { InputError } from "@halfscope/core";
import { mayHoldSubgraph, subgraphsOf } from "./node.js";
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
  /** Tensors that a node's subgraphs take from outside; nodes without any are missing. */
  readonly outer: ReadonlyMap<Node, readonly string[]>;
  readonly initializers: ReadonlyMap<string, Initializer>;
  readonly graphInputs: ReadonlySet<string>;
  readonly graphOutputs: ReadonlySet<string>;
  /** Nodes in an order in which producers come first (file order where that already holds). */
  readonly order: readonly Node[];
}

/** Builds the view. Throws ERR_MODEL_CYCLE when the graph has a cycle. */
export function viewGraph(graph: Graph): GraphView {
  const producer = new Map<string, Node>();
  const consumers = new Map<string, Use[]>();
  const outer = new Map<Node, readonly string[]>();
  const use = (tensor: string, node: Node, input: number) => {
    if (tensor === "") return;
    const list = consumers.get(tensor);
    if (list === undefined) consumers.set(tensor, [{ node, input }]);
    else list.push({ node, input });
  };
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output !== "") producer.set(output, node);
    node.inputs.forEach((tensor, input) => {
      use(tensor, node, input);
    });
    const taken = outerNames(node);
    if (taken.length > 0) outer.set(node, taken);
    for (const tensor of taken) use(tensor, node, -1);
  }
  return {
    graph,
    producer,
    consumers,
    outer,
    initializers: new Map(graph.initializers.map((i) => [i.name, i])),
    graphInputs: new Set(graph.inputs.map((v) => v.name)),
    graphOutputs: new Set(graph.outputs.map((v) => v.name)),
    order: topologicalOrder(graph, producer, outer),
  };
}

/** Names that a node's subgraphs take from outside; empty for nodes without subgraphs. */
export function outerNames(node: Node): string[] {
  const names = new Set<string>();
  const collect = (graph: Graph, shadowed: ReadonlySet<string>) => {
    const local = new Set(shadowed);
    for (const v of graph.inputs) local.add(v.name);
    for (const i of graph.initializers) local.add(i.name);
    for (const n of graph.nodes) for (const o of n.outputs) local.add(o);
    const read = (name: string) => {
      if (name !== "" && !local.has(name)) names.add(name);
    };
    for (const n of graph.nodes) {
      n.inputs.forEach(read);
      if (mayHoldSubgraph(n)) for (const inner of subgraphsOf(n)) collect(inner, local);
    }
    for (const v of graph.outputs) read(v.name);
  };
  if (mayHoldSubgraph(node)) for (const graph of subgraphsOf(node)) collect(graph, new Set());
  return [...names];
}

/** File order where it already is topological (ONNX requires it), else a stable order by depth-first search. */
function topologicalOrder(graph: Graph, producer: ReadonlyMap<string, Node>, outer: ReadonlyMap<Node, readonly string[]>): readonly Node[] {
  const reads = (node: Node) => [...node.inputs, ...(outer.get(node) ?? [])].flatMap((t) => producer.get(t) ?? []);
  if (graph.nodes.every((n) => reads(n).every((p) => p.index < n.index))) return graph.nodes;
  const state = new Map<Node, "open" | "done">();
  const order: Node[] = [];
  for (const root of graph.nodes) {
    const stack: { node: Node; pending: Node[] }[] = [];
    const open = (node: Node) => {
      state.set(node, "open");
      stack.push({ node, pending: reads(node) });
    };
    if (!state.has(root)) open(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.pending.pop();
      if (next === undefined) {
        state.set(top.node, "done");
        order.push(top.node);
        stack.pop();
      } else if (state.get(next) === "open") {
        throw new InputError(
          "ERR_MODEL_CYCLE",
          `The graph has a cycle through node ${next.name || next.outputs[0] || next.index} (${next.opType}).`,
          {
            hint: "ONNX graphs must not have cycles; export the model again.",
          },
        );
      } else if (!state.has(next)) open(next);
    }
  }
  return order;
}
