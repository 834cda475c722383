import { InputError } from "@halfscope/core";
import { type Body, type Link, linksOf, openBodies } from "./bodies.js";
import { mayHoldSubgraph, reindexed, subgraphsOf } from "./node.js";
import type { Graph, Initializer, Node, SparseInitializer } from "./types.js";

export interface Use {
  readonly node: Node;
  readonly input: number;
}

/**
 * The edges of a graph and of the bodies inside it (branches of If, bodies of Loop and Scan) as one flat graph: who makes and who reads each tensor. Flat is
 * possible because `unfoldModel` makes all names unique; a node whose bodies repeat names, or that is not understood, stays closed: it is one node, and reads
 * inside count as its reads, with input -1. So do a body's results, which its holder hands on.
 */
export interface GraphView {
  readonly graph: Graph;
  /** Every node by its index: those of the graph as in the file, then those of the bodies. */
  readonly nodes: readonly Node[];
  readonly producer: ReadonlyMap<string, Node>;
  readonly consumers: ReadonlyMap<string, readonly Use[]>;
  /** Tensors that a node's subgraphs take from outside, opened or not; nodes without any are missing. */
  readonly outer: ReadonlyMap<Node, readonly string[]>;
  /** Of the graph and of the bodies. */
  readonly initializers: ReadonlyMap<string, Initializer>;
  /** Of the graph and of the bodies: constants of a kind of their own, which travel verbatim. */
  readonly sparse: ReadonlyMap<string, SparseInitializer>;
  readonly graphInputs: ReadonlySet<string>;
  readonly graphOutputs: ReadonlySet<string>;
  /** All nodes, producers first, those of a body in front of its holder (file order where that already holds). */
  readonly order: readonly Node[];
  /** The graph's own nodes in that order. */
  readonly mainOrder: readonly Node[];
  /** Bodies of the nodes that are opened. */
  readonly bodies: ReadonlyMap<Node, readonly Body[]>;
  /** The body that a node stands in, by index; the graph's own nodes are missing. */
  readonly bodyOf: ReadonlyMap<number, Body>;
  /** How values pass the borders of bodies, in the order of `order`. */
  readonly links: readonly Link[];
}

/** Builds the view. Throws ERR_MODEL_CYCLE when the graph has a cycle. */
export function viewGraph(graph: Graph): GraphView {
  return new Viewer(graph).view();
}

class Viewer {
  private readonly nodes: Node[];
  private readonly producer = new Map<string, Node>();
  private readonly consumers = new Map<string, Use[]>();
  private readonly outer = new Map<Node, readonly string[]>();
  private readonly initializers: Map<string, Initializer>;
  private readonly sparse: Map<string, SparseInitializer>;
  private readonly bodies = new Map<Node, readonly Body[]>();
  private readonly bodyOf = new Map<number, Body>();
  private readonly links: Link[] = [];
  private readonly order: Node[] = [];
  /** Every name that something defines, to find bodies that repeat one. */
  private readonly defined = new Set<string>();

  constructor(private readonly graph: Graph) {
    this.nodes = [...graph.nodes];
    this.initializers = new Map(graph.initializers.map((i) => [i.name, i]));
    this.sparse = new Map(graph.sparseInitializers.map((i) => [i.name, i]));
    this.define(graph);
  }

  view(): GraphView {
    const { graph, nodes, producer, consumers, outer, initializers, sparse, bodies, bodyOf, links } = this;
    const mainOrder = this.level(graph.nodes);
    // Most graphs have no bodies: one list then serves as both.
    const order = bodies.size === 0 ? mainOrder : this.order;
    const graphInputs = new Set(graph.inputs.map((v) => v.name));
    const graphOutputs = new Set(graph.outputs.map((v) => v.name));
    return {
      graph,
      nodes,
      producer,
      consumers,
      outer,
      initializers,
      sparse,
      graphInputs,
      graphOutputs,
      order,
      mainOrder,
      bodies,
      bodyOf,
      links,
    };
  }

  private define(graph: Graph): void {
    for (const v of graph.inputs) this.defined.add(v.name);
    for (const i of constantsOf(graph)) this.defined.add(i.name);
    for (const n of graph.nodes) for (const o of n.outputs) this.defined.add(o);
  }

  /** Takes in the nodes of one level, in execution order, with all that they hold. */
  private level(nodes: readonly Node[]): readonly Node[] {
    for (const node of nodes) {
      for (const output of node.outputs) if (output !== "") this.producer.set(output, node);
      const taken = outerNames(node);
      if (taken.length > 0) this.outer.set(node, taken);
    }
    const order = topologicalOrder(nodes, this.outer);
    for (const node of order) {
      node.inputs.forEach((tensor, input) => {
        this.use(tensor, node, input);
      });
      if (mayHoldSubgraph(node) && subgraphsOf(node).length > 0) this.open(node);
      this.order.push(node);
    }
    return order;
  }

  private open(holder: Node): void {
    const before = this.nodes.length;
    const bodies = openBodies(holder, (graph) => this.adopt(graph));
    const repeated = bodies?.some((b) => definedIn(b.graph).some((name) => name !== "" && this.defined.has(name)));
    const twice = bodies !== undefined && repeats(bodies.flatMap((b) => definedIn(b.graph).filter((n) => n !== "")));
    if (bodies === undefined || repeated || twice) {
      this.nodes.length = before;
      for (const tensor of this.outer.get(holder) ?? []) this.use(tensor, holder, -1);
      return;
    }
    this.bodies.set(holder, bodies);
    for (const body of bodies) this.define(body.graph);
    const links = linksOf(holder, bodies);
    for (const body of bodies) {
      for (const node of body.graph.nodes) this.bodyOf.set(node.index, body);
      for (const i of body.graph.initializers) this.initializers.set(i.name, i);
      for (const i of body.graph.sparseInitializers) this.sparse.set(i.name, i);
      this.links.push(...links.filter((l) => l.body === body));
      body.order = this.level(body.graph.nodes);
      for (const v of body.graph.outputs) this.use(v.name, holder, -1);
    }
    this.links.push(...links.filter((l) => l.body === undefined));
  }

  /** The graph with indices that continue ours. */
  private adopt(graph: Graph): Graph {
    const first = this.nodes.length;
    const nodes = graph.nodes.map((n, i) => reindexed(n, first + i));
    this.nodes.push(...nodes);
    return { ...graph, nodes };
  }

  private use(tensor: string, node: Node, input: number): void {
    if (tensor === "") return;
    const list = this.consumers.get(tensor);
    if (list === undefined) this.consumers.set(tensor, [{ node, input }]);
    else list.push({ node, input });
  }
}

/** The graph's own node that holds a node, at whatever depth; itself for nodes in no body. */
export function topOf(view: GraphView, node: Node): Node {
  let top = node;
  for (let body = view.bodyOf.get(top.index); body !== undefined; body = view.bodyOf.get(top.index)) top = body.holder;
  return top;
}

const constantsOf = (graph: Graph) => [...graph.initializers, ...graph.sparseInitializers];
const definedIn = (graph: Graph): string[] => [
  ...new Set([...graph.inputs.map((v) => v.name), ...constantsOf(graph).map((i) => i.name)]),
  ...graph.nodes.flatMap((n) => n.outputs),
];
const repeats = (names: readonly string[]): boolean => new Set(names).size !== names.length;

/** Names that a node's subgraphs take from outside; empty for nodes without subgraphs. */
export function outerNames(node: Node): string[] {
  const names = new Set<string>();
  const collect = (graph: Graph, shadowed: ReadonlySet<string>) => {
    const local = new Set(shadowed);
    for (const v of graph.inputs) local.add(v.name);
    for (const i of constantsOf(graph)) local.add(i.name);
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
function topologicalOrder(nodes: readonly Node[], outer: ReadonlyMap<Node, readonly string[]>): readonly Node[] {
  const place = new Map(nodes.map((n, i) => [n, i]));
  const producer = new Map(nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  const reads = (node: Node) => [...node.inputs, ...(outer.get(node) ?? [])].flatMap((t) => (t === "" ? [] : (producer.get(t) ?? [])));
  if (nodes.every((n, i) => reads(n).every((p) => (place.get(p) ?? 0) < i))) return nodes;
  const state = new Map<Node, "open" | "done">();
  const order: Node[] = [];
  for (const root of nodes) {
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
