import type { DType, EngineLayer, EngineTensor } from "@halfscope/core";
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
 * look after fusion with the casts around them. Scale factors of products (`..._alpha`, `..._beta`, always FP32) say nothing.
 */
export function computesOf({ name, kernel, inputs, outputs, weights }: LayerFacts): EngineLayer["computes"] {
  const types = kernel === undefined ? undefined : kernelTypes(kernel);
  if (types !== undefined) {
    if (types.operands === "tf32" || types.operands === "float32") return "float32";
    return types.operands === "float8" ? "unknown" : types.operands;
  }
  if (weights === "float32" || weights === "float16" || weights === "bfloat16") return weights;
  const borders = [...inputs.filter((t) => !/_(alpha|beta)$/.test(t.name)), ...outputs];
  const floats = new Set(borders.map((t) => t.dtype).filter((d) => d === "float32" || d === "float16" || d === "bfloat16"));
  if (floats.size > 1) return "mixed";
  const [only] = floats;
  if (only === undefined) return borders.some((t) => t.dtype !== "unknown") ? integerOr(borders) : "unknown";
  if (only !== "float32" && castsInside(name, kernel) > borders.filter((t) => isInteger(t.dtype)).length) return "mixed";
  return only;
}

/** Casts among the operators that a generated kernel's name lists, three letters each. */
export function castsInside(name: string, kernel: string | undefined): number {
  const listed = /__myl_((?:[A-Z][a-z0-9]{2})+)/.exec(kernel ?? "") ?? /__myl_((?:[A-Z][a-z0-9]{2})+)/.exec(name);
  return (listed?.[1]?.match(/[A-Z][a-z0-9]{2}/g) ?? []).filter((op) => op === "Cas").length;
}

const integerOr = (borders: readonly EngineTensor[]): "integer" | "unknown" =>
  borders.some((t) => isInteger(t.dtype)) ? "integer" : "unknown";
const isInteger = (dtype: DType | "unknown"): boolean => /^(u?int|bool)/.test(dtype);
