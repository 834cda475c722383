import type { TensorValue } from "@halfscope/core";
import { seeded } from "../support/model-file.js";

/** A hand-made model, its input, and what it must be equal to. */
export interface Torture {
  bytes: Uint8Array;
  /** Values of its inputs; undefined where ONNX Runtime does not run the model. */
  feed?: Readonly<Record<string, TensorValue>>;
  twin?: Twin;
  /** Where ONNX Runtime 1.30 alone refuses what the standard allows, or computes something else; then only the twin tells what is right. */
  runtimeDiffers?: string;
  /** A body hands out a weight: the isolated errors of its readers outside leave the weight's rounding out, which the twin's hold. */
  weightCrosses?: true;
  /** Nothing in it is float32: there is nothing to compare. */
  noFloats?: true;
}

/** A model without control flow and functions that computes the same. */
export interface Twin {
  bytes: Uint8Array;
  /**
   * The twin's tensors that a tensor of the unfolded model corresponds to, in the order in which they come into being: one for a branch that is taken, one
   * per round of a loop, none for what is not executed. Tensors that are missing have the same name in both.
   */
  of: Readonly<Record<string, readonly string[]>>;
}

export const bytesOf = (values: ArrayBufferView): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
export const floatValue = (dims: readonly number[], values: readonly number[]): TensorValue => ({
  dtype: "float32",
  dims,
  data: bytesOf(Float32Array.from(values)),
});
export const boolValue = (value: boolean): TensorValue => ({ dtype: "bool", dims: [], data: Uint8Array.of(value ? 1 : 0) });
export const intValue = (dims: readonly number[], values: readonly number[]): TensorValue => ({
  dtype: "int64",
  dims,
  data: bytesOf(BigInt64Array.from(values, BigInt)),
});
/** Numbers between -1 and 1 by seed, none of which FP16 has exactly. */
export function noise(count: number, seed: number): number[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => 2 * random() - 1);
}
/** Names of a tensor in each round of an unrolled loop. */
export const rounds = (name: string, count: number): string[] => Array.from({ length: count }, (_, k) => `${name}@${k}`);
