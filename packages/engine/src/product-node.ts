import { chips, type ProductSums } from "@halfscope/core";
import { editNode, encodeAttribute, type Model, type Node, type NodeEdit } from "@halfscope/onnx";
import { operatorDomain } from "./graph-builder.js";

/** Operators that `halfscope.Product` stands in for, by its attribute `kind`. */
const kinds: Readonly<Record<string, number>> = { MatMul: 0, Gemm: 1, Conv: 2 };

/**
 * NodeProto bytes of a product whose sums a switch decides: off, it runs ONNX Runtime's own kernel and gives the same bits as the node it replaces. All
 * attributes of that node stay.
 */
export function productNode(node: Node, sums: ProductSums, switchIndex: number, model: Model, edit: NodeEdit): Uint8Array {
  const attributes = {
    kind: kinds[node.opType] ?? 0,
    switch: switchIndex,
    opset: model.opsets.get(node.domain) ?? 1,
    chunk: sums.chunk,
    pieces: sums.pieces,
    chip: chips.indexOf(sums.chip),
  };
  return editNode(node, {
    ...edit,
    opType: "Product",
    domain: operatorDomain,
    attributes: new Map(Object.entries(attributes).map(([name, value]) => [name, encodeAttribute(name, value)])),
  });
}
