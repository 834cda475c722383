import { elementCount, isFloat } from "@halfscope/core";
import type { Node } from "../types.js";
import type { Recogniser } from "./claims.js";
import type { Constant } from "./constants.js";
import type { Scan } from "./scan.js";

/** Products of two matrices, with the position of the operand that is a weight where the operator fixes it. */
const products: Readonly<Record<string, number | undefined>> = {
  ":MatMul": undefined,
  ":Gemm": undefined,
  ":MatMulInteger": undefined,
  "com.microsoft:FusedMatMul": undefined,
  "com.microsoft:FusedGemm": 1,
  "com.microsoft:MatMulNBits": 1,
  "com.microsoft:MatMulBnb4": 1,
  "com.microsoft:MatMulIntegerToFloat": 1,
  "com.microsoft:DynamicQuantizeMatMul": 1,
  "com.microsoft:GemmFastGelu": 1,
  ":QLinearMatMul": 3,
};

export const isProduct = (node: Node): boolean => Object.hasOwn(products, `${node.domain}:${node.opType}`);

/** Recognises MatMul and Gemm with a weight, together with the bias that is added behind. */
export const recogniseLinears: Recogniser = (scan, claims) => {
  for (const node of scan.view.order) {
    if (claims.has(node) || !isProduct(node)) continue;
    const weight = weightOf(scan, node);
    if (weight === undefined) continue;
    const sizes = sizesOf(node, weight);
    const ownBias = node.opType.includes("Gemm") && (node.inputs[2] ?? "") !== "";
    const bias = ownBias ? undefined : matchBias(scan, node.outputs[0] ?? "", sizes?.to);
    const size = sizes === undefined ? "" : ` ${sizes.from}->${sizes.to}`;
    const title = (withBias: boolean) => `Linear${size} (${node.opType}${withBias ? " + bias" : ""})`;
    const nodes = new Set([node, ...(bias?.nodes ?? [])]);
    if (bias !== undefined && claims.take({ kind: "linear", title: title(true), nodes, main: node }, bias.output)) continue;
    claims.take({ kind: "linear", title: title(ownBias), nodes: new Set([node]), main: node }, node.outputs[0] ?? "");
  }
};

interface Weight {
  readonly constant: Constant;
  readonly position: number;
}

/** The constant matrix of a product; undefined for products of two activations. Vectors count, scalars do not. */
function weightOf(scan: Scan, node: Node): Weight | undefined {
  const fixed = products[`${node.domain}:${node.opType}`];
  for (const position of fixed === undefined ? [1, 0] : [fixed]) {
    const constant = scan.constant(node.inputs[position]);
    if (constant === undefined) continue;
    const { dims } = constant;
    // An outer product of a constant column with positions makes rotary angles; it mixes no features.
    const isColumn = position === 0 && dims !== undefined && dims.at(-1) === 1;
    if (!isColumn && (dims === undefined || dims.length > 0)) return { constant, position };
  }
  return undefined;
}

function sizesOf(node: Node, { constant, position }: Weight): { from: number; to: number } | undefined {
  const { dims } = constant;
  if (dims === undefined || dims.length < 2 || node.opType === "MatMulNBits" || node.opType === "MatMulBnb4") return undefined;
  const flipped = (node.attributes.get(position === 1 ? "transB" : "transA")?.int ?? 0) !== 0;
  const [rows = 0, columns = 0] = dims.slice(-2);
  // x W has its inputs in W's rows, W x in its columns.
  return flipped === (position === 1) ? { from: columns, to: rows } : { from: rows, to: columns };
}

/**
 * The addition of a constant vector behind a product or convolution, also behind a reshape. `size`: how many values the vector must have;
 * where that is unknown it must be a plain vector.
 */
export function matchBias(scan: Scan, tensor: string, size: number | undefined): { nodes: readonly Node[]; output: string } | undefined {
  const nodes: Node[] = [];
  for (let at = tensor; ; ) {
    const node = scan.onlyUser(at);
    if (node === undefined || node.domain !== "") return undefined;
    const next = node.outputs[0] ?? "";
    nodes.push(node);
    if (node.opType === "Add") {
      const constant = scan.constant(scan.other(node, at));
      return constant !== undefined && isVector(constant, size) ? { nodes, output: next } : undefined;
    }
    if (!beforeBias.has(node.opType) || node.inputs[0] !== at || nodes.length > 4) return undefined;
    at = next;
  }
}

const beforeBias = new Set(["Reshape", "Squeeze", "Unsqueeze", "Slice", "Transpose", "Cast", "Identity"]);

function isVector(constant: Constant, size: number | undefined): boolean {
  if (!isFloat(constant.rootDtype) && constant.rootDtype !== "int32" && constant.rootDtype !== "int8") return false;
  if (constant.dims === undefined) return true;
  const count = elementCount(constant.dims);
  return size === undefined ? constant.dims.length === 1 && count > 1 : count === size;
}
