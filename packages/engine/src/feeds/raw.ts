import { bytesPerElement, type DType, type TensorValue } from "@halfscope/core";
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
