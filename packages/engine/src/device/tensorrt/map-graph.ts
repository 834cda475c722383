import type { GraphView } from "@halfscope/onnx";

/** One node as the map sees it. */
export interface MapNode {
  /** Its name; for one without a name the parser's (onnx-tensorrt, getNodeName): `node_of_` and its first output. */
  name: string;
  opType: string;
  inputs: readonly string[];
  outputs: readonly string[];
}

/** As much of a graph as tying engine layers to it takes. */
export interface MapGraph {
  /** Producers first. */
  nodes: readonly MapNode[];
  /** Tensors that come from outside: of the graph and of the bodies inside it. What no node makes and is not among them is a weight. */
  inputs: ReadonlySet<string>;
  /** Tensors that the graph gives out. */
  outputs: readonly string[];
}

/** The graph with the bodies inside it, under the names that TensorRT's parser gives its nodes. */
export const mapGraphOf = (view: GraphView): MapGraph => ({
  nodes: view.order.map(({ name, opType, inputs, outputs }) => ({
    name: name === "" ? `node_of_${outputs[0] ?? ""}` : name,
    opType,
    inputs,
    outputs,
  })),
  inputs: new Set([
    ...[...view.graphInputs].filter((name) => !view.initializers.has(name)),
    ...[...view.bodies.values()].flat().flatMap(({ graph }) => graph.inputs.map((v) => v.name)),
  ]),
  outputs: view.graph.outputs.map((v) => v.name),
});

/** Operators that change no value; engines merge them into their neighbours, or run them as copies. */
export const movingOperators: ReadonlySet<string> = new Set([
  "Cast",
  "Concat",
  "DepthToSpace",
  "Dropout",
  "Expand",
  "Flatten",
  "Gather",
  "Identity",
  "Reshape",
  "Slice",
  "SpaceToDepth",
  "Split",
  "Squeeze",
  "Tile",
  "Transpose",
  "Unsqueeze",
]);
