import type { DType } from "@halfscope/core";
import type { Expansion } from "./expand-attention.js";

/** A run of bytes in a file. Weights are only ever named by a span; nothing copies them until somebody reads. */
export interface FileSpan {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** One protobuf field as it stands in the file: `header` (tag and length) and the bytes behind it. */
export interface Field {
  readonly number: number;
  readonly wireType: number;
  /** Tag and, for length-delimited fields, length, byte for byte. */
  readonly header: Uint8Array;
  /** Payload: bytes in memory, or a span of the file for large data. */
  readonly payload: Uint8Array | FileSpan;
}

/** Where an initializer's values are. `typed` are the values of float_data, int32_data ... as little-endian bytes. */
export type InitializerData =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "file"; readonly span: FileSpan; readonly external: boolean }
  | { readonly kind: "unsupported"; readonly reason: string };

export interface Initializer {
  readonly name: string;
  readonly dtype: DType;
  /** TensorProto.DataType as the file has it, also when `dtype` is "unknown". */
  readonly elementType: number;
  readonly dims: readonly number[];
  readonly data: InitializerData;
  readonly field: Field;
}

/** An initializer that lists only its values other than zero. It travels verbatim: nothing edits or rounds it. */
export interface SparseInitializer {
  readonly name: string;
  readonly dtype: DType;
  /** TensorProto.DataType as the file has it, also when `dtype` is "unknown". */
  readonly elementType: number;
  /** Shape of the whole tensor. */
  readonly dims: readonly number[];
  /** The listed values, of shape [count]. */
  readonly values: Initializer;
  /** Where they stand: [count] flat indices, or [count, rank]. */
  readonly indices: Initializer | undefined;
  readonly field: Field;
}

export interface Dimension {
  /** A fixed size, or undefined with or without a symbolic name. */
  readonly size: number | undefined;
  readonly symbol: string | undefined;
}

/** Type of a value that is no tensor. `dtype` is that of the tensors inside. */
export type ContainerType =
  | { readonly kind: "sequence"; readonly dtype: DType }
  | { readonly kind: "optional"; readonly of: "tensor" | "sequence"; readonly dtype: DType }
  /** Maps, sparse tensors, nested sequences and whatever a newer schema adds. */
  | { readonly kind: "other" };

/** A graph input, output or value_info. */
export interface ValueInfo {
  readonly name: string;
  /** "unknown" when the file gives no tensor type (sequence, optional, none). */
  readonly dtype: DType;
  /** What it is where it is no tensor; undefined for tensors and where the file does not say. */
  readonly container?: ContainerType;
  /** undefined when the file gives no shape. */
  readonly dims: readonly Dimension[] | undefined;
  readonly field: Field;
}

/** An attribute, decoded on demand. */
export interface Attribute {
  readonly name: string;
  readonly type: "float" | "int" | "string" | "tensor" | "graph" | "floats" | "ints" | "strings" | "tensors" | "graphs" | "other";
  readonly float?: number;
  readonly int?: number;
  readonly string?: string;
  readonly floats?: readonly number[];
  readonly ints?: readonly number[];
  readonly strings?: readonly string[];
  readonly tensor?: Initializer;
  readonly graphs?: readonly Graph[];
}

export interface Node {
  /** Position in its graph's node list. */
  readonly index: number;
  /** As the file has it: may be empty or repeated. */
  readonly name: string;
  readonly opType: string;
  /** "" for the standard operators ("ai.onnx" is normalised to ""). */
  readonly domain: string;
  readonly overload: string;
  /** "" marks an omitted optional input or output. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Decoded on first use. */
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** Node metadata, for instance `pkg.torch.onnx.name_scopes` of newer exporters. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The node's own bytes (NodeProto without its header). */
  readonly bytes: Uint8Array;
  readonly field: Field;
}

export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly initializers: readonly Initializer[];
  readonly sparseInitializers: readonly SparseInitializer[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly valueInfos: readonly ValueInfo[];
  /** Every field in file order, for verbatim re-emission. */
  readonly fields: readonly Field[];
}

export interface FunctionInfo {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly Node[];
  readonly field: Field;
}

export interface Model {
  /** Real path of the model file. */
  readonly path: string;
  /** Real path of its folder: external data must lie inside. */
  readonly folder: string;
  readonly sizeBytes: number;
  readonly irVersion: number;
  readonly producer: string;
  /** Version by domain; "" is the standard domain. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: Graph;
  readonly functions: readonly FunctionInfo[];
  readonly fields: readonly Field[];
  /** Nodes that `unfoldModel` wrote out; a writer puts them back where all of their parts run alike. */
  readonly expansions?: readonly Expansion[];
  /** SHA-256 of the structure and of samples of every large weight; names the model in plans and journals. */
  readonly digest: string;
}
