import { type DType, numberFromDtype, type TensorValue } from "@halfscope/core";
import proto from "onnx-proto";

const { onnx } = proto;
type Node = proto.onnx.INodeProto;
type ValueInfo = proto.onnx.IValueInfoProto;
type GraphProto = proto.onnx.IGraphProto;

/** A tensor of a graph's signature. */
export interface Signature {
  name: string;
  dtype?: DType;
  dims: readonly (number | string)[];
}

const valueInfo = ({ name, dtype = "float32", dims }: Signature): ValueInfo => ({
  name,
  type: {
    tensorType: {
      elemType: numberFromDtype(dtype),
      shape: { dim: dims.map((d) => (typeof d === "string" ? { dimParam: d } : { dimValue: d })) },
    },
  },
});

/** A node; attributes are integers, lists of integers, floats, strings, or bodies. */
export function node(
  opType: string,
  inputs: string[],
  outputs: string[],
  attributes: Record<string, number | number[] | { float: number } | string | GraphProto> = {},
  domain = "",
): Node {
  const { INT, INTS, FLOAT, STRING, GRAPH } = onnx.AttributeProto.AttributeType;
  const attribute = Object.entries(attributes).map(([name, value]) => {
    if (typeof value === "number") return { name, type: INT, i: value };
    if (typeof value === "string") return { name, type: STRING, s: new TextEncoder().encode(value) };
    if ("float" in value) return { name, type: FLOAT, f: value.float };
    return Array.isArray(value) ? { name, type: INTS, ints: value } : { name, type: GRAPH, g: value };
  });
  return { opType, input: inputs, output: outputs, name: outputs[0] ?? "", domain, attribute };
}
export const round = (input: string, output: string, index: number, scalar = 0): Node =>
  node("Round", [input], [output], { switch: index, scalar }, "halfscope");
export const compare = (reference: string, candidate: string, slot: number): Node =>
  node("Compare", [reference, candidate], [`${slot}#cmp`], { slot }, "halfscope");
export const differs = (reference: string, candidate: string, slot: number): Node =>
  node("Differs", [reference, candidate], [`d${slot}#cmp`], { slot }, "halfscope");

export interface TinyModel {
  inputs: readonly Signature[];
  outputs: readonly Signature[];
  nodes: readonly Node[];
  /** Float32 or int64 constants. */
  constants?: Readonly<Record<string, { dims: readonly number[]; values: Float32Array | BigInt64Array }>>;
}

/** A graph, also as the body of a node. */
export const graph = ({ inputs, outputs, nodes, constants = {} }: TinyModel): GraphProto => ({
  name: "tiny",
  node: [...nodes],
  input: inputs.map(valueInfo),
  output: outputs.map(valueInfo),
  initializer: Object.entries(constants).map(([name, { dims, values }]) => ({
    name,
    dims: [...dims],
    dataType: values instanceof Float32Array ? 1 : 7,
    rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  })),
});

/** A serialised ModelProto of opset 13, for tests. */
export function tinyModel(of: TinyModel): Uint8Array {
  return onnx.ModelProto.encode({
    irVersion: 7,
    opsetImport: [
      { domain: "", version: 13 },
      { domain: "halfscope", version: 1 },
    ],
    graph: graph(of),
  }).finish();
}

const bytesOf = (values: ArrayBufferView): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
export const floats = (values: Float32Array, dims: readonly number[] = [values.length]): TensorValue => ({
  dtype: "float32",
  dims,
  data: bytesOf(values),
});
export const int64s = (values: readonly number[], dims: readonly number[] = [values.length]): TensorValue => ({
  dtype: "int64",
  dims,
  data: bytesOf(BigInt64Array.from(values, BigInt)),
});
/** The values of a float32 tensor, at any alignment. */
export const floatValues = (tensor: TensorValue | undefined): Float32Array =>
  new Float32Array((tensor?.data ?? new Uint8Array()).slice().buffer);
