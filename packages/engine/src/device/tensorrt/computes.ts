import type { DType, EngineLayer, EngineTensor } from "@halfscope/core";
import { isRegion } from "./fused-names.js";
import { castsInside, floatsOf, isInteger } from "./generated-kernels.js";
import { kernelTypes } from "./kernel-types.js";

/** What is known of an engine layer. */
export interface LayerFacts {
  name: string;
  kernel: string | undefined;
  inputs: readonly EngineTensor[];
  outputs: readonly EngineTensor[];
  /** Type of the weights of a convolution or product, where the inspector gives it. */
  weights?: DType | "unknown" | undefined;
}

/**
 * What an engine layer computes in. The kernel's name goes first (its operands: a product of halves that sums in FP32 is an FP16 layer, and TF32 counts as
 * FP32); then the weights' type; then the tensors at its borders: one float type at all of them is the answer, two are `mixed`. A kernel that TensorRT
 * generated and that casts inside (`__myl_CasMulAddCas...` over borders of FP16 only) is `mixed`: in a strongly typed network that is how layers pinned to FP32
 * look after fusion with the casts around them. A region that was compiled as one (all of BERT on TensorRT 8.6) does not say. Scale factors of products
 * (`..._alpha`, `..._beta`, always FP32) say nothing.
 */
export function computesOf({ name, kernel, inputs, outputs, weights }: LayerFacts): EngineLayer["computes"] {
  const types = kernel === undefined ? undefined : kernelTypes(kernel);
  if (types !== undefined) {
    if (types.operands === "tf32" || types.operands === "float32") return "float32";
    return types.operands === "float8" ? "unknown" : types.operands;
  }
  if (isRegion(name)) return "unknown";
  if (weights === "float32" || weights === "float16" || weights === "bfloat16") return weights;
  const borders = [...inputs, ...outputs];
  const [only, second] = floatsOf(borders);
  if (second !== undefined) return "mixed";
  if (only === undefined) return borders.some((t) => isInteger(t.dtype)) ? "integer" : "unknown";
  const facts = { name, inputs, outputs, ...(kernel !== undefined && { tactic: kernel }) };
  return only !== "float32" && castsInside(facts) > 0 ? "mixed" : only;
}
