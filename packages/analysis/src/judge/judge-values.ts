import type { TensorValue } from "@halfscope/core";
import { bfloat16Value, halfValue } from "@halfscope/engine";

/** An output as metrics see it. */
export interface OutputValues {
  dims: readonly number[];
  data: Float32Array;
}

/** Values of a float tensor as float32; undefined for any other. Without a copy where the bytes allow it. */
export function floatsOf({ dtype, dims, data }: TensorValue): OutputValues | undefined {
  if (dtype === "float32") {
    const aligned = data.byteOffset % 4 === 0 ? data : data.slice();
    return { dims, data: new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 2) };
  }
  if (dtype !== "float16" && dtype !== "bfloat16") return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const value = dtype === "float16" ? halfValue : bfloat16Value;
  return { dims, data: Float32Array.from({ length: data.byteLength >> 1 }, (_, i) => value(view.getUint16(2 * i, true))) };
}
