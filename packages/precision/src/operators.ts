import type { Node } from "@halfscope/onnx";
import { maxHalf, roundToHalf } from "./half.js";

/**
 * Movers: operators that give out values they were given, unchanged, so that rounding before or behind them is the same
 * (selection and permutation; Relu, Max, Min and Clip because rounding is monotone and keeps zero; Neg and Abs because it is symmetric).
 * Value: which inputs carry values; "all", or positions. Only output 0 carries them, except for Split.
 */
const movers: Readonly<Record<string, "all" | readonly number[]>> = {
  Reshape: [0],
  Transpose: [0],
  Squeeze: [0],
  Unsqueeze: [0],
  Flatten: [0],
  Identity: [0],
  Slice: [0],
  Split: [0],
  Expand: [0],
  Tile: [0],
  Gather: [0],
  GatherElements: [0],
  GatherND: [0],
  DepthToSpace: [0],
  SpaceToDepth: [0],
  Trilu: [0],
  Compress: [0],
  ReverseSequence: [0],
  Relu: [0],
  Neg: [0],
  Abs: [0],
  MaxPool: [0],
  GlobalMaxPool: [0],
  ReduceMax: [0],
  ReduceMin: [0],
  Dropout: [0],
  Concat: "all",
  Max: "all",
  Min: "all",
  Where: [1, 2],
  Pad: [0, 2],
  Clip: [0, 1, 2],
  ScatterElements: [0, 2],
  ScatterND: [0, 2],
  Scatter: [0, 2],
};

/** Positions of the inputs whose values a mover hands on; undefined when the node computes. */
export function movedInputs(node: Node): readonly number[] | undefined {
  if (node.domain !== "") return undefined;
  const data = Object.hasOwn(movers, node.opType) ? movers[node.opType] : undefined;
  if (data === undefined) {
    const nearest =
      (node.opType === "Resize" || node.opType === "Upsample") && (node.attributes.get("mode")?.string ?? "nearest") === "nearest";
    return nearest ? [0] : undefined;
  }
  if ((node.opType === "ScatterElements" || node.opType === "ScatterND") && (node.attributes.get("reduction")?.string ?? "none") !== "none")
    return undefined;
  if ((node.opType === "Clip" || node.opType === "Pad") && !attributesAreHalf(node, ["min", "max", "value"])) return undefined;
  if (node.opType === "Dropout" && node.inputs[2]) return undefined; // training mode draws random numbers
  return data === "all" ? node.inputs.map((_, i) => i) : data.filter((i) => node.inputs[i]);
}

/** Limits and fill values of older opsets are attributes. One that is no FP16 number changes when the operator runs in FP16. */
const attributesAreHalf = (node: Node, names: readonly string[]): boolean =>
  names.every((name) => {
    const value = node.attributes.get(name)?.float;
    // Beyond the range a limit limits nothing in either precision.
    return value === undefined || roundToHalf(value) === value || (node.opType === "Clip" && Math.abs(value) > maxHalf);
  });

/** Operators that look at a tensor's shape only: what they read is no use of its values. */
export const readsShapeOnly = (node: Node): boolean => node.domain === "" && (node.opType === "Shape" || node.opType === "Size");

/** Inputs that the operator's schema fixes to FP32 whatever the other types are. */
const fixedInputs: Readonly<Record<string, readonly number[]>> = { Resize: [2], Upsample: [1] };
export const isFixedInput = (node: Node, input: number): boolean =>
  node.domain === "" && Object.hasOwn(fixedInputs, node.opType) && (fixedInputs[node.opType]?.includes(input) ?? false);

/** Standard operators whose schema has no FP16 (onnx.ai operator schemas); they stay in FP32. */
const withoutHalf = new Set([
  "NonMaxSuppression",
  "Range",
  "RandomNormal",
  "RandomUniform",
  "RandomNormalLike",
  "RandomUniformLike",
  "Multinomial",
  "Bernoulli",
  "Celu",
  "DynamicQuantizeLinear",
  "QuantizeLinear",
  "DequantizeLinear",
  "QLinearConv",
  "QLinearMatMul",
  "ConvInteger",
  "MatMulInteger",
  "TfIdfVectorizer",
  "MelWeightMatrix",
  "HannWindow",
  "HammingWindow",
  "BlackmanWindow",
  "StringNormalizer",
  "ImageDecoder",
  "AffineGrid",
]);
const contribHalf = new Set([
  "Attention",
  "MultiHeadAttention",
  "SkipLayerNormalization",
  "LayerNormalization",
  "SimplifiedLayerNormalization",
  "SkipSimplifiedLayerNormalization",
  "EmbedLayerNormalization",
  "Gelu",
  "FastGelu",
  "BiasGelu",
  "QuickGelu",
  "FusedMatMul",
  "RotaryEmbedding",
  "GroupQueryAttention",
]);

/** Why a node must stay in FP32 whatever the plan says; undefined for nodes that FP16 can run. */
export function mustStayFull(node: Node, functions: ReadonlySet<string>, opset: number): string | undefined {
  if (functions.has(`${node.domain}:${node.opType}`)) return "it calls a local function, which is measured as a whole";
  for (const a of node.attributes.values()) if (a.graphs !== undefined) return "it holds a subgraph, which is measured as a whole";
  if (node.domain === "com.microsoft")
    return contribHalf.has(node.opType) ? undefined : "halfscope does not know an FP16 form of this operator";
  if (node.domain !== "") return "it is an operator of a custom domain";
  if (withoutHalf.has(node.opType)) return "ONNX defines no FP16 form of this operator";
  if (node.opType === "CumSum" && opset < 14) return "ONNX defines FP16 for CumSum from opset 14 on";
  return undefined;
}
