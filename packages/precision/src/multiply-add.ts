import type { TensorTypes } from "@halfscope/core";
import type { GraphView, Node } from "@halfscope/onnx";
import type { EngineProfile } from "./engine-profile.js";
import { isWeight, throughCasts } from "./through-casts.js";

/**
 * Products by a weight whose only reader adds another weight, as at the end of a LayerNormalization: an engine that runs both as one multiply-add rounds once,
 * after the sum. True for such a Mul where the profile says so; its rounding vanishes when both nodes are in FP16.
 */
export function multiplyAdds(profile: EngineProfile, { view, types }: { view: GraphView; types: TensorTypes }): (node: Node) => boolean {
  if (profile.multiplyAdd !== "one-rounding") return () => false;
  const scales = (node: Node) => node.inputs.length === 2 && node.inputs.some((t) => isWeight(throughCasts(t, view, types), view));
  return (node) => {
    if (node.domain !== "" || node.opType !== "Mul" || !scales(node)) return false;
    const reader = soleReader(node, view);
    return reader !== undefined && reader.domain === "" && reader.opType === "Add" && scales(reader);
  };
}

/** The node that alone reads a node's only output, directly. */
export function soleReader(node: Node, view: GraphView): Node | undefined {
  const [output = "", ...others] = node.outputs;
  const uses = view.consumers.get(output) ?? [];
  return others.length > 0 || uses.length !== 1 || view.graphOutputs.has(output) ? undefined : uses[0]?.node;
}
