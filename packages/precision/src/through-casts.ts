import { isFloat, type TensorTypes } from "@halfscope/core";
import type { GraphView } from "@halfscope/onnx";

/** A mixed file casts what FP16 and FP32 readers share: behind the Casts it is one tensor. */
export function throughCasts(tensor: string, view: GraphView, types: TensorTypes): string {
  let at = tensor;
  for (let node = view.producer.get(at); node?.opType === "Cast" && node.domain === ""; node = view.producer.get(at)) {
    const from = node.inputs[0] ?? "";
    if (!isFloat(types.get(from)?.dtype ?? "unknown") || !isFloat(types.get(at)?.dtype ?? "unknown")) break;
    at = from;
  }
  return at;
}

/** A weight, or what is made from weights alone. */
export const isWeight = (tensor: string, view: GraphView): boolean =>
  view.initializers.has(tensor) ||
  view.producer.get(tensor)?.opType === "Constant" ||
  (view.producer.get(tensor)?.inputs.every((t) => isWeight(t, view)) ?? false);
