/** Element types of ONNX tensors, by the number that TensorProto.DataType gives them. */
export const elementTypes = {
  0: "undefined",
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
  14: "complex64",
  15: "complex128",
  16: "bfloat16",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  21: "uint4",
  22: "int4",
  23: "float4e2m1",
} as const;
export type DType = (typeof elementTypes)[keyof typeof elementTypes] | "unknown";

const numbers = new Map<string, number>(Object.entries(elementTypes).map(([number, name]) => [name, Number(number)]));
const widths: Partial<Record<DType, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  float64: 8,
  uint32: 4,
  uint64: 8,
  complex64: 8,
  complex128: 16,
  bfloat16: 2,
  float8e4m3fn: 1,
  float8e4m3fnuz: 1,
  float8e5m2: 1,
  float8e5m2fnuz: 1,
};

export const dtypeFromNumber = (n: number): DType => (elementTypes as Record<number, DType>)[n] ?? "unknown";
/** ONNX number of a type; 0 for "unknown". */
export const numberFromDtype = (d: DType): number => numbers.get(d) ?? 0;
/** Bytes per element; undefined for strings, sub-byte and unknown types. */
export const bytesPerElement = (d: DType): number | undefined => widths[d];
/** Types whose values FP16 can lose: what halfscope compares. */
export const isFloat = (d: DType): boolean => d === "float32" || d === "float16" || d === "float64" || d === "bfloat16";

/** A tensor with its values, little-endian, C order. */
export interface TensorValue {
  dtype: DType;
  dims: readonly number[];
  /** Exactly `product(dims) * bytesPerElement(dtype)` bytes. */
  data: Uint8Array;
}
export const elementCount = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);

/** What is known of a tensor before it has values: sizes that are not known are undefined. */
export interface TensorType {
  readonly dtype: DType;
  readonly dims: readonly (number | undefined)[] | undefined;
}
/** Types of a model's tensors by name; ONNX Runtime infers them (`inferTypes` in engine). */
export type TensorTypes = ReadonlyMap<string, TensorType>;
