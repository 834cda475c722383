import { bytesPerElement, type DType, dtypeFromNumber, elementCount, type TensorValue } from "@halfscope/core";
import onnxProto from "onnx-proto";
import { integerRanges, tensorOf } from "./elements.js";
import { badFile, saveAgain } from "./feed-errors.js";
import { Budget } from "./limits.js";

/** A tensor and the name that its file gives it, which may be empty. */
export interface NamedTensor {
  name: string;
  value: TensorValue;
}

/** Values outside raw_data become JavaScript objects, some 40 bytes each: more than this many bytes of them are refused. */
const typedBytesLimit = 1 << 25;
const saveRaw = "Write it with onnx.numpy_helper.from_array(array).SerializeToString(), or save it as .npy.";

/** What protobufjs gives for 64-bit fields. */
type Wide = number | { toString(): string };

/**
 * Reads a serialised ONNX TensorProto (`test_data_set_0/input_0.pb`): raw_data or the typed fields. Refuses external data, segments,
 * strings and types below one byte. Errors: ERR_FEED_FILE.
 */
export function readTensorProto(bytes: Uint8Array, file: string, budget = new Budget()): NamedTensor {
  checkWire(bytes, file);
  let tensor: ReturnType<typeof onnxProto.onnx.TensorProto.decode>;
  try {
    tensor = onnxProto.onnx.TensorProto.decode(bytes);
  } catch (cause) {
    throw badFile(file, "a serialised ONNX TensorProto", `something else (${(cause as Error).message})`, saveRaw, cause);
  }
  const dtype = dtypeFromNumber(tensor.dataType);
  const width = bytesPerElement(dtype);
  if (tensor.dataLocation === 1 || tensor.externalData.length > 0)
    throw badFile(file, "a tensor with its data", "a reference to external data", "Feeds must hold their data; save it as .npy.");
  if (tensor.segment !== null && tensor.segment !== undefined)
    throw badFile(file, "a whole tensor", "one segment of a tensor", "Save the whole tensor as .npy.");
  if (width === undefined)
    throw badFile(
      file,
      "a type of whole bytes: floats, integers or bools",
      tensor.dataType === 0 ? "no type" : `${dtype} (number ${tensor.dataType})`,
      saveRaw,
    );
  const dims = (tensor.dims as Wide[]).map(Number);
  const size = budget.spendTensor(dims, width, file);
  const data = tensor.rawData.length > 0 ? new Uint8Array(tensor.rawData) : typedData(tensor, dtype, dims, file);
  if (data.length !== size)
    throw badFile(file, `${size} bytes of data for the shape [${dims.join(", ")}] of ${dtype}`, `${data.length}`, saveAgain);
  if (dtype === "bool" && data.some((b) => b > 1)) throw badFile(file, "bools that are 0 or 1", "other values", saveRaw);
  return { name: tensor.name, value: { dtype, dims, data } };
}

/** Values of float_data, int32_data ... ; which field holds which type is fixed by ONNX. */
function typedData(tensor: onnxProto.onnx.ITensorProto, dtype: DType, dims: readonly number[], file: string): Uint8Array {
  const count = elementCount(dims);
  const check = (values: readonly unknown[], field: string, perElement = 1): void => {
    if (values.length !== count * perElement)
      throw badFile(
        file,
        `${count * perElement} values in raw_data or ${field} for the shape [${dims.join(", ")}] of ${dtype}`,
        `${values.length}`,
        saveAgain,
      );
  };
  const floats = (field: "floatData" | "doubleData", asType: DType, perElement: number): Uint8Array => {
    const values = (tensor[field] ?? []) as number[];
    check(values, field === "floatData" ? "float_data" : "double_data", perElement);
    return tensorOf(asType, [count * perElement], values).data;
  };
  if (dtype === "float32") return floats("floatData", "float32", 1);
  if (dtype === "float64") return floats("doubleData", "float64", 1);
  if (dtype === "complex64") return floats("floatData", "float32", 2);
  if (dtype === "complex128") return floats("doubleData", "float64", 2);
  const [field, name] =
    dtype === "int64"
      ? (["int64Data", "int64_data"] as const)
      : dtype === "uint64" || dtype === "uint32"
        ? (["uint64Data", "uint64_data"] as const)
        : (["int32Data", "int32_data"] as const);
  const values = ((tensor[field] ?? []) as Wide[]).map((v) => BigInt(v.toString()));
  check(values, name);
  // 16-bit and 8-bit floats stand as their bits.
  const bits = { 1: "uint8", 2: "uint16" } as const;
  const stored: DType = integerRanges[dtype] === undefined ? bits[bytesPerElement(dtype) as 1 | 2] : dtype;
  const [low, high] = integerRanges[stored]!;
  const outside = values.find((v) => v < low || v > high);
  if (outside !== undefined) throw badFile(file, `values of ${dtype} between ${low} and ${high}`, `${outside}`, saveAgain);
  return tensorOf(stored, dims, values).data;
}

/**
 * Walks the top-level fields before decoding: every length must end inside the file, and the bytes outside raw_data (field 9) are limited.
 * This also tells a truncated file from a wrong one.
 */
function checkWire(bytes: Uint8Array, file: string): void {
  const wrong = (found: string) => badFile(file, "a serialised ONNX TensorProto", found, saveRaw);
  let at = 0;
  let outsideRaw = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw wrong("an incomplete file");
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw wrong("a number that is too long");
  };
  if (bytes.length === 0) throw wrong("an empty file");
  while (at < bytes.length) {
    const start = at;
    const tag = varint();
    const [field, wireType] = [Math.floor(tag / 8), tag % 8];
    if (field === 0 || ![0, 1, 2, 5].includes(wireType)) throw wrong(`a field ${field} of wire type ${wireType}`);
    const length = wireType === 2 ? varint() : wireType === 1 ? 8 : wireType === 5 ? 4 : 0;
    if (wireType === 0) varint();
    if (!(length <= bytes.length - at)) throw wrong(`field ${field} with ${length} bytes where ${bytes.length - at} are left`);
    at += length;
    if (field !== 9) outsideRaw += at - start;
  }
  if (outsideRaw > typedBytesLimit) throw badFile(file, `at most ${typedBytesLimit} bytes outside raw_data`, `${outsideRaw}`, saveRaw);
}
