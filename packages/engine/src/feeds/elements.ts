import { type DType, elementCount, InputError, type TensorValue } from "@halfscope/core";
import { bfloat16Bits, bfloat16Value, halfBits, halfValue } from "./half.js";

export type NumberElements = Float64Array | Float32Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;
export type BigElements = BigInt64Array | BigUint64Array;

/** Smallest and largest value of each integer type. */
export const integerRanges: Partial<Record<DType, readonly [bigint, bigint]>> = {
  bool: [0n, 1n],
  uint8: [0n, 255n],
  int8: [-128n, 127n],
  uint16: [0n, 65535n],
  int16: [-32768n, 32767n],
  uint32: [0n, 2n ** 32n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};
export const isInteger = (dtype: DType): boolean => integerRanges[dtype] !== undefined;

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
} as const;
const bigArrays = { int64: BigInt64Array, uint64: BigUint64Array } as const;

/**
 * A tensor's values: bigints for 64-bit integers, 16-bit floats as float32 (exact), undefined for types without numbers (complex, FP8).
 * A view of the tensor's bytes where these are aligned, else a copy.
 */
export function elementsOf({ dtype, data }: TensorValue): NumberElements | BigElements | undefined {
  if (dtype === "float16" || dtype === "bfloat16") {
    const decode = dtype === "float16" ? halfValue : bfloat16Value;
    return Float32Array.from(viewAs(Uint16Array, data), decode);
  }
  if (dtype in bigArrays) return viewAs(bigArrays[dtype as keyof typeof bigArrays] as unknown as ArrayType<BigElements>, data);
  if (dtype in arrays) return viewAs(arrays[dtype as keyof typeof arrays] as unknown as ArrayType<NumberElements>, data);
  return undefined;
}

interface ArrayType<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, offset: number, length: number): T;
}

/** `data` as an array of wider elements. Hosts are little-endian, as everything that Node 20 supports in practice is. */
export function viewAs<T>(type: ArrayType<T>, data: Uint8Array): T {
  const aligned = data.byteOffset % type.BYTES_PER_ELEMENT === 0 ? data : new Uint8Array(data);
  return new type(aligned.buffer, aligned.byteOffset, data.byteLength / type.BYTES_PER_ELEMENT);
}

/** A tensor of `values`, rounded to the nearest value of `dtype` where that is a float; integers must be in range. */
export function tensorOf(dtype: DType, dims: readonly number[], values: ArrayLike<number | bigint>): TensorValue {
  const count = elementCount(dims);
  const bytes = (array: ArrayBufferView): TensorValue => ({
    dtype,
    dims: [...dims],
    data: new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
  });
  if (dtype in bigArrays) {
    const array = new bigArrays[dtype as keyof typeof bigArrays](count);
    for (let i = 0; i < count; i++) array[i] = BigInt(values[i] ?? 0);
    return bytes(array);
  }
  if (dtype === "float16" || dtype === "bfloat16") {
    const encode = dtype === "float16" ? halfBits : bfloat16Bits;
    return bytes(Uint16Array.from({ length: count }, (_, i) => encode(Number(values[i] ?? 0))));
  }
  if (!(dtype in arrays))
    throw new InputError("ERR_FEED", `A tensor of type ${dtype} cannot be made from numbers.`, {
      hint: "Feed it from a .npy file or a TensorProto (.pb) of exactly that type.",
    });
  const array = new arrays[dtype as keyof typeof arrays](count);
  for (let i = 0; i < count; i++) array[i] = Number(values[i] ?? 0);
  return bytes(array);
}
