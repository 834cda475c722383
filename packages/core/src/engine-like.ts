import type { Chip, ConstantPolicy } from "./plan.js";

/** Engines that a candidate can behave like. */
export const engineNames = ["tensorrt", "ort-cuda", "pytorch"] as const;
export type EngineName = (typeof engineNames)[number];

/** How products of a kind of operator sum. `float16` is the fast model, `float16-exact` the chip's own bits, `tensor-core` FP32 sums as tensor cores cut them. */
export const sumTypes = ["float32", "float16", "float16-exact", "tensor-core"] as const;
export type SumType = (typeof sumTypes)[number];

/** Parts of a profile that a person set otherwise. */
export interface ProfileChanges {
  readonly accumulation?: SumType | undefined;
  readonly chip?: Chip | undefined;
  readonly pieces?: number | "auto" | undefined;
  readonly constants?: ConstantPolicy | undefined;
}
