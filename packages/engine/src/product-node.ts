import { chips, type Placement, type TensorTypes } from "@halfscope/core";
import { editNode, encodeAttribute, type GraphView, type Model, type Node, type NodeEdit } from "@halfscope/onnx";
import { operatorDomain } from "./graph-builder.js";

/** Operators that `halfscope.Product` stands in for, by its attribute `kind`. */
const kinds: Readonly<Record<string, number>> = { MatMul: 0, Gemm: 1, Conv: 2 };

/**
 * Weights that nothing but products of ours reads, as their second input, with the placement that rounds each: a product rounds them as it packs them, which saves
 * writing and reading a rounded copy of the whole file. `product` tells the placement of a node's sums, undefined for nodes that are not replaced.
 */
export function packedWeights(
  view: GraphView,
  atTensor: ReadonlyMap<string, number>,
  isProduct: (node: Node) => boolean,
): ReadonlyMap<string, number> {
  const packed = new Map<string, number>();
  for (const [tensor, placement] of atTensor) {
    const uses = view.consumers.get(tensor) ?? [];
    const onlyProducts = uses.length > 0 && uses.every((u) => u.input === 1 && isProduct(u.node));
    if (view.initializers.has(tensor) && onlyProducts && !view.graphOutputs.has(tensor)) packed.set(tensor, placement);
  }
  return packed;
}

/**
 * Whether a product of ours with ONNX Runtime's sums can stand for this node, to round the matrix of weights that it reads. Sizes must be known: what follows works in
 * place only then.
 */
export function canPack(node: Node, view: GraphView, types: TensorTypes): boolean {
  const weight = view.initializers.get(node.inputs[1] ?? "");
  const sizes = types.get(node.outputs[0] ?? "")?.dims;
  return (
    node.opType === "MatMul" &&
    node.domain === "" &&
    weight?.dtype === "float32" &&
    weight.dims.length === 2 &&
    (sizes?.every((d) => d !== undefined) ?? false)
  );
}

export interface ProductNodeOptions {
  model: Model;
  /** Index of the switch of its sums; without one they stay ONNX Runtime's. */
  switchIndex?: number | undefined;
  /** Index of the switch that rounds its second input as it is packed. */
  packedSwitch?: number | undefined;
  edit: NodeEdit;
}

/**
 * NodeProto bytes of a product whose sums a switch decides: off, it runs ONNX Runtime's own kernel and gives the same bits as the node it replaces. All
 * attributes of that node stay.
 */
export function productNode(
  node: Node,
  sums: Placement["sums"] | undefined,
  { model, switchIndex, packedSwitch, edit }: ProductNodeOptions,
): Uint8Array {
  const attributes = {
    kind: kinds[node.opType] ?? 0,
    ...(switchIndex !== undefined && { switch: switchIndex }),
    opset: model.opsets.get(node.domain) ?? 1,
    ...(sums && { chunk: sums.chunk, pieces: sums.pieces, chip: chips.indexOf(sums.chip) }),
    ...(packedSwitch !== undefined && { b_switch: packedSwitch }),
  };
  return editNode(node, {
    ...edit,
    opType: "Product",
    domain: operatorDomain,
    attributes: new Map(Object.entries(attributes).map(([name, value]) => [name, encodeAttribute(name, value)])),
  });
}
