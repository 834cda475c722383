import { type DType, elementCount } from "@halfscope/core";
import type { GraphView } from "../graph-view.js";
import type { Initializer, Node } from "../types.js";

/** A tensor that no input of the model can change. */
export interface Constant {
  /** Name of the initializer, or of the Constant node's output, that the values come from. */
  readonly root: string;
  readonly rootIsInitializer: boolean;
  readonly rootDtype: DType;
  /** undefined where operators between the root and this tensor hide the shape. */
  readonly dims: readonly number[] | undefined;
  /** The value of a one-element tensor; undefined for larger ones and for values that were left in the file. */
  readonly scalar: number | undefined;
}

export const isOneElement = (c: Constant): boolean => c.dims !== undefined && elementCount(c.dims) === 1;

/** Constants by tensor name: initializers, Constant nodes, and what operators that only move or convert make of them. */
export function collectConstants(view: GraphView): ReadonlyMap<string, Constant> {
  const constants = new Map<string, Constant>();
  for (const i of view.initializers.values()) constants.set(i.name, ofTensor(i, i.name, true));
  for (const node of view.order) {
    const found = ofNode(node, constants);
    const output = node.outputs[0];
    if (found === undefined || output === undefined) continue;
    // A Split's parts have its input's values, but not its shape.
    if (node.opType === "Split") for (const part of node.outputs) constants.set(part, { ...found, dims: undefined });
    else constants.set(output, found);
  }
  return constants;
}

function ofTensor(tensor: Initializer, root: string, rootIsInitializer: boolean): Constant {
  return { root, rootIsInitializer, rootDtype: tensor.dtype, dims: tensor.dims, scalar: scalarOf(tensor) };
}

function ofNode(node: Node, constants: ReadonlyMap<string, Constant>): Constant | undefined {
  if (node.domain !== "") return undefined;
  if (node.opType === "Constant") return ofConstantNode(node);
  const data = constants.get(node.inputs[0] ?? "");
  if (data === undefined) return undefined;
  switch (node.opType) {
    case "Identity":
    case "Cast":
    case "CastLike":
    case "DequantizeLinear":
      return data;
    case "Transpose":
      return { ...data, dims: data.dims && transposed(data.dims, node.attributes.get("perm")?.ints) };
    case "Reshape":
    case "Squeeze":
    case "Unsqueeze":
    case "Flatten":
    case "Slice":
    case "Split":
      return { ...data, dims: data.scalar === undefined ? undefined : data.dims };
    case "Sqrt":
      return data.scalar === undefined ? undefined : { ...data, scalar: Math.sqrt(data.scalar) };
    case "Reciprocal":
      return data.scalar === undefined ? undefined : { ...data, scalar: 1 / data.scalar };
    case "Neg":
      return data.scalar === undefined ? undefined : { ...data, scalar: -data.scalar };
    case "Mul":
    case "Div":
    case "Add":
    case "Sub": {
      const a = data.scalar;
      const b = constants.get(node.inputs[1] ?? "")?.scalar;
      return a === undefined || b === undefined ? undefined : { ...data, scalar: arithmetic[node.opType](a, b) };
    }
    default:
      return undefined;
  }
}

const arithmetic = {
  Mul: (a: number, b: number) => a * b,
  Div: (a: number, b: number) => a / b,
  Add: (a: number, b: number) => a + b,
  Sub: (a: number, b: number) => a - b,
};

function ofConstantNode(node: Node): Constant | undefined {
  const root = node.outputs[0] ?? "";
  const made = (rootDtype: DType, dims: readonly number[], scalar: number | undefined): Constant => ({
    root,
    rootIsInitializer: false,
    rootDtype,
    dims,
    scalar,
  });
  for (const a of node.attributes.values()) {
    if (a.tensor !== undefined) return ofTensor(a.tensor, root, false);
    if (a.name === "value_float") return made("float32", [], a.float);
    if (a.name === "value_int") return made("int64", [], a.int);
    if (a.name === "value_floats") return made("float32", [a.floats?.length ?? 0], a.floats?.length === 1 ? a.floats[0] : undefined);
    if (a.name === "value_ints") return made("int64", [a.ints?.length ?? 0], a.ints?.length === 1 ? a.ints[0] : undefined);
    if (a.name === "value_string") return made("string", [], undefined);
    if (a.name === "value_strings") return made("string", [a.strings?.length ?? 0], undefined);
  }
  return made("unknown", [], undefined);
}

const transposed = (dims: readonly number[], perm: readonly number[] | undefined): readonly number[] =>
  perm === undefined ? [...dims].reverse() : perm.map((p) => dims[p] ?? 0);

const scalarOf = (tensor: Initializer): number | undefined => (elementCount(tensor.dims) === 1 ? smallValues(tensor)?.[0] : undefined);

/** Values of a tensor that is in memory already; undefined for those that were left in a file: listing layers reads no weight. */
export function smallValues(tensor: Initializer): readonly number[] | undefined {
  if (tensor.data.kind !== "bytes") return undefined;
  const { bytes } = tensor.data;
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (width: number, get: (at: number) => number) =>
    Array.from({ length: Math.floor(bytes.length / width) }, (_, i) => get(i * width));
  switch (tensor.dtype) {
    case "float32":
      return read(4, (at) => v.getFloat32(at, true));
    case "float64":
      return read(8, (at) => v.getFloat64(at, true));
    case "float16":
      return read(2, (at) => halfToNumber(v.getUint16(at, true)));
    case "bfloat16":
      return read(2, (at) => bfloatToNumber(v.getUint16(at, true)));
    case "int64":
      return read(8, (at) => Number(v.getBigInt64(at, true)));
    case "int32":
      return read(4, (at) => v.getInt32(at, true));
    case "bool":
    case "uint8":
      return read(1, (at) => v.getUint8(at));
    default:
      return undefined;
  }
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function bfloatToNumber(bits: number): number {
  const v = new DataView(new ArrayBuffer(4));
  v.setUint32(0, bits << 16);
  return v.getFloat32(0);
}
