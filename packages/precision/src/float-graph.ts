import type { HalfType, Layer, TensorTypes } from "@halfscope/core";
import { type GraphView, type Model, mayHoldSubgraph, type Node, subgraphsOf, whyClosed, whyFunctionsStay } from "@halfscope/onnx";
import { isFixedInput, isFixedOutput, movedInputs, mustStayFull, readsShapeOnly } from "./operators.js";

/** A tensor whose values come into being: computed, read from the file, or fed. Movers carry them on without changing them. */
export interface Root {
  readonly tensor: string;
  readonly kind: "activation" | "weight" | "input";
  /** Computing node, or the Constant node of a weight; undefined for initializers and graph inputs. */
  readonly producer: Node | undefined;
  /** The producer stays in FP32 whatever the plan says. */
  readonly fixed: boolean;
  /** Where the values are used, through any number of movers. */
  readonly edges: Edge[];
  /** The values reach a graph output through movers only. */
  reachesOutput: boolean;
  /** Tensors that are rounded when the root is: itself, or for a table that is only gathered from, the gathered rows. */
  carriers: string[];
}

/** One input of one computing node. */
export interface Edge {
  readonly node: Node;
  /** Position, or -1 for a use inside the node's subgraphs. */
  readonly input: number;
  readonly tensor: string;
  /** Several behind a Concat or Where. */
  readonly roots: readonly Root[];
  /** The input stays in FP32 whatever the plan says. */
  readonly fixed: boolean;
}

/** Which float values flow where, seen without the movers between, and across the borders of bodies: a holder hands on as a mover does. */
export interface FloatGraph {
  readonly roots: ReadonlyMap<string, Root>;
  readonly edges: readonly Edge[];
  /** Roots of every FP32 tensor. */
  readonly rootsOf: ReadonlyMap<string, readonly Root[]>;
  /** Inputs whose values a mover hands on, by node; computing nodes are missing. */
  readonly movers: ReadonlyMap<number, readonly number[]>;
  /** Nodes that stay in FP32 although they touch floats, with the reason. */
  readonly fixedNodes: ReadonlyMap<number, string>;
  /** Movers that have no form in the candidate's type and hand values on in FP32, rounded or not. */
  readonly fullMovers: ReadonlySet<number>;
  readonly layerOf: ReadonlyMap<number, string>;
  readonly view: GraphView;
  /** What the candidate computes in: it decides which nodes can. */
  readonly type: HalfType;
}

/** `layers` must cover every node of the view; `types` must hold every tensor of it. `wrongOn` gives reasons why the engine at hand cannot run a node in FP16. */
export function buildFloatGraph(
  model: Model,
  view: GraphView,
  types: TensorTypes,
  layers: readonly Layer[],
  type: HalfType = "float16",
  wrongOn: (node: Node) => string | undefined = () => undefined,
): FloatGraph {
  const roots = new Map<string, Root>();
  const edges: Edge[] = [];
  const movers = new Map<number, readonly number[]>();
  const fixedNodes = new Map<number, string>();
  const fullMovers = new Set<number>();
  const functions = whyFunctionsStay(model);
  const functionNames = new Set(functions.keys());
  const isFull = (tensor: string) => tensor !== "" && types.get(tensor)?.dtype === "float32";
  const addRoot = (tensor: string, kind: Root["kind"], producer: Node | undefined, fixed: boolean) => {
    roots.set(tensor, { tensor, kind, producer, fixed, edges: [], reachesOutput: false, carriers: [tensor] });
  };
  for (const i of view.initializers.values()) if (i.dtype === "float32") addRoot(i.name, "weight", undefined, false);
  // A sparse initializer travels verbatim: what is rounded is what comes out of it, as with an input.
  for (const i of view.sparse.values()) if (i.dtype === "float32") addRoot(i.name, "input", undefined, false);
  for (const v of view.graph.inputs)
    if (v.dtype === "float32" && !view.initializers.has(v.name) && !view.sparse.has(v.name)) addRoot(v.name, "input", undefined, false);

  /** Nothing inside bodies is changed where their types are not known. */
  const unknownInside = (node: Node) => view.bodyOf.has(node.index) && node.outputs.some((t) => t !== "" && !types.has(t));
  const computing: { node: Node; reason: string | undefined }[] = [];
  for (const node of view.order) {
    if (view.bodies.has(node)) continue;
    // A Cast from FP32 to FP32, as exporters leave them, moves too.
    const cast = node.domain === "" && node.opType === "Cast" && isFull(node.outputs[0] ?? "") ? [0] : undefined;
    const moved = (unknownInside(node) ? undefined : (movedInputs(node, type) ?? cast))?.filter((i) => isFull(node.inputs[i] ?? ""));
    if (moved !== undefined && moved.length > 0) {
      movers.set(node.index, moved);
      const fixed = isFixedOutput(node, 0, model.opsets, type) || moved.some((i) => isFixedInput(node, i, model.opsets, type));
      if (fixed) fullMovers.add(node.index);
      continue;
    }
    const touchesFloat = [...node.inputs, ...node.outputs, ...(view.outer.get(node) ?? [])].some(isFull);
    if (!touchesFloat) continue;
    const constant = node.domain === "" && (node.opType === "Constant" || node.opType === "ConstantOfShape");
    const reason = constant
      ? undefined
      : ((unknownInside(node) ? "the types inside its branch or loop could not be inferred" : undefined) ??
        functions.get(`${node.domain}:${node.opType}`) ??
        (holdsGraph(node) ? (whyClosed(node) ?? "names in its bodies collide") : mustStayFull(node, functionNames, model.opsets, type)) ??
        wrongOn(node));
    if (reason !== undefined) fixedNodes.set(node.index, reason);
    node.outputs.forEach((output, i) => {
      const fixed = reason !== undefined || isFixedOutput(node, i, model.opsets, type);
      if (isFull(output)) addRoot(output, constant ? "weight" : "activation", node, fixed);
    });
    computing.push({ node, reason });
  }
  const rootsOf = flowRoots(view, roots, movers, isFull);
  for (const { node, reason } of computing) {
    if (!readsShapeOnly(node))
      node.inputs.forEach((tensor, input) => {
        addEdge(node, tensor, input, reason !== undefined || isFixedInput(node, input, model.opsets, type));
      });
    for (const tensor of view.outer.get(node) ?? []) addEdge(node, tensor, -1, true);
  }
  for (const output of view.graphOutputs) for (const root of rootsOf.get(output) ?? []) root.reachesOutput = true;
  for (const root of roots.values()) if (root.kind === "weight") root.carriers = carriersOf(root, view);
  const layerOf = new Map(layers.flatMap((l) => l.nodes.map((n) => [n, l.id] as const)));
  return { roots, edges, rootsOf, movers, fixedNodes, fullMovers, layerOf, view, type };

  function addEdge(node: Node, tensor: string, input: number, fixed: boolean): void {
    if (!isFull(tensor)) return;
    const edge: Edge = { node, input, tensor, roots: rootsOf.get(tensor) ?? [], fixed };
    edges.push(edge);
    for (const root of edge.roots) root.edges.push(edge);
  }
}

const holdsGraph = (node: Node): boolean => mayHoldSubgraph(node) && subgraphsOf(node).length > 0;

/** Which roots' values each tensor can hold: through movers, and over the borders of bodies, round loops too. */
function flowRoots(
  view: GraphView,
  roots: ReadonlyMap<string, Root>,
  movers: ReadonlyMap<number, readonly number[]>,
  isFull: (tensor: string) => boolean,
): ReadonlyMap<string, readonly Root[]> {
  const held = new Map<string, Set<Root>>([...roots].map(([tensor, root]) => [tensor, new Set([root])]));
  const flows: { to: string; from: readonly string[] }[] = view.links.filter((l) => isFull(l.to));
  for (const node of view.order) {
    const moved = movers.get(node.index);
    if (moved === undefined) continue;
    const from = moved.map((i) => node.inputs[i] ?? "");
    for (const to of node.outputs) if (isFull(to)) flows.push({ to, from });
  }
  // Borders come first in the list and loops turn back, so several rounds may be needed: as many as bodies are nested, and one to see the end.
  for (let grown = true; grown; ) {
    grown = false;
    for (const { to, from } of flows) {
      const set = held.get(to) ?? new Set();
      const before = set.size;
      for (const tensor of from) for (const root of held.get(tensor) ?? []) set.add(root);
      held.set(to, set);
      grown ||= set.size > before;
    }
    if (view.links.length === 0) break;
  }
  return new Map([...held].map(([tensor, set]) => [tensor, [...set]]));
}

/** Rounding a whole embedding table costs more than rounding the few rows that are read, and gives the same numbers. */
function carriersOf(root: Root, view: GraphView): string[] {
  const uses = view.consumers.get(root.tensor) ?? [];
  const gathered =
    uses.length > 0 &&
    root.producer === undefined &&
    uses.every((u) => u.node.opType === "Gather" && u.node.domain === "" && u.input === 0);
  return gathered ? uses.flatMap((u) => u.node.outputs[0] ?? []) : [root.tensor];
}

/** More than one reader: what one of them sees may differ from what another sees. */
export const isShared = (root: Root): boolean => root.edges.length + (root.reachesOutput ? 1 : 0) > 1;
