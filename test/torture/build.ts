/**
 * ONNX models byte by byte, for what no library would write: graphs inside nodes at any depth, functions with attribute references and overloads, values
 * in any field of a tensor, fields that no schema knows. Field numbers are those of onnx.proto.
 */
import { block, fixed32, packed, varintField } from "../support/wire.js";

/** Fields put behind those of a message, as they are. */
export type Extra = readonly Uint8Array[];

export type AttributeValue =
  | number
  | readonly number[]
  | { float: number }
  | { floats: readonly number[] }
  | { text: string }
  | { texts: readonly string[] }
  | { tensor: Uint8Array }
  /** GraphProto: a body. */
  | Uint8Array
  | { graphs: readonly Uint8Array[] }
  /** TypeProto. */
  | { type: Uint8Array }
  /** The value of an attribute of the function that the node stands in; `type` is AttributeProto's number of its type. */
  | { ref: string; type: number };

/** AttributeProto. */
export function attribute(name: string, value: AttributeValue, extra: Extra = []): Uint8Array {
  const [type, fields] = attributeFields(value);
  return Buffer.concat([block(1, name), ...fields, varintField(20, type), ...extra]);
}

function attributeFields(value: AttributeValue): [type: number, fields: readonly Uint8Array[]] {
  if (value instanceof Uint8Array) return [5, [block(6, value)]];
  if (typeof value === "number") return [2, [varintField(3, value)]];
  if ("float" in value) return [1, [fixed32(2, value.float)]];
  if ("floats" in value) return [6, value.floats.map((x) => fixed32(7, x))];
  if ("text" in value) return [3, [block(4, value.text)]];
  if ("texts" in value) return [8, value.texts.map((t) => block(9, t))];
  if ("tensor" in value) return [4, [block(5, value.tensor)]];
  if ("graphs" in value) return [10, value.graphs.map((g) => block(11, g))];
  if ("ref" in value) return [value.type, [block(21, value.ref)]];
  if ("type" in value) return [13, [block(14, value.type)]];
  return [7, value.map((x) => varintField(8, x))];
}
/** Numbers of attribute types, for references. */
export const attributeTypes = { float: 1, int: 2, text: 3, tensor: 4, graph: 5, floats: 6, ints: 7 } as const;

export interface NodeParts {
  /** No name field at all when absent. */
  name?: string;
  domain?: string;
  overload?: string;
  extra?: Extra;
  /** Fields at the end of the attributes' messages, by attribute. */
  attributeExtra?: Extra;
}
/** NodeProto, named after its first output unless `name` is given. */
export function node(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  o: NodeParts = {},
): Uint8Array {
  const name = o.name ?? `n_${outputs.find((t) => t !== "") ?? opType}`;
  return Buffer.concat([
    ...inputs.map((t) => block(1, t)),
    ...outputs.map((t) => block(2, t)),
    ...(name === "" ? [] : [block(3, name)]),
    block(4, opType),
    ...Object.entries(attributes).map(([key, value]) => block(5, attribute(key, value, o.attributeExtra))),
    ...(o.domain ? [block(7, o.domain)] : []),
    ...(o.overload ? [block(8, o.overload)] : []),
    ...(o.extra ?? []),
  ]);
}

/** Numbers of TensorProto.DataType. */
export const elementType = {
  float: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e5m2: 19,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
} as const;

/** TensorProto around fields that hold its values. */
export const tensor = (name: string, type: number, dims: readonly number[], values: Extra, extra: Extra = []): Uint8Array =>
  Buffer.concat([...dims.map((d) => varintField(1, d)), varintField(2, type), block(8, name), ...values, ...extra]);
export const raw = (bytes: Uint8Array | ArrayBufferView): Extra => [
  block(9, bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
];
/** Values of a data field of its own: float_data 4, int32_data 5, string_data 6, int64_data 7, double_data 10, uint64_data 11. */
export const integersIn = (field: 5 | 7 | 11, values: readonly (number | bigint)[]): Extra => [packed(field, values)];
export const floatData = (values: readonly number[]): Extra => [block(4, new Uint8Array(Float32Array.from(values).buffer))];
/** The same one by one, as proto2 writers do. */
export const floatDataOneByOne = (values: readonly number[]): Extra => values.map((x) => fixed32(4, x));
export const doubleData = (values: readonly number[]): Extra => [block(10, new Uint8Array(Float64Array.from(values).buffer))];
export const stringData = (values: readonly string[]): Extra => values.map((s) => block(6, s));
/** Entries of external data. */
export const external = (location: string, offset: number, length: number): Extra => [
  ...Object.entries({ location, offset: String(offset), length: String(length) }).map(([key, value]) =>
    block(13, [block(1, key), block(2, value)]),
  ),
  varintField(14, 1),
];

export const floats = (name: string, dims: readonly number[], values: ArrayLike<number>): Uint8Array =>
  tensor(name, elementType.float, dims, raw(Float32Array.from(values)));
export const int64s = (name: string, dims: readonly number[], values: readonly number[]): Uint8Array =>
  tensor(name, elementType.int64, dims, raw(BigInt64Array.from(values, BigInt)));
export const bools = (name: string, dims: readonly number[], values: readonly boolean[]): Uint8Array =>
  tensor(name, elementType.bool, dims, raw(Uint8Array.from(values, Number)));

/** SparseTensorProto: values and their flat positions. */
export const sparse = (name: string, dims: readonly number[], values: readonly number[], positions: readonly number[]): Uint8Array =>
  Buffer.concat([
    block(1, floats(name, [values.length], values)),
    block(2, int64s("", [positions.length], positions)),
    ...dims.map((d) => varintField(3, d)),
  ]);

type Dims = readonly (number | string)[];
/** TypeProto of a tensor; without a shape when `dims` is absent. */
export const tensorType = (type: number, dims?: Dims, extra: Extra = []): Uint8Array =>
  Buffer.concat([
    block(1, [
      varintField(1, type),
      ...(dims === undefined
        ? []
        : [
            block(
              2,
              dims.map((d) => block(1, [typeof d === "string" ? block(2, d) : varintField(1, d)])),
            ),
          ]),
    ]),
    ...extra,
  ]);
/** TypeProto of a sequence, and of an optional value. */
export const sequenceType = (of: Uint8Array): Uint8Array => block(4, block(1, of));
export const optionalType = (of: Uint8Array): Uint8Array => block(9, block(1, of));
/** ValueInfoProto; with no type when that is absent. */
export const value = (name: string, type?: Uint8Array, extra: Extra = []): Uint8Array =>
  Buffer.concat([block(1, name), ...(type === undefined ? [] : [block(2, type)]), ...extra]);
export const float = (name: string, dims?: Dims): Uint8Array => value(name, tensorType(elementType.float, dims));
export const bool = (name: string, dims: Dims = []): Uint8Array => value(name, tensorType(elementType.bool, dims));
export const int64 = (name: string, dims: Dims = []): Uint8Array => value(name, tensorType(elementType.int64, dims));

export interface GraphParts {
  name?: string;
  nodes: readonly Uint8Array[];
  /** ValueInfoProto each. */
  inputs?: readonly Uint8Array[];
  outputs: readonly Uint8Array[];
  initializers?: readonly Uint8Array[];
  sparse?: readonly Uint8Array[];
  valueInfos?: readonly Uint8Array[];
  extra?: Extra;
}
/** GraphProto. */
export const graph = (g: GraphParts): Uint8Array =>
  Buffer.concat([
    ...g.nodes.map((n) => block(1, n)),
    block(2, g.name ?? "graph"),
    ...(g.initializers ?? []).map((i) => block(5, i)),
    ...(g.sparse ?? []).map((i) => block(15, i)),
    ...(g.inputs ?? []).map((v) => block(11, v)),
    ...g.outputs.map((v) => block(12, v)),
    ...(g.valueInfos ?? []).map((v) => block(13, v)),
    ...(g.extra ?? []),
  ]);

const opset = (domain: string, version: number): Uint8Array => Buffer.concat([block(1, domain), varintField(2, version)]);

export interface FunctionParts {
  domain: string;
  name: string;
  overload?: string;
  inputs: readonly string[];
  outputs: readonly string[];
  /** Attributes that a call must give. */
  attributes?: readonly string[];
  /** AttributeProto each, by whose values calls may leave them out. */
  defaults?: readonly Uint8Array[];
  nodes: readonly Uint8Array[];
  opsets: Readonly<Record<string, number>>;
  extra?: Extra;
}
/** FunctionProto. */
export const fn = (f: FunctionParts): Uint8Array =>
  Buffer.concat([
    block(1, f.name),
    ...f.inputs.map((t) => block(4, t)),
    ...f.outputs.map((t) => block(5, t)),
    ...(f.attributes ?? []).map((a) => block(6, a)),
    ...f.nodes.map((n) => block(7, n)),
    ...Object.entries(f.opsets).map(([domain, version]) => block(9, opset(domain, version))),
    block(10, f.domain),
    ...(f.defaults ?? []).map((a) => block(11, a)),
    ...(f.overload ? [block(13, f.overload)] : []),
    ...(f.extra ?? []),
  ]);

export interface ModelParts extends GraphParts {
  /** Defaults to 10, which knows overloads. */
  ir?: number;
  /** Version by domain; defaults to 17 of the standard one. */
  opsets?: Readonly<Record<string, number>>;
  functions?: readonly Uint8Array[];
  modelExtra?: Extra;
}
/** ModelProto. */
export const model = (m: ModelParts): Uint8Array =>
  Buffer.concat([
    varintField(1, m.ir ?? 10),
    block(2, "torture"),
    block(7, graph(m)),
    ...Object.entries(m.opsets ?? { "": 17 }).map(([domain, version]) => block(8, opset(domain, version))),
    ...(m.functions ?? []).map((f) => block(25, f)),
    ...(m.modelExtra ?? []),
  ]);
