import { type Chip, type ConstantPolicy, chips, type EngineName, type ProfileChanges, type SumType, UsageError } from "@halfscope/core";
import type { EngineFault } from "./engine-faults.js";
import type { Fusion } from "./fusions.js";

/** One thing that is known, or taken, to hold of an engine, and why. */
export interface ProfileEntry {
  readonly part: string;
  readonly value: string;
  readonly evidence: string;
}

/** What a candidate behaves like: every part as data, each with its evidence. */
export interface EngineProfile {
  readonly name: EngineName;
  /** Sums of products, by operator. */
  readonly sums: Readonly<Record<"MatMul" | "Gemm" | "Conv", SumType>>;
  /** Sums of products that several weights make of one activation, which the engine runs as one; as `sums` when absent. */
  readonly merged?: SumType;
  /** Nodes that it runs as one and rounds once; none when absent. */
  readonly fusions?: readonly Fusion[];
  /** Nodes that it computes wrongly in FP16, which therefore stay in FP32; none when absent. */
  readonly faults?: readonly EngineFault[];
  readonly chip: Chip;
  /** Accumulators that a long product is split over; `auto` is the engine's rule (`piecesOf`). */
  readonly pieces: number | "auto";
  /** What a plain all-FP16 candidate makes of constants beyond the range. */
  readonly constants: ConstantPolicy;
  readonly entries: readonly ProfileEntry[];
}

const granularity: ProfileEntry = {
  part: "granularity",
  value: "every ONNX node rounds its results",
  evidence:
    "TensorRT 10.6 on an H200: a decomposed LayerNormalization with a channel near 1000 overflows in its square even inside one fused kernel; errors of 1,215 tensors of BERT-large follow node granularity",
};
const inside: ProfileEntry = {
  part: "LayerNormalization, Softmax and other single nodes",
  value: "compute inside in FP32, rounded at their ends",
  evidence: "TensorRT 10.6, ONNX Runtime 1.30 and PyTorch 2.11 on an H200: isolated errors of these nodes equal a rounding at their ends",
};
const reductions: ProfileEntry = {
  part: "reductions",
  value: "ReduceSum, ReduceMean and pooling sum in FP32",
  evidence: "PyTorch 2.11 on an H200: isolated errors of the ReduceMean nodes of BERT-large; taken over for the others",
};
const mergedPart = "products of one activation with several weights (queries, keys, values)";
const plainCast: ProfileEntry = {
  part: "constants",
  value: "overflow to infinity, as a plain cast writes them into a file",
  evidence: "the ONNX Cast operator and the common converters",
};
const ortCuda = "ONNX Runtime 1.30 with CUDA on an H200";
const hazardFile = "reports/hardware/hazards-ort-cuda.json";
const masks = (who: string, file: string): ProfileEntry => ({
  part: "a mask added to the scores of an attention",
  value: "in FP32, not rounded before the Softmax",
  evidence: `${who}: rows that see nothing keep the order of their scores under a mask of -65504, and lose it in FP32 under one of -1e9: an error of 0.236, emulated 0.236 (${file})`,
});
const fullSums = (who: string): ProfileEntry => ({
  part: "sums of products",
  value: "FP32",
  evidence: `${who} on an H200: 1,217 tensors of BERT-large, ratio emulated/measured 1.000 (0.974 to 1.028)`,
});

const profiles: Readonly<Record<EngineName, EngineProfile>> = {
  pytorch: {
    name: "pytorch",
    sums: { MatMul: "float32", Gemm: "float32", Conv: "float32" },
    chip: "hopper",
    pieces: 1,
    constants: "overflow",
    entries: [granularity, inside, reductions, fullSums("PyTorch 2.11"), plainCast],
  },
  "ort-cuda": {
    name: "ort-cuda",
    sums: { MatMul: "float32", Gemm: "float32", Conv: "float32" },
    chip: "hopper",
    pieces: 1,
    constants: "overflow",
    fusions: ["layer-norm", "scaled-product", "masked-scores"],
    faults: ["mean-count", "running-sum"],
    entries: [
      {
        part: "granularity",
        value: "every ONNX node rounds its results, but for those that are fused",
        evidence: `${ortCuda}: errors of 1,214 tensors of BERT-large (reports/hardware/tensors-ort-cuda.json)`,
      },
      {
        part: "LayerNormalization and RMS normalization written out with a Pow, epsilon not 0 in FP16",
        value: "one node, FP32 inside",
        evidence: `${ortCuda}: a channel near 1000 whose square overflows does no harm, unless the tensors are marked or the square is a Mul (${hazardFile})`,
      },
      {
        part: "a matrix product times one number",
        value: "one rounding, after the multiplication",
        evidence: `${ortCuda}: an attention whose products pass 65504 before they are divided stays finite, unless they are marked (${hazardFile})`,
      },
      masks(ortCuda, hazardFile),
      inside,
      {
        part: "reductions",
        value: "ReduceSum, ReduceMean and pooling sum in FP32; a ReduceMean over 65,520 or more, and every CumSum, stay in FP32",
        evidence: `${ortCuda}: a ReduceMean divides by its count in FP16, which is infinite from 65,520 on, and CumSum adds up in FP16 (${hazardFile})`,
      },
      fullSums("ONNX Runtime 1.30 with CUDA"),
      plainCast,
    ],
  },
  tensorrt: {
    name: "tensorrt",
    sums: { MatMul: "float16", Gemm: "float16", Conv: "float16" },
    merged: "float32",
    fusions: ["multiply-add", "masked-scores"],
    faults: ["running-sum"],
    chip: "hopper",
    pieces: "auto",
    constants: "finite",
    entries: [
      { ...granularity, value: "every ONNX node rounds its results, but for what is told below" },
      masks("TensorRT 10.6 on an H200", "reports/hardware/hazards-tensorrt.json"),
      inside,
      reductions,
      {
        part: "running sums",
        value: "every CumSum stays in FP32",
        evidence:
          "TensorRT 10.6 on an H200: a CumSum over 8,192 numbers adds up in FP16, error 0.36 (reports/hardware/hazards-tensorrt.json)",
      },
      {
        part: "sums of products",
        value: "FP16, rounded after every 16 products",
        evidence:
          "TensorRT 10.6 on an H200: kernels named f16f16_f16f16_f16 for these products, their bits and errors in test/hardware; the instruction itself in test/hardware/mma-h200",
      },
      {
        part: mergedPart,
        value: "run as one, sums in FP32",
        evidence:
          "TensorRT 10.6 on an H200: kernels named f16f16_f16f32_f32 in all four engines of two BERTs, and the errors of their tensors (test/hardware)",
      },
      {
        part: "long products",
        value:
          "from 4096 on split over an accumulator per 1024 products where the output is small, the sums added in FP16 (rule: piecesOf)",
        evidence:
          "TensorRT 10.6 on an H200: bits of 128 x 4096 x 1024 inside two BERTs (4 accumulators) and of 128 x 8192 x 1024 (8), errors of five BERTs with 256 x 2048 x 512 (1); kernels are chosen by timing, so results carry a band",
      },
      {
        part: "a weight times, a weight plus (the end of a LayerNormalization)",
        value: "one rounding, after the sum",
        evidence:
          "TensorRT 10.6 on an H200, BERT-large: with it the errors of 1,214 tensors agree in the median to 0.1 %, with two roundings they are 3 % too large (test/hardware)",
      },
      {
        part: "constants",
        value: "clamped to the largest finite number",
        evidence:
          "TensorRT 10.6, weakly typed: a mask of -3.4e38 gives 0.0015 relative error and a line in the log (strongly typed from a plainly cast file it is NaN)",
      },
    ],
  },
};

/** The profile of an engine, with the parts that were set otherwise. Throws ERR_OPTION for parts that do not exist. */
export function engineProfile(name: EngineName, changes: ProfileChanges = {}): EngineProfile {
  const base = profiles[name];
  const { accumulation, chip = base.chip, pieces = base.pieces, constants = base.constants } = changes;
  const merged = accumulation ?? base.merged;
  if (pieces !== "auto" && !(Number.isSafeInteger(pieces) && pieces >= 1))
    throw new UsageError("ERR_OPTION", `--split-k needs "auto" or a whole number of at least 1, found ${pieces}.`, {
      hint: "For instance --split-k 4.",
    });
  if (!chips.includes(chip))
    throw new UsageError("ERR_OPTION", `--chip needs one of ${chips.join(", ")}, found ${chip}.`, { hint: "H100 and H200 are hopper." });
  const sums = accumulation === undefined ? base.sums : { MatMul: accumulation, Gemm: accumulation, Conv: accumulation };
  const set: ProfileEntry[] = [];
  const note = (part: string, value: string) => set.push({ part, value, evidence: "set by hand" });
  if (accumulation !== undefined) note("sums of products", accumulation);
  if (changes.chip !== undefined) note("chip", chip);
  if (changes.pieces !== undefined) note("long products", `split over ${pieces} accumulators`);
  if (changes.constants !== undefined) note("constants", constants);
  const replaced = new Set([...set.map((e) => e.part), ...(accumulation === undefined ? [] : [mergedPart])]);
  return {
    ...base,
    sums,
    ...(merged && { merged }),
    chip,
    pieces,
    constants,
    entries: [...base.entries.filter((e) => !replaced.has(e.part)), ...set],
  };
}

/** Whether nothing about a profile was set otherwise: only then may results bear the engine's name alone. */
export const isPlain = (profile: EngineProfile): boolean => profile.entries.every((e) => e.evidence !== "set by hand");

/** Raise it where a rule means something else than before: what is matched, how products are split. */
const revision = 2;

/**
 * What a profile does otherwise than its nodes one by one, with the revision of that; empty where it does nothing otherwise. It grows with what is measured, so two versions of
 * halfscope may differ in it.
 */
export function rulesOf({ fusions = [], faults = [], pieces }: EngineProfile): readonly string[] {
  const rules = [...fusions, ...faults];
  return rules.length > 0 || pieces === "auto" ? [...rules, `revision ${revision}`] : [];
}

/** What results and journals call a profile: its engine, and what was set otherwise. Two profiles with one name and the same rules give the same numbers. */
export function nameOfProfile(profile: EngineProfile): string {
  const changed = profile.entries.filter((e) => e.evidence === "set by hand").map((e) => `${e.part}: ${e.value}`);
  return changed.length === 0 ? profile.name : `${profile.name} with ${changed.join(", ")}`;
}
