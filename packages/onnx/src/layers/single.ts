import type { LayerKind } from "@halfscope/core";
import { subgraphsOf } from "../node.js";
import type { Node } from "../types.js";
import { activationOperators } from "./activation.js";
import type { Claims } from "./claims.js";
import type { Scan } from "./scan.js";

const normNodes: Readonly<Record<string, readonly ["layer-norm" | "rms-norm", string]>> = {
  ":LayerNormalization": ["layer-norm", "LayerNormalization"],
  "com.microsoft:LayerNormalization": ["layer-norm", "LayerNormalization"],
  "com.microsoft:SkipLayerNormalization": ["layer-norm", "LayerNormalization with residual (SkipLayerNormalization)"],
  ":RMSNormalization": ["rms-norm", "RMSNorm (RMSNormalization)"],
  ":SimplifiedLayerNormalization": ["rms-norm", "RMSNorm (SimplifiedLayerNormalization)"],
  "com.microsoft:SimplifiedLayerNormalization": ["rms-norm", "RMSNorm (SimplifiedLayerNormalization)"],
  "com.microsoft:SkipSimplifiedLayerNormalization": ["rms-norm", "RMSNorm with residual (SkipSimplifiedLayerNormalization)"],
};
const geluNodes = new Set(["Gelu", "FastGelu", "BiasGelu", "QuickGelu", "BiasSplitGelu", "GeluGrad"]);
const attentionNodes = new Set([
  "Attention",
  "MultiHeadAttention",
  "GroupQueryAttention",
  "PackedAttention",
  "PackedMultiHeadAttention",
  "DecoderAttention",
  "DecoderMaskedMultiHeadAttention",
  "DecoderMaskedSelfAttention",
  "LongformerAttention",
  "SparseAttention",
  "PagedAttention",
  "QAttention",
  "FlexAttention",
  "LinearAttention",
]);
const pools = new Set([
  "MaxPool",
  "AveragePool",
  "GlobalAveragePool",
  "GlobalMaxPool",
  "LpPool",
  "GlobalLpPool",
  "MaxRoiPool",
  "RoiAlign",
  "QLinearAveragePool",
  "QLinearGlobalAveragePool",
]);
const moverNodes = new Set([
  "Reshape",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
  "Identity",
  "Slice",
  "Split",
  "Concat",
  "Expand",
  "Tile",
  "Pad",
  "Gather",
  "GatherElements",
  "GatherND",
  "DepthToSpace",
  "SpaceToDepth",
  "ReverseSequence",
  "Dropout",
  "Compress",
  "Trilu",
  "ScatterElements",
  "ScatterND",
  "Scatter",
  "SplitToSequence",
  "SequenceAt",
  "SequenceConstruct",
  "ConcatFromSequence",
  "SequenceInsert",
  "Optional",
  "OptionalGetElement",
]);
const casts = new Set(["Cast", "CastLike", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"]);
const controlFlow = new Set(["If", "Loop", "Scan", "SequenceMap"]);
const isOnnx = (node: Node): boolean => node.domain === "" || node.domain === "com.microsoft";

/** Whether a node changes no value, only where it stands. */
export const isMover = (node: Node): boolean => node.domain === "" && moverNodes.has(node.opType);

/** Nodes that hide a graph: control flow and calls of the model's own functions (`functions`: "domain:name"). */
export function claimControlFlow(scan: Scan, claims: Claims, functions: ReadonlySet<string>): void {
  for (const node of scan.view.order) {
    if (functions.has(`${node.domain}:${node.opType}`)) claims.single(node, "control-flow", `Function ${node.opType}`);
    else if (node.domain === "" ? controlFlow.has(node.opType) : subgraphsOf(node).length > 0)
      claims.single(node, "control-flow", node.opType);
  }
}

/** Layers that exporters write as one node; they go first, so that no pattern takes them for something else. */
export function claimFusedNodes(scan: Scan, claims: Claims): void {
  for (const node of scan.view.order) {
    if (claims.has(node)) continue;
    const norm = normNodes[`${node.domain}:${node.opType}`];
    if (norm !== undefined) claims.single(node, norm[0], norm[1]);
    else if (isOnnx(node) && geluNodes.has(node.opType))
      claims.single(node, "gelu", node.opType === "Gelu" ? geluTitle(node) : `GELU (${node.opType})`);
    else if (isOnnx(node) && attentionNodes.has(node.opType))
      claims.single(node, "attention", node.domain === "" ? node.opType : `${node.opType} (${node.domain})`);
    else claimEmbedding(scan, claims, node);
  }
}

const geluTitle = (node: Node): string =>
  node.attributes.get("approximate")?.string === "tanh" ? "GELU (Gelu node, tanh)" : "GELU (Gelu node)";

function claimEmbedding(scan: Scan, claims: Claims, node: Node): void {
  if (node.domain === "com.microsoft" && node.opType === "EmbedLayerNormalization") {
    claims.single(node, "embedding", "Embeddings with LayerNormalization (EmbedLayerNormalization)");
    return;
  }
  if (node.domain !== "" || node.opType !== "Gather" || (node.attributes.get("axis")?.int ?? 0) !== 0) return;
  const table = scan.constant(node.inputs[0]);
  const output = node.outputs[0] ?? "";
  if (table === undefined || (table.dims !== undefined && table.dims.length < 2) || !scan.mayBeFloat(output)) return;
  if (scan.dtypes.get(output) === undefined && !scan.mayBeFloat(node.inputs[0] ?? "")) return;
  const size = table.dims === undefined ? "" : ` ${table.dims.join("x")}`;
  const cast = scan.onlyUserOf(output, "Cast");
  const result = cast?.outputs[0] ?? "";
  const widens = cast !== undefined && scan.dtypes.get(output) !== scan.dtypes.get(result);
  if (cast !== undefined && widens && scan.mayBeFloat(result)) {
    if (claims.take({ kind: "embedding", title: `Embedding${size} (Gather + Cast)`, nodes: new Set([node, cast]), main: node }, result))
      return;
  }
  claims.single(node, "embedding", `Embedding${size}`);
}

/** Whatever no pattern took: every node becomes a layer of its own. */
export function claimRest(scan: Scan, claims: Claims): void {
  for (const node of scan.view.order) if (!claims.has(node)) claims.single(node, ...kindOf(scan, node));
}

function kindOf(scan: Scan, node: Node): [LayerKind, string] {
  const { opType } = node;
  const title = node.domain === "" ? opType : `${opType} (${node.domain})`;
  if (node.domain === "" && opType === "Constant") return ["shape", title];
  const outputs = node.outputs.filter((o) => o !== "");
  if (isOnnx(node) && casts.has(opType))
    return opType === "Cast" && isIntegerOnly(scan, node) ? ["shape", title] : ["cast", castTitle(scan, node)];
  if (outputs.length > 0 && outputs.every((o) => !scan.mayBeFloat(o))) return ["shape", title];
  if (!isOnnx(node)) return ["operator", title];
  if (pools.has(opType)) return ["pooling", poolTitle(node)];
  if (isSpatialMean(scan, node)) return ["pooling", "Global average pooling (ReduceMean)"];
  if (isMover(node)) return ["mover", title];
  if (activationOperators.has(opType)) return ["activation", title];
  if (opType === "MatMul" || opType === "FusedMatMul" || opType === "Gemm") return ["matmul", `Product of two activations (${opType})`];
  return ["operator", title];
}

const isIntegerOnly = (scan: Scan, node: Node): boolean => [node.inputs[0] ?? "", node.outputs[0] ?? ""].every((t) => !scan.mayBeFloat(t));

function castTitle(scan: Scan, node: Node): string {
  const type = (t: string | undefined) => scan.dtypes.get(t ?? "");
  const from = type(node.inputs[0]);
  const to = type(node.outputs[0]);
  return from === undefined || to === undefined ? node.opType : `${node.opType} ${from} -> ${to}`;
}

const poolTitle = (node: Node): string => [node.opType, node.attributes.get("kernel_shape")?.ints?.join("x")].filter(Boolean).join(" ");

/** The mean over height and width, by which PyTorch pools. */
function isSpatialMean(scan: Scan, node: Node): boolean {
  if (node.domain !== "" || node.opType !== "ReduceMean") return false;
  const axes = node.attributes.get("axes")?.ints ?? scan.smallValues(node.inputs[1]);
  const key = axes && [...axes].sort((a, b) => a - b).join();
  return key === "2,3" || key === "-2,-1";
}
