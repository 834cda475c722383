import { bytesPerElement, type DType, type TensorValue } from "@halfscope/core";
import { elementsOf, integerRanges, isInteger, tensorOf } from "./elements.js";

/** A tensor in the wanted type with a note on what changed, or why it must not be converted. */
export type Conversion = { value: TensorValue; note?: string } | { problem: string };

/** Types in which every value of the key can be written exactly. */
const widenings: Partial<Record<DType, readonly DType[]>> = {
  float16: ["float32", "float64"],
  bfloat16: ["float32", "float64"],
  float32: ["float64"],
};

/**
 * Converts a fed tensor to the type of its input where no value changes: among integers and bool by checking every value, and to wider
 * floats; unsigned integers for types that NumPy lacks are taken as their bits. float64 to float32 is rounded, because NumPy makes float64 of everything. Everything else is a slip that should be seen.
 */
export function convertTensor(value: TensorValue, to: DType): Conversion {
  const from = value.dtype;
  if (from === to) return { value };
  // NumPy has no such types, so their bits are stored as integers of the same width.
  if ((from === "uint16" && to === "bfloat16") || (from === "uint8" && to.startsWith("float8")))
    return { value: { ...value, dtype: to }, note: `${from} taken as the bits of ${to}` };
  const elements = elementsOf(value);
  if (elements === undefined || bytesPerElement(to) === undefined) return { problem: `${from} cannot be converted to ${to}` };
  if (isInteger(from) && isInteger(to)) {
    const [low, high] = integerRanges[to]!;
    // Mixed comparison of numbers and bigints is exact in JavaScript.
    const outside = elements.findIndex((v: number | bigint) => v < low || v > high);
    if (outside >= 0) return { problem: `the value ${elements[outside]} at ${outside} does not fit ${to}` };
    return { value: tensorOf(to, value.dims, elements), note: `converted from ${from} without loss` };
  }
  if (widenings[from]?.includes(to)) return { value: tensorOf(to, value.dims, elements), note: `converted from ${from} without loss` };
  if (from === "float64" && to === "float32") {
    const rounded = tensorOf(to, value.dims, elements);
    const overflow = elementsOf(rounded)!.findIndex((v: number | bigint, i: number) => !Number.isFinite(v) && Number.isFinite(elements[i]));
    if (overflow >= 0) return { problem: `the value ${elements[overflow]} at ${overflow} does not fit float32` };
    return { value: rounded, note: "rounded from float64 to float32" };
  }
  return { problem: `${from} is not converted to ${to}, because values would change` };
}
