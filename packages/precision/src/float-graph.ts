import type { Layer, TensorTypes } from "@halfscope/core";
import type { GraphView, Model, Node } from "@halfscope/onnx";
import { isFixedInput, movedInputs, mustStayFull, readsShapeOnly } from "./operators.js";

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

/** Which float values flow where, seen without the movers between. */
export interface FloatGraph {
  readonly roots: ReadonlyMap<string, Root>;
  readonly edges: readonly Edge[];
  /** Roots of every FP32 tensor. */
  readonly rootsOf: ReadonlyMap<string, readonly Root[]>;
  /** Inputs whose values a mover hands on, by node; computing nodes are missing. */
  readonly movers: ReadonlyMap<number, readonly number[]>;
  /** Nodes that stay in FP32 although they touch floats, with the reason. */
  readonly fixedNodes: ReadonlyMap<number, string>;
  readonly layerOf: ReadonlyMap<number, string>;
  readonly view: GraphView;
}

/** `layers` must cover every node of the main graph; `types` must hold every tensor of it. */
export function buildFloatGraph(model: Model, view: GraphView, types: TensorTypes, layers: readonly Layer[]): FloatGraph {
  const roots = new Map<string, Root>();
  const edges: Edge[] = [];
  const rootsOf = new Map<string, readonly Root[]>();
  const movers = new Map<number, readonly number[]>();
  const fixedNodes = new Map<number, string>();
  const functions = new Set(model.functions.map((f) => `${f.domain}:${f.name}`));
  const opset = model.opsets.get("") ?? 1;
  const isFull = (tensor: string) => tensor !== "" && types.get(tensor)?.dtype === "float32";
  const addRoot = (tensor: string, kind: Root["kind"], producer: Node | undefined, fixed: boolean) => {
    const root: Root = { tensor, kind, producer, fixed, edges: [], reachesOutput: false, carriers: [tensor] };
    roots.set(tensor, root);
    rootsOf.set(tensor, [root]);
  };
  for (const i of view.initializers.values()) if (i.dtype === "float32") addRoot(i.name, "weight", undefined, false);
  for (const v of view.graph.inputs)
    if (v.dtype === "float32" && !view.initializers.has(v.name)) addRoot(v.name, "input", undefined, false);

  for (const node of view.order) {
    // A Cast from FP32 to FP32, as exporters leave them, moves too.
    const cast = node.domain === "" && node.opType === "Cast" && isFull(node.outputs[0] ?? "") ? [0] : undefined;
    const moved = (movedInputs(node) ?? cast)?.filter((i) => isFull(node.inputs[i] ?? ""));
    if (moved !== undefined && moved.length > 0) {
      movers.set(node.index, moved);
      const carried = [...new Set(moved.flatMap((i) => rootsOf.get(node.inputs[i] ?? "") ?? []))];
      for (const output of node.outputs) if (isFull(output)) rootsOf.set(output, carried);
      continue;
    }
    const outer = view.outer.get(node) ?? [];
    const touchesFloat = [...node.inputs, ...node.outputs, ...outer].some(isFull);
    if (!touchesFloat) continue;
    const constant = node.domain === "" && (node.opType === "Constant" || node.opType === "ConstantOfShape");
    const reason = constant ? undefined : mustStayFull(node, functions, opset);
    if (reason !== undefined) fixedNodes.set(node.index, reason);
    if (!readsShapeOnly(node))
      node.inputs.forEach((tensor, input) => {
        addEdge(node, tensor, input, reason !== undefined || isFixedInput(node, input));
      });
    for (const tensor of outer) addEdge(node, tensor, -1, true);
    for (const output of node.outputs) if (isFull(output)) addRoot(output, constant ? "weight" : "activation", node, reason !== undefined);
  }
  for (const output of view.graphOutputs) for (const root of rootsOf.get(output) ?? []) root.reachesOutput = true;
  for (const root of roots.values()) if (root.kind === "weight") root.carriers = carriersOf(root, view);
  const layerOf = new Map(layers.flatMap((l) => l.nodes.map((n) => [n, l.id] as const)));
  return { roots, edges, rootsOf, movers, fixedNodes, layerOf, view };

  function addEdge(node: Node, tensor: string, input: number, fixed: boolean): void {
    if (!isFull(tensor)) return;
    const edge: Edge = { node, input, tensor, roots: rootsOf.get(tensor) ?? [], fixed };
    edges.push(edge);
    for (const root of edge.roots) root.edges.push(edge);
  }
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
