import type { TensorTypes } from "@halfscope/core";
import type { GraphView, Node } from "@halfscope/onnx";
import { movedInputs, readsShapeOnly } from "./operators.js";

/** What an FP16 or mixed-precision file rounds, read from its types and Casts. */
export interface RestoredSites {
  /** As `roundedUses` of a plan: `TENSOR > READER#INPUT`, with the names of the FP32 original. */
  uses: ReadonlySet<string>;
  /** Original names of tensors of which some use is rounded. */
  tensors: ReadonlySet<string>;
  casts: number;
  halfWeights: number;
  fullWeights: number;
}

/** Name that a tensor had before `realisePlan` made versions of it. */
export const originalName = (tensor: string): string => tensor.replace(/(\/fp16|\/fp32)_*$/, "");

const isFloat = (types: TensorTypes, t: string) => types.get(t)?.dtype === "float32" || types.get(t)?.dtype === "float16";
/** A Cast between FP32 and FP16: it is no operation of the model but a border of precision. */
export const isPrecisionCast = (node: Node, types: TensorTypes): boolean =>
  node.domain === "" && node.opType === "Cast" && isFloat(types, node.inputs[0] ?? "") && isFloat(types, node.outputs[0] ?? "");

/** The inverse of `realisePlan`: works on any FP16 or mixed file, of halfscope or another tool. */
export function restoreSites(view: GraphView, types: TensorTypes): RestoredSites {
  const isHalf = (t: string) => types.get(t)?.dtype === "float16";
  /** Roots of each float tensor, and whether the way from there passes FP16. */
  const carried = new Map<string, ReadonlyMap<string, boolean>>();
  const own = (t: string) => new Map([[originalName(t), isHalf(t)]]);
  for (const i of view.initializers.keys()) if (isFloat(types, i)) carried.set(i, own(i));
  for (const v of view.graphInputs) if (isFloat(types, v) && !carried.has(v)) carried.set(v, own(v));
  const uses = new Set<string>();
  let casts = 0;
  for (const node of view.order) {
    const passes = isPrecisionCast(node, types) ? [0] : movedInputs(node)?.filter((i) => isFloat(types, node.inputs[i] ?? ""));
    if (passes !== undefined && passes.length > 0) {
      if (isPrecisionCast(node, types)) casts++;
      const merged = new Map<string, boolean>();
      for (const i of passes)
        for (const [root, rounded] of carried.get(node.inputs[i] ?? "") ?? []) merged.set(root, rounded || (merged.get(root) ?? false));
      for (const t of node.outputs)
        if (isFloat(types, t)) carried.set(t, new Map([...merged].map(([root, rounded]) => [root, rounded || isHalf(t)])));
      continue;
    }
    const reader = originalName(node.outputs.find((t) => t !== "") ?? "");
    if (!readsShapeOnly(node))
      node.inputs.forEach((t, i) => {
        for (const [root, rounded] of carried.get(t) ?? []) if (rounded) uses.add(`${root} > ${reader}#${i}`);
      });
    for (const t of node.outputs) if (isFloat(types, t)) carried.set(t, own(t));
  }
  const weights = [...view.initializers.values()];
  return {
    uses,
    tensors: new Set([...uses].map((u) => u.slice(0, u.lastIndexOf(" > ")))),
    casts,
    halfWeights: weights.filter((w) => w.dtype === "float16").length,
    fullWeights: weights.filter((w) => w.dtype === "float32").length,
  };
}
