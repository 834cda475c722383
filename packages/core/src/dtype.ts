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
  24: "float8e8m0",
  25: "uint2",
  26: "int2",
  27: "float6e2m3",
  28: "float6e3m2",
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
  float8e8m0: 1,
};
/** Bits of the types that ONNX packs, the first element in the lowest bits of a byte. */
const packedBits: Partial<Record<DType, number>> = { uint4: 4, int4: 4, float4e2m1: 4, uint2: 2, int2: 2, float6e2m3: 6, float6e3m2: 6 };

export const dtypeFromNumber = (n: number): DType => (elementTypes as Record<number, DType>)[n] ?? "unknown";
/** ONNX number of a type; 0 for "unknown". */
export const numberFromDtype = (d: DType): number => numbers.get(d) ?? 0;
/** Bytes per element; undefined for strings, sub-byte and unknown types. */
export const bytesPerElement = (d: DType): number | undefined => widths[d];
/** Bits per element, of packed types too; undefined for strings and unknown types. */
export const bitsPerElement = (d: DType): number | undefined => packedBits[d] ?? (widths[d] === undefined ? undefined : 8 * widths[d]);
/** Bytes that so many elements take, the last byte of packed types filled up; undefined for strings and unknown types. */
export function byteLength(d: DType, elements: number): number | undefined {
  const bits = bitsPerElement(d);
  // Whole bytes first: a product with bits could leave the exact integers.
  return bits === undefined ? undefined : bits % 8 === 0 ? (bits / 8) * elements : Math.ceil((bits * elements) / 8);
}
/** Types whose values FP16 can lose: what halfscope compares. */
export const isFloat = (d: DType): boolean => d === "float32" || d === "float16" || d === "float64" || d === "bfloat16";

export const elementCount = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);

/** What is known of a tensor before it has values: sizes that are not known are undefined. */
export interface TensorType {
  readonly dtype: DType;
  readonly dims: readonly (number | undefined)[] | undefined;
}
/** Types of a model's tensors by name; ONNX Runtime infers them (`inferTypes` in engine). */
export type TensorTypes = ReadonlyMap<string, TensorType>;
