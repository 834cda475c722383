import {
  bitsPerElement,
  byteLength,
  bytesPerElement,
  type DType,
  dtypeFromNumber,
  elementCount,
  stringTensor,
  type TensorValue,
} from "@halfscope/core";
import onnxProto from "onnx-proto";
import { integerRanges, tensorOf } from "./elements.js";
import { badFile, saveAgain } from "./feed-errors.js";
import { Budget } from "./limits.js";
import { wireFields } from "./wire-fields.js";

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
 * Reads a serialised ONNX TensorProto (`test_data_set_0/input_0.pb`): raw_data or the typed fields. Refuses external data, segments
 * and types that are not known. Errors: ERR_FEED_FILE.
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
  if (tensor.dataLocation === 1 || tensor.externalData.length > 0)
    throw badFile(file, "a tensor with its data", "a reference to external data", "Feeds must hold their data; save it as .npy.");
  if (tensor.segment !== null && tensor.segment !== undefined)
    throw badFile(file, "a whole tensor", "one segment of a tensor", "Save the whole tensor as .npy.");
  const dims = (tensor.dims as Wide[]).map(Number);
  if (dtype === "string") return { name: tensor.name, value: readStrings(tensor.stringData, dims, file, budget) };
  if (bitsPerElement(dtype) === undefined)
    throw badFile(
      file,
      "a type that halfscope knows: floats, integers, bools, strings",
      tensor.dataType === 0 ? "no type" : `${dtype} (number ${tensor.dataType})`,
      saveRaw,
    );
  budget.spendTensor(dims, bytesPerElement(dtype) ?? 1, file);
  const size = byteLength(dtype, elementCount(dims)) ?? 0;
  const data = tensor.rawData.length > 0 ? new Uint8Array(tensor.rawData) : typedData(tensor, dtype, dims, file);
  if (data.length !== size)
    throw badFile(file, `${size} bytes of data for the shape [${dims.join(", ")}] of ${dtype}`, `${data.length}`, saveAgain);
  if (dtype === "bool" && data.some((b) => b > 1)) throw badFile(file, "bools that are 0 or 1", "other values", saveRaw);
  return { name: tensor.name, value: { dtype, dims, data } };
}

function readStrings(texts: readonly Uint8Array[], dims: readonly number[], file: string, budget: Budget): TensorValue {
  budget.spendTensor(dims, 4, file);
  if (texts.length !== elementCount(dims))
    throw badFile(file, `${elementCount(dims)} values in string_data for the shape [${dims.join(", ")}]`, `${texts.length}`, saveAgain);
  return stringTensor(dims, texts);
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
  const bitsEach = bitsPerElement(dtype) ?? 8;
  if (bitsEach === 6) throw badFile(file, `${dtype} in raw_data`, "typed data", saveRaw);
  if (bitsEach < 8) {
    // Two or four elements in a byte, each number one such byte.
    const bytes = byteLength(dtype, count) ?? 0;
    if (values.length !== bytes)
      throw badFile(file, `${bytes} numbers in int32_data for ${count} elements of ${dtype}`, `${values.length}`, saveAgain);
    return Uint8Array.from(values, (v) => Number(BigInt.asUintN(8, v)));
  }
  check(values, name);
  // 16-bit and 8-bit floats stand as their bits.
  const bits = { 1: "uint8", 2: "uint16" } as const;
  const stored: DType = integerRanges[dtype] === undefined ? bits[bytesPerElement(dtype) as 1 | 2] : dtype;
  const [low, high] = integerRanges[stored]!;
  const outside = values.find((v) => v < low || v > high);
  if (outside !== undefined) throw badFile(file, `values of ${dtype} between ${low} and ${high}`, `${outside}`, saveAgain);
  return tensorOf(stored, dims, values).data;
}

/** Looks before decoding: this tells a truncated file from a wrong one, and the bytes outside raw_data (field 9) are limited. */
function checkWire(bytes: Uint8Array, file: string): void {
  const expected = "a serialised ONNX TensorProto";
  if (bytes.length === 0) throw badFile(file, expected, "an empty file", saveRaw);
  const outside = wireFields(bytes, file, expected).reduce((n, f) => (f.number === 9 ? n : n + f.payload.length + 2), 0);
  if (outside > typedBytesLimit) throw badFile(file, `at most ${typedBytesLimit} bytes outside raw_data`, `${outside}`, saveRaw);
}
