import { isFloat, type Layer, type TensorTypes } from "@halfscope/core";
import { constantScalar, type GraphView, layerNormParts, type Node } from "@halfscope/onnx";
import type { EngineProfile } from "./engine-profile.js";
import { flushThreshold } from "./half.js";
import { isWeight, throughCasts } from "./through-casts.js";

/**
 * Nodes that an engine runs as one and rounds once, at the end:
 * - `multiply-add`: a product by a weight whose only reader adds another weight, as at the end of a LayerNormalization;
 * - `layer-norm`: a LayerNormalization or RMS normalization that is written out with a Pow, as one node that computes in FP32;
 * - `scaled-product`: a matrix product whose only reader multiplies or divides it by one number;
 * - `masked-scores`: what is added to the scores of an attention, between its first product and a Softmax that only its second product reads.
 */
export type Fusion = "multiply-add" | "layer-norm" | "scaled-product" | "masked-scores";

interface Graph {
  view: GraphView;
  types: TensorTypes;
  layers: readonly Layer[];
}

/** Nodes whose rounding vanishes under a profile while they and all their readers are in FP16. */
export function keptFullBy(profile: EngineProfile, graph: Graph): (node: Node) => boolean {
  const rules = (profile.fusions ?? []).map((fusion) => rule[fusion](graph));
  return (node) => rules.some((keeps) => keeps(node));
}

const rule: Readonly<Record<Fusion, (graph: Graph) => (node: Node) => boolean>> = {
  "multiply-add": multiplyAdds,
  "layer-norm": layerNorms,
  "scaled-product": scaledProducts,
  "masked-scores": maskedScores,
};

function multiplyAdds({ view, types }: Graph): (node: Node) => boolean {
  const scales = (node: Node) => node.inputs.length === 2 && node.inputs.some((t) => isWeight(throughCasts(t, view, types), view));
  return (node) => {
    if (!isOperator(node, "Mul") || !scales(node)) return false;
    const reader = soleReader(node, view);
    return reader !== undefined && isOperator(reader, "Add") && scales(reader);
  };
}

/** What ONNX Runtime's fusions match, Casts left out (LayerNormFusion, SimplifiedLayerNormFusion). */
const written = {
  "layer-norm": ["Add", "Add", "Div", "Mul", "Pow", "ReduceMean", "ReduceMean", "Sqrt", "Sub"],
  "rms-norm": ["Add", "Div", "Mul", "Pow", "ReduceMean", "Sqrt"],
} as const;

/** All nodes of such a layer but those that others read. An epsilon that FP16 flushes to zero leaves the nodes alone: so ONNX Runtime 1.30 was measured. */
function layerNorms({ view, layers }: Graph): (node: Node) => boolean {
  const kept = new Set<number>();
  for (const layer of layers) {
    if (layer.kind !== "layer-norm" && layer.kind !== "rms-norm") continue;
    const nodes = normNodes(layer, view);
    if (nodes === undefined) continue;
    const epsilon = layerNormParts(view, layer)?.epsilon?.value;
    if (epsilon === undefined || epsilon <= flushThreshold) continue;
    const inside = new Set(nodes.map((n) => n.index));
    for (const node of nodes) if (readBy(node, view, (reader) => inside.has(reader.index))) kept.add(node.index);
  }
  return (node) => kept.has(node.index);
}

/** The nodes that are matched; a bias behind an RMS normalization belongs to the layer, but not to them. */
function normNodes(layer: Layer, view: GraphView): readonly Node[] | undefined {
  const wanted = written[layer.kind as keyof typeof written].join();
  const nodes = layer.nodes.flatMap((i) => view.nodes[i] ?? []).filter((n) => !isOperator(n, "Constant") && !isOperator(n, "Cast"));
  const fits = (some: readonly Node[]) =>
    some
      .map((n) => n.opType)
      .sort()
      .join() === wanted;
  if (fits(nodes)) return nodes;
  const read = new Set(nodes.flatMap((n) => n.inputs));
  const inner = nodes.filter((n) => !(isOperator(n, "Add") && !read.has(n.outputs[0] ?? "")));
  return layer.kind === "rms-norm" && fits(inner) ? inner : undefined;
}

function scaledProducts({ view, types }: Graph): (node: Node) => boolean {
  return (node) => {
    if (!isOperator(node, "MatMul")) return false;
    const reader = soleReader(node, view);
    if (reader === undefined || !(isOperator(reader, "Mul") || isOperator(reader, "Div"))) return false;
    const [first, second] = reader.inputs;
    const scale = first === node.outputs[0] ? second : isOperator(reader, "Mul") ? first : undefined;
    return isFloat(types.get(scale ?? "")?.dtype ?? "unknown") && constantScalar(view, scale) !== undefined;
  };
}

/** Nodes that an attention has at most between its products: a scale, and a few masks. Keeps a long chain of sums from being walked from each of its nodes. */
const longestScores = 6;

function maskedScores({ view, types }: Graph): (node: Node) => boolean {
  /** Of two activations: a gate's product with a weight was not measured. */
  const attends = (node: Node): boolean =>
    isOperator(node, "MatMul") && !node.inputs.some((t) => isWeight(throughCasts(t, view, types), view));
  /** Sums and scales behind such a product, that nobody else reads. */
  const scores = (tensor: string, left: number): boolean => {
    const node = view.producer.get(tensor);
    if (node === undefined || left === 0 || soleReader(node, view) === undefined) return false;
    if (isOperator(node, "MatMul")) return attends(node);
    return ["Add", "Mul", "Div"].some((op) => isOperator(node, op)) && node.inputs.some((t) => scores(t, left - 1));
  };
  const isWeighed = (node: Node, left: number): boolean => {
    const reader = soleReader(node, view);
    if (reader === undefined || left === 0) return false;
    if (isOperator(node, "Softmax")) return attends(reader);
    return isOperator(node, "Add") && isWeighed(reader, left - 1);
  };
  return (node) => isOperator(node, "Add") && isWeighed(node, longestScores) && node.inputs.some((t) => scores(t, longestScores));
}

const isOperator = (node: Node, opType: string): boolean => node.domain === "" && node.opType === opType;

/** Whether a node's only output has readers, and every one of them is such. */
function readBy(node: Node, view: GraphView, such: (reader: Node) => boolean): boolean {
  const [output = "", ...others] = node.outputs;
  const uses = view.consumers.get(output) ?? [];
  return others.length === 0 && uses.length > 0 && !view.graphOutputs.has(output) && uses.every((u) => such(u.node));
}

/** The node that alone reads a node's only output, directly. */
export function soleReader(node: Node, view: GraphView): Node | undefined {
  const [output = "", ...others] = node.outputs;
  const uses = view.consumers.get(output) ?? [];
  return others.length > 0 || uses.length !== 1 || view.graphOutputs.has(output) ? undefined : uses[0]?.node;
}
