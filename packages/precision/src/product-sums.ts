import {
  elementCount,
  type HalfType,
  type ProductSums,
  type SumType,
  switchHalfSums,
  switchHalfSumsExact,
  switchTensorCoreSums,
  type TensorTypes,
} from "@halfscope/core";
import type { GraphView, Node } from "@halfscope/onnx";
import type { EngineProfile } from "./engine-profile.js";
import type { SumsOf } from "./sites.js";
import { isWeight, throughCasts } from "./through-casts.js";

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

/**
 * How the products of a model, or of a file made from it, sum under a profile: the same for both, since neither pins nor Casts change the answer. bfloat16
 * products sum in FP32 on every chip.
 */
export function productSums(
  profile: EngineProfile,
  { view, types }: { view: GraphView; types: TensorTypes },
  type: HalfType = "float16",
): SumsOf {
  const merged = profile.merged === undefined ? new Set<Node>() : mergedProducts(view, types);
  return (node) => {
    if (type !== "float16" || node.domain !== "" || !isProduct(node)) return undefined;
    const sums = merged.has(node) ? (profile.merged ?? profile.sums[node.opType]) : profile.sums[node.opType];
    if (sums === "float32" || (node.opType === "Conv" && isNarrow(node, types))) return undefined;
    const depth = depthOf(node, types);
    const chunk = groupOf[profile.chip];
    const wanted =
      profile.pieces === "auto" ? piecesOf(depth ?? 1, elementsOf(node.outputs[0], types) ?? Number.POSITIVE_INFINITY) : profile.pieces;
    return {
      position: positions[sums],
      chunk,
      pieces: depth === undefined ? 1 : Math.min(wanted, Math.max(1, Math.ceil(depth / chunk))),
      chip: profile.chip,
    };
  };
}

/** Depth that a library gives to one accumulator when it splits. */
export const splitDepth = 1024;
/** From which depth on it splits. Between 2048 and this nothing was measured: one accumulator errs more, so a prediction with it is on the safe side. */
const leastSplit = 4096;
/** Outputs in tiles of 64 x 64 that keep half the multiprocessors of an H200 (132) busy: from there on, splitting K brings nothing. */
const busyOutputs = 66 * 64 * 64;

/**
 * The rule for splitting K: TensorRT 10.6's on an H200, as far as it was seen (test/hardware). 128 x 4096 x 1024 inside BERTs ran on 4 accumulators and a lone 128 x 8192 x 1024
 * on 8, bit for bit; 512 and 1536 rows were not split. 256 x 2048 x 512 inside five BERTs was not either: with one accumulator the errors of their outputs agree to 0.6 %, with two
 * they are 10 % too small (reports/hardware/small-tensorrt.json). Libraries choose by timing (a lone 128 x 4096 x 1024 was left in one piece), so results carry a band.
 */
export const piecesOf = (depth: number, outputs = 1): number =>
  outputs > busyOutputs || depth < leastSplit ? 1 : Math.ceil(depth / splitDepth);

/** Products that several weights make of one activation: queries, keys and values. Engines run them as one. */
function mergedProducts(view: GraphView, types: TensorTypes): ReadonlySet<Node> {
  const bySource = new Map<string, Node[]>();
  for (const node of view.order) {
    if (node.domain !== "" || (node.opType !== "MatMul" && node.opType !== "Gemm")) continue;
    if (!isWeight(throughCasts(node.inputs[1] ?? "", view, types), view)) continue;
    const source = `${throughCasts(node.inputs[0] ?? "", view, types)}\0${depthOf(node, types)}`;
    bySource.set(source, [...(bySource.get(source) ?? []), node]);
  }
  return new Set([...bySource.values()].filter((nodes) => nodes.length > 1).flat());
}

function elementsOf(tensor: string | undefined, types: TensorTypes): number | undefined {
  const dims = types.get(tensor ?? "")?.dims;
  return dims?.every((d) => d !== undefined) ? elementCount(dims) : undefined;
}

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
