import { delimitedField, encodeValueInfo, type Model } from "@halfscope/onnx";
import { GraphBuilder } from "../../graph-builder.js";

/** A model as its users run it, with more outputs. */
export interface ServingGraph {
  /** ModelProto bytes: structure only, weights stay where they are in the file and beside it. */
  bytes: Uint8Array;
  /** Outputs besides the model's own. */
  observed: readonly string[];
  notObserved: readonly { tensor: string; reason: string }[];
}

/**
 * The file as it is - nodes, types and open sizes untouched - with the named tensors as outputs behind its own. Their types are left to ONNX Runtime, which infers
 * them. Tensors that are no node's result in the main graph cannot be outputs: they come back with the reason. `given`: the bytes of a model that is no file; they are served as
 * they are.
 */
export function buildServingGraph(model: Model, observe: readonly string[], given?: Uint8Array): ServingGraph {
  const { observed, notObserved } = divide(model, observe);
  if (given !== undefined) return { bytes: withOutputs(given, observed), observed, notObserved };
  const { graph } = model;
  const builder = new GraphBuilder(model);
  const initializers = new Set([...graph.initializers, ...graph.sparseInitializers].map((i) => i.name));
  for (const v of graph.inputs) if (!initializers.has(v.name)) builder.declared("input", v.name, v.field.payload as Uint8Array);
  for (const i of [...graph.initializers, ...graph.sparseInitializers]) builder.initializer(i);
  for (const node of graph.nodes) builder.node(node.bytes);
  for (const v of graph.outputs) builder.declared("output", v.name, v.field.payload as Uint8Array);
  for (const tensor of observed) builder.output(tensor);
  return { bytes: builder.finish({ operators: false }), observed, notObserved };
}

/** Behind a ModelProto, more fields of its graph: protobuf takes a message that stands twice as one, and lists in it as one list. */
function withOutputs(given: Uint8Array, observed: readonly string[]): Uint8Array {
  if (observed.length === 0) return given;
  const outputs = observed.flatMap((name) => delimitedField(12, [encodeValueInfo(name, 0)]) as Uint8Array[]);
  return Buffer.concat([given, ...(delimitedField(7, outputs) as Uint8Array[])]);
}

function divide({ graph }: Model, observe: readonly string[]): Pick<ServingGraph, "observed" | "notObserved"> {
  const initializers = new Set([...graph.initializers, ...graph.sparseInitializers].map((i) => i.name));
  const own = new Set(graph.outputs.map((v) => v.name));
  const computed = new Set(graph.nodes.flatMap((n) => n.outputs));
  const inputs = new Set(graph.inputs.map((v) => v.name));
  const observed: string[] = [];
  const notObserved: { tensor: string; reason: string }[] = [];
  for (const tensor of new Set(observe)) {
    if (own.has(tensor)) continue;
    if (computed.has(tensor) && tensor !== "") observed.push(tensor);
    else notObserved.push({ tensor, reason: reasonAgainst(tensor, inputs, initializers) });
  }
  return { observed, notObserved };
}

const reasonAgainst = (tensor: string, inputs: ReadonlySet<string>, initializers: ReadonlySet<string>): string =>
  initializers.has(tensor)
    ? "it is a constant of the file"
    : inputs.has(tensor)
      ? "it is an input of the model"
      : "no node of the file's main graph gives it; tensors in bodies and functions cannot be outputs";
