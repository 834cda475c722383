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
export const isWeight = (tensor: string, view: GraphView): boolean => view.initializers.has(tensor) || madeOfWeights(view).has(tensor);

const known = new WeakMap<GraphView, ReadonlySet<string>>();

/** In the graph's order, once: asked of each tensor by itself, a long or branching chain would be walked again and again. */
function madeOfWeights(view: GraphView): ReadonlySet<string> {
  const found = known.get(view);
  if (found !== undefined) return found;
  const made = new Set<string>();
  for (const { opType, inputs, outputs } of view.order)
    if (opType === "Constant" || inputs.every((t) => view.initializers.has(t) || made.has(t))) for (const t of outputs) made.add(t);
  known.set(view, made);
  return made;
}
