import { bytesPerElement, type DType, elementCount, InputError, type TensorValue } from "@halfscope/core";
import ndarray from "ndarray";
import { viewAs } from "./elements.js";
import { badFile } from "./feed-errors.js";
import { Budget } from "./limits.js";
import { npyMagic, readNpyHeader } from "./npy-header.js";

/** NumPy's kind and size, by our type. bfloat16 and FP8 have none in the format. */
const descrs: Partial<Record<DType, string>> = {
  bool: "b1",
  int8: "i1",
  int16: "i2",
  int32: "i4",
  int64: "i8",
  uint8: "u1",
  uint16: "u2",
  uint32: "u4",
  uint64: "u8",
  float16: "f2",
  float32: "f4",
  float64: "f8",
  complex64: "c8",
  complex128: "c16",
};
const dtypes = new Map(Object.entries(descrs).map(([dtype, descr]) => [descr, dtype as DType]));
const otherKinds: Readonly<Record<string, readonly [string, string]>> = {
  O: ["Python objects (a pickle)", "Pickles can run code and are never loaded; convert the array to numbers and save it again."],
  V: ["raw or structured elements", "Save bfloat16 and FP8 values as float32; save each field of a structured array by itself."],
  S: ["byte strings", "String tensors cannot be fed; save numbers."],
  U: ["strings", "String tensors cannot be fed; save numbers."],
  M: ["dates", "Save numbers."],
  m: ["time differences", "Save numbers."],
};

/**
 * Reads a `.npy` file (formats 1.0 to 3.0; bool, integer, float and complex types of either byte order; C or Fortran order) into a
 * little-endian tensor in C order. Refuses pickles, strings and structured arrays. Errors: ERR_FEED_FILE.
 */
export function readNpy(bytes: Uint8Array, file: string, budget = new Budget()): TensorValue {
  const { descr, fortranOrder, shape, dataOffset } = readNpyHeader(bytes, file);
  const { dtype, bigEndian } = readDescr(descr, file);
  const width = bytesPerElement(dtype)!;
  const expected = budget.spendTensor(shape, width, file);
  if (bytes.length - dataOffset !== expected)
    throw badFile(
      file,
      `${expected} bytes of data for the shape [${shape.join(", ")}] of ${dtype}`,
      `${bytes.length - dataOffset}`,
      "The file is damaged or holds more than one array; save the array again.",
    );
  // A copy, also of a Buffer, whose own slice() would share the caller's bytes.
  const data = new Uint8Array(bytes.subarray(dataOffset));
  if (dtype === "bool" && data.some((b) => b > 1))
    throw badFile(file, "bools that are 0 or 1", "other values", "Save the array again, with .astype(bool).");
  const componentWidth = dtype.startsWith("complex") ? width / 2 : width;
  if (bigEndian) reverseEach(data, componentWidth);
  return { dtype, dims: shape, data: fortranOrder && shape.length > 1 ? inOrder(data, shape, width) : data };
}

function readDescr(descr: string, file: string): { dtype: DType; bigEndian: boolean } {
  const match = /^([<>|=]?)([a-zA-Z?])(\d*)(.*)$/.exec(descr);
  const kind = match?.[2] ?? "";
  const dtype = dtypes.get(kind === "?" ? "b1" : kind + (match?.[3] ?? ""));
  if (match === null || dtype === undefined || match[4] !== "") {
    const [found, hint] = otherKinds[kind] ?? [
      `the type ${JSON.stringify(descr.slice(0, 40))}`,
      "Convert it, for instance with .astype(numpy.float32).",
    ];
    throw badFile(file, "bools, integers or floats of at most 64 bits", found, hint);
  }
  return { dtype, bigEndian: match[1] === ">" };
}

/** Turns the bytes of every element around, in place. */
function reverseEach(data: Uint8Array, width: number): void {
  if (width > 1) for (let at = 0; at < data.length; at += width) data.subarray(at, at + width).reverse();
}

const words = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const;

/** Elements in Fortran order as elements in C order. Types do not matter: whole words are moved. */
function inOrder(data: Uint8Array, shape: readonly number[], width: number): Uint8Array {
  // complex128 is two words per element: one more axis, the fastest in either order.
  const wordWidth = Math.min(width, 8) as keyof typeof words;
  const perElement = width / wordWidth;
  const strides: number[] = [];
  let stride = perElement;
  for (const size of shape) {
    strides.push(stride);
    stride *= size;
  }
  const source = viewAs<ndarray.TypedArray>(words[wordWidth] as never, data);
  const target = source.slice();
  let next = 0;
  const copy = (view: ndarray.NdArray<ndarray.TypedArray>): void => {
    const size = view.shape[0] ?? 0;
    if (view.dimension > 1) for (let i = 0; i < size; i++) copy(view.pick(i));
    else for (let i = 0; i < size; i++) target[next++] = view.get(i);
  };
  const inner = perElement === 1 ? [] : [perElement];
  if (source.length > 0) copy(ndarray(source, [...shape, ...inner], [...strides, ...inner.map(() => 1)]));
  return new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
}

/** Writes a tensor as `.npy` (format 1.0, little-endian, C order), as `numpy.save` does. Types that NumPy lacks: ERR_FEED. */
export function writeNpy(value: TensorValue): Uint8Array {
  const descr = descrs[value.dtype];
  if (descr === undefined)
    throw new InputError("ERR_FEED", `The .npy format has no type ${value.dtype}.`, { hint: "Convert the tensor to float32 first." });
  if (value.data.length !== elementCount(value.dims) * bytesPerElement(value.dtype)!)
    throw new InputError("ERR_FEED", `A tensor [${value.dims.join(", ")}] of ${value.dtype} has ${value.data.length} bytes.`);
  const shape = value.dims.length === 1 ? `(${value.dims[0]},)` : `(${value.dims.join(", ")})`;
  const order = bytesPerElement(value.dtype) === 1 ? "|" : "<";
  const text = `{'descr': '${order}${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  // The data starts at a multiple of 64 bytes, and the header ends in a line feed.
  const start = Math.ceil((10 + text.length + 1) / 64) * 64;
  const bytes = new Uint8Array(start + value.data.length).fill(0x20, 10, start);
  bytes.set([...npyMagic, 1, 0, (start - 10) & 255, (start - 10) >> 8]);
  bytes.set(new TextEncoder().encode(text), 10);
  bytes[start - 1] = 0x0a;
  bytes.set(value.data, start);
  return bytes;
}
