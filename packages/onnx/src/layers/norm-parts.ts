import type { Layer } from "@halfscope/core";
import type { GraphView } from "../graph-view.js";
import type { Node } from "../types.js";
import { matchNorm } from "./norm.js";
import { Scan } from "./scan.js";

/** What can go wrong in FP16 inside a normalization; undefined fields are hidden inside one node. */
export interface LayerNormParts {
  readonly input: string;
  /** Tensor whose values are the squares of the (centred) input. */
  readonly square?: string;
  readonly variance?: string;
  /** `tensor`: the initializer or Constant output that holds it; absent when it is an attribute. */
  readonly epsilon?: { readonly value: number; readonly tensor?: string };
}

/** Epsilon where the attribute is absent (ONNX and ONNX Runtime operator schemas). */
const defaultEpsilon = (node: Node): number => (node.opType === "SkipLayerNormalization" ? 1e-12 : 1e-5);

/** Looks into a layer-norm or rms-norm layer of this graph; undefined for other layers. */
export function layerNormParts(view: GraphView, layer: Layer): LayerNormParts | undefined {
  if (layer.kind !== "layer-norm" && layer.kind !== "rms-norm") return undefined;
  const nodes = layer.nodes.flatMap((i) => view.nodes[i] ?? []);
  const fused = nodes.find((n) => n.opType.endsWith("LayerNormalization") || n.opType === "RMSNormalization");
  if (fused !== undefined)
    return { input: fused.inputs[0] ?? "", epsilon: { value: fused.attributes.get("epsilon")?.float ?? defaultEpsilon(fused) } };
  const scan = Scan.of(view);
  for (const node of nodes) {
    const match = matchNorm(scan, node);
    if (match === undefined) continue;
    const { input, square, variance, epsilon } = match;
    return {
      input,
      variance,
      ...(square !== undefined && { square }),
      ...(epsilon.scalar !== undefined && { epsilon: { value: epsilon.scalar, tensor: epsilon.root } }),
    };
  }
  return undefined;
}
