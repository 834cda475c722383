import { type DType, dtypeFromNumber } from "@halfscope/core";
import type { GraphView } from "../graph-view.js";
import type { Node } from "../types.js";

const giveBool = new Set([
  "Equal",
  "Greater",
  "GreaterOrEqual",
  "Less",
  "LessOrEqual",
  "And",
  "Or",
  "Not",
  "Xor",
  "IsNaN",
  "IsInf",
  "StringConcat",
]);
const giveInt = new Set(["Shape", "Size", "NonZero", "ArgMax", "ArgMin", "NonMaxSuppression", "StringNormalizer", "QuantizeLinear"]);
/** Which input the first output's type follows where it is not the first input. */
const followsInput: Readonly<Record<string, number>> = { Where: 1, OneHot: 2, CastLike: 1 };
/** Outputs beyond the first that are integers (positions, counts) or booleans. */
const laterIntegers = new Set(["TopK", "Unique", "MaxPool", "Dropout"]);

/**
 * Element types of a graph's tensors as far as they can be told: what the file states, and simple rules per operator (ONNX Runtime
 * infers the rest elsewhere). Tensors without an entry are unknown.
 */
export function knownDtypes(view: GraphView): ReadonlyMap<string, DType> {
  const dtypes = new Map<string, DType>();
  for (const i of view.graph.initializers) dtypes.set(i.name, i.dtype);
  for (const v of [...view.graph.inputs, ...view.graph.valueInfos, ...view.graph.outputs])
    if (v.dtype !== "unknown") dtypes.set(v.name, v.dtype);
  for (const node of view.order)
    node.outputs.forEach((output, position) => {
      if (output === "" || dtypes.has(output)) return;
      const dtype = outputDtype(node, position, dtypes);
      if (dtype !== undefined && dtype !== "unknown") dtypes.set(output, dtype);
    });
  return dtypes;
}

function outputDtype(node: Node, position: number, dtypes: ReadonlyMap<string, DType>): DType | undefined {
  if (node.domain !== "" && node.domain !== "com.microsoft") return undefined;
  const { opType, attributes } = node;
  if (position > 0 && laterIntegers.has(opType)) return opType === "Dropout" ? "bool" : "int64";
  if (giveBool.has(opType)) return "bool";
  if (giveInt.has(opType)) return "int64";
  if (opType === "Cast") return dtypeFromNumber(attributes.get("to")?.int ?? 0);
  if (opType === "DequantizeLinear") return dtypes.get(node.inputs[1] ?? "") ?? "float32";
  if (opType === "Constant") return constantDtype(node);
  if (opType === "ConstantOfShape") return attributes.get("value")?.tensor?.dtype ?? "float32";
  if (opType === "If" || opType === "Loop" || opType === "Scan") return branchDtype(node, position);
  const given = attributes.get("dtype")?.int;
  if (given !== undefined && (opType.startsWith("Random") || opType === "EyeLike" || opType === "Multinomial"))
    return dtypeFromNumber(given);
  const follow = dtypes.get(node.inputs[followsInput[opType] ?? 0] ?? "");
  if (follow !== undefined || Object.hasOwn(followsInput, opType)) return follow;
  // Of an operator's inputs, all that are numbers mostly share one type.
  return node.inputs.map((t) => dtypes.get(t)).find((d) => d !== undefined);
}

function constantDtype(node: Node): DType | undefined {
  for (const a of node.attributes.values()) {
    if (a.tensor !== undefined) return a.tensor.dtype;
    if (a.name.startsWith("value_float")) return "float32";
    if (a.name.startsWith("value_int")) return "int64";
    if (a.name.startsWith("value_string")) return "string";
  }
  return undefined;
}

function branchDtype(node: Node, position: number): DType | undefined {
  if (node.opType !== "If") return undefined;
  for (const a of node.attributes.values()) for (const graph of a.graphs ?? []) return graph.outputs[position]?.dtype;
  return undefined;
}
