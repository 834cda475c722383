import {
  type HalfType,
  type ProductSums,
  type SumType,
  switchHalfSums,
  switchHalfSumsExact,
  switchTensorCoreSums,
  type TensorTypes,
} from "@halfscope/core";
import type { Node } from "@halfscope/onnx";
import type { EngineProfile } from "./engine-profile.js";
import type { SumsOf } from "./sites.js";

/** Products that a chip's tensor core adds at once in FP16 (arXiv 2512.07004; for Hopper measured, test/hardware/mma-h200). */
const groupOf = { volta: 4, ampere: 8, hopper: 16, blackwell: 16 } as const;

/**
 * Groups of channels so narrow that libraries leave the tensor cores aside: depthwise and nearly depthwise convolutions. They sum in FP32 there
 * (taken, not measured).
 */
const narrowGroup = 8;

const positions: Readonly<Record<Exclude<SumType, "float32">, ProductSums["position"]>> = {
  float16: switchHalfSums,
  "float16-exact": switchHalfSumsExact,
  "tensor-core": switchTensorCoreSums,
};

/** How the products of a model sum under a profile. bfloat16 products sum in FP32 on every chip. */
export function productSums(
  profile: EngineProfile,
  types: TensorTypes,
  type: HalfType = "float16",
  pieces: EngineProfile["pieces"] = profile.pieces,
): SumsOf {
  return (node) => {
    if (type !== "float16" || node.domain !== "" || !isProduct(node)) return undefined;
    const sums = profile.sums[node.opType];
    if (sums === "float32" || (node.opType === "Conv" && isNarrow(node, types))) return undefined;
    const depth = depthOf(node, types);
    return {
      position: positions[sums],
      chunk: groupOf[profile.chip],
      pieces:
        depth === undefined
          ? 1
          : Math.min(pieces === "auto" ? piecesOf(depth) : pieces, Math.max(1, Math.ceil(depth / groupOf[profile.chip]))),
      chip: profile.chip,
    };
  };
}

/** Longest stretch of K that one accumulator sums before libraries split. */
export const splitLength = 1024;

/**
 * The rule for splitting K: as few accumulators as keep each stretch within `splitLength`. Measured on an H200: K = 1024 is not split by TensorRT 10.6; the error of
 * K = 4096 lies between that of 4 and of 6 pieces.
 */
export const piecesOf = (depth: number): number => Math.max(1, Math.ceil(depth / splitLength));

/** Products whose number of accumulators is the library's choice: those that the rule splits. */
export const hasBand = (sums: ProductSums): boolean => sums.pieces > 1;

const isProduct = (node: Node): node is Node & { opType: "MatMul" | "Gemm" | "Conv" } =>
  node.opType === "MatMul" || node.opType === "Gemm" || node.opType === "Conv";

/** K: how many products one output sums; undefined where sizes are not known. */
export function depthOf(node: Node, types: TensorTypes): number | undefined {
  const dims = (input: number) => types.get(node.inputs[input] ?? "")?.dims;
  if (node.opType === "MatMul") return dims(0)?.at(-1);
  if (node.opType === "Gemm") return dims(0)?.at(node.attributes.get("transA")?.int === 1 ? 0 : -1);
  const kernel = dims(1)?.slice(1);
  return kernel === undefined || kernel.includes(undefined) ? undefined : kernel.reduce<number>((n, d) => n * (d ?? 1), 1);
}

function isNarrow(node: Node, types: TensorTypes): boolean {
  const groups = node.attributes.get("group")?.int ?? 1;
  const channels = types.get(node.inputs[1] ?? "")?.dims?.[1];
  return groups > 1 && channels !== undefined && channels < narrowGroup;
}
