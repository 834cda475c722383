import { bytesPerElement, type DType, InputError, type TensorValue } from "@halfscope/core";
import { viewAs } from "./elements.js";
import { badFile } from "./feed-errors.js";
import { Budget } from "./limits.js";

/**
 * Reads a file without a header, as `trtexec --loadInputs` does: little-endian, C order. Only the exact size is accepted. trtexec also
 * takes exactly twice as much and then reads the first half: int64 ids for an int32 input, or FP32 for an FP16 one, load as garbage.
 * Errors: ERR_FEED_FILE.
 */
export function readRaw(bytes: Uint8Array, dtype: DType, dims: readonly number[], file: string, budget = new Budget()): TensorValue {
  const width = bytesPerElement(dtype);
  if (width === undefined)
    throw badFile(file, "an input of whole bytes", `the type ${dtype}`, "Raw files can feed floats, integers and bools.");
  const expected = budget.spendTensor(dims, width, file);
  if (bytes.length !== expected) {
    const wanted = `exactly ${expected} bytes for the shape [${dims.join(", ")}] of ${dtype}`;
    if (bytes.length === 2 * expected && expected > 0)
      throw badFile(
        file,
        wanted,
        `twice as many (${bytes.length}), which trtexec accepts and then reads the first half of`,
        `The file holds another batch, or elements twice as wide (int64 for int32, FP32 for FP16); write it as ${dtype}.`,
      );
    throw badFile(file, wanted, `${bytes.length}`, "Check the type and the shape that the file was written with.");
  }
  if (dtype === "bool" && bytes.some((b) => b > 1))
    throw badFile(file, "bools that are 0 or 1", "other values", "Write one byte per bool.");
  return { dtype, dims: [...dims], data: new Uint8Array(bytes) };
}

/**
 * The bytes of such a file. TensorRT 8.6 takes int64 inputs as int32 (`int64As32`); values that do not fit, and types that an engine has no input of (float64,
 * strings), are refused: ERR_FEED.
 */
export function writeRaw(value: TensorValue, name: string, o: { int64As32?: boolean } = {}): Uint8Array {
  if (!rawTypes.has(value.dtype))
    throw new InputError("ERR_FEED", `The input "${name}" is ${value.dtype}, which no TensorRT engine takes.`, {
      hint: "Cast it inside the model, or export for another tool.",
    });
  if (value.dtype !== "int64" || o.int64As32 !== true) return value.data;
  const wide = viewAs<BigInt64Array>(BigInt64Array as never, value.data);
  const narrow = new Int32Array(wide.length);
  wide.forEach((v, i) => {
    if (BigInt.asIntN(32, v) !== v)
      throw new InputError("ERR_FEED", `The input "${name}" holds ${v}, and TensorRT 8.6 takes int64 inputs as int32.`, {
        hint: "Feed smaller values, or export for TensorRT 10.",
      });
    narrow[i] = Number(v);
  });
  return new Uint8Array(narrow.buffer);
}

const rawTypes: ReadonlySet<DType> = new Set(["float32", "float16", "bfloat16", "int8", "uint8", "int32", "int64", "bool"]);
