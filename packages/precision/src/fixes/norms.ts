import type { Layer } from "@halfscope/core";
import { encodeNode, layerNormParts, type Node } from "@halfscope/onnx";
import type { Fix, FixPlan, FixSubject, NoFix } from "./fix.js";

/** First opset with the operator, and its name. */
const fused = {
  "layer-norm": { opset: 17, operator: "LayerNormalization" },
  "rms-norm": { opset: 23, operator: "RMSNormalization" },
} as const;

/**
 * Normalizations that are written as many nodes, as the one node that engines compute in FP32 inside: the square that FP16 cannot hold is then no tensor any more.
 * Only over the last axis, with a scale (and a bias) of that axis, and where nothing else reads what lies inside.
 */
export function fuseNorms(o: FixSubject): FixPlan {
  const fixes: Fix[] = [];
  const none: NoFix[] = [];
  const wanted = new Set(o.hazards.filter((h) => hazardsInside.has(h.code) && h.severity !== "info").map((h) => h.layer));
  for (const layer of o.layers) {
    if ((layer.kind !== "layer-norm" && layer.kind !== "rms-norm") || layer.nodes.length < 3 || !wanted.has(layer.id)) continue;
    const found = fuse(o, layer, layer.kind);
    if (typeof found === "string") none.push({ layer: layer.id, kind: "fuse-norm", reason: found });
    else fixes.push(found);
  }
  return { fixes, none };
}

const hazardsInside: ReadonlySet<string> = new Set(["decomposed-layer-norm", "epsilon-underflow", "range-overflow", "hidden-overflow"]);

function fuse(o: FixSubject, layer: Layer, kind: keyof typeof fused): Fix | string {
  const { operator, opset } = fused[kind];
  const has = o.model.opsets.get("") ?? 1;
  if (has < opset) return `${operator} needs opset ${opset}, the model has ${has}: export it with a newer opset`;
  const nodes = layer.nodes.flatMap((i) => o.view.nodes[i] ?? []);
  if (nodes.some((n) => o.view.bodyOf.has(n.index))) return "it stands in a branch or loop body";
  const parts = layerNormParts(o.view, layer);
  const [output, ...more] = layer.outputs;
  if (parts?.epsilon === undefined || output === undefined || more.length > 0) return "its epsilon or its one result was not found";
  const input = parts.input;
  const rank = o.types.get(input)?.dims?.length;
  if (!nodes.every((n) => reducesLastAxis(o, n, rank))) return "it does not normalise over the last axis alone";
  const scale = vectorOf(o, nodes, ["Mul"]);
  const bias = vectorOf(o, nodes, ["Add", "Sub"]);
  if (scale.length !== 1 || bias.length > 1 || (kind === "rms-norm" && bias.length > 0)) return "its scale and bias were not found";
  const producer = o.view.producer.get(output);
  if (producer === undefined) return "its result was not found";
  const node = encodeNode({
    name: `${producer.name || output}/${operator}`,
    opType: operator,
    inputs: [input, ...scale, ...bias],
    outputs: [output],
    attributes: { axis: -1, epsilon: { float: parts.epsilon.value } },
  });
  // Constants inside may serve others too; they stay where they are.
  const replaced = nodes.filter((n) => n.opType !== "Constant").map((n) => [n.index, n === producer ? [node] : []] as const);
  return {
    id: `fuse-norm:${layer.id}`,
    kind: "fuse-norm",
    title: `${layer.id}: ${nodes.length} nodes to one ${operator} (epsilon ${Number(parts.epsilon.value.toPrecision(3))})`,
    layers: [layer.id],
    edit: { nodes: new Map(replaced) },
  };
}

function reducesLastAxis({ view }: FixSubject, node: Node, rank: number | undefined): boolean {
  if (!node.opType.startsWith("Reduce")) return true;
  const stored = view.initializers.get(node.inputs[1] ?? "") ?? view.producer.get(node.inputs[1] ?? "")?.attributes.get("value")?.tensor;
  const bytes = stored?.data.kind === "bytes" ? stored.data.bytes : undefined;
  const fromInput =
    bytes &&
    Array.from({ length: bytes.length / 8 }, (_, i) => Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(8 * i, true)));
  const axes = node.attributes.get("axes")?.ints ?? fromInput;
  return axes?.length === 1 && (axes[0] === -1 || (rank !== undefined && axes[0] === rank - 1));
}

/** Vectors that the nodes multiply by or add. */
function vectorOf({ view, types }: FixSubject, nodes: readonly Node[], operators: readonly string[]): string[] {
  const isVector = (t: string) => {
    const stored = view.initializers.get(t)?.dims ?? view.producer.get(t)?.attributes.get("value")?.tensor?.dims;
    const constant = view.initializers.has(t) || view.producer.get(t)?.opType === "Constant";
    const dims = stored ?? types.get(t)?.dims;
    return constant && dims?.length === 1 && (dims[0] ?? 0) > 1;
  };
  return [...new Set(nodes.filter((n) => operators.includes(n.opType)).flatMap((n) => n.inputs.filter(isVector)))];
}
