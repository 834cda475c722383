import type { ErrorStats } from "./error-stats.js";
import type { ErrorSummary, Origin } from "./measurement.js";
import type { HalfType } from "./plan.js";
import type { Judgement, OutputFigures } from "./sensitivity.js";

export interface Verdict {
  /** within: all float outputs finite and within tolerance. */
  outcome: "within" | "not-within" | "not-finite";
  tolerance: number;
  /** Worst over samples. */
  error: number;
  maxAbs: number;
  outputs: Readonly<Record<string, ErrorStats>>;
  samples: number;
  /** How outputs were judged, padding left out; `outputs` above holds all elements. Relative L2 of all of them where absent. */
  judgement?: Judgement;
  /** Each output on the sample where it is worst. */
  figures?: Readonly<Record<string, OutputFigures>>;
  /** What the file computes in where it is not in FP32, when that is not FP16 alone. */
  types?: readonly HalfType[];
  /** Sites on in the file, and the initializers in FP16 or bfloat16. */
  sitesOn: number;
  halfWeights: number;
  /** Casts in the file between FP32 and FP16 or bfloat16. */
  casts: number;
  mappedTensors: number;
  unmappedTensors: number;
  /** Names of tensors of the candidate file that have no counterpart in the original. */
  unmapped?: readonly string[];
  /** Where the candidate file loses precision, worst first: with `verify --tensors` only. */
  layers?: readonly LayerLoss[];
  /** First places where it overflows or turns to NaN: with `verify --tensors` only. */
  origins?: readonly Origin[];
}

/** How far a layer of a converted model is from the original, by its worst tensor. */
export interface LayerLoss {
  layer: string;
  /** The converted model's name of the tensor. */
  converted: string;
  accumulated: ErrorSummary;
}

/** What better fixes than pins bring: edits of the graph, proved by a comparison in FP32. */
export interface FixReport {
  outcome: "fixed" | "nothing-to-fix" | "changes-too-much";
  fixes: readonly AppliedFix[];
  /** Fixes that would change FP32 results beyond the tolerance. */
  leftOut: readonly { id: string; title: string; fp32Change: number }[];
  /** Hazards that a fix would answer, and why there is none. */
  none: readonly { layer: string; kind: string; reason: string }[];
  tolerance: number;
  /** Largest relative L2 of a final output over all samples, fixed against original, both in FP32. */
  fp32Change: number;
  /** The same by output, with the largest and the mean difference. */
  outputs?: Readonly<Record<string, { maxAbs: number; meanAbs: number; relativeL2: number }>>;
  /** Relative L2 of the final outputs with every layer in FP16; Infinity when not finite. */
  allHalfBefore?: number;
  allHalfAfter?: number;
  /**
   * The fixed model with those of the recommended pins that no fix answers; `replaced` are the others. The error is that of the final outputs, Infinity when not
   * finite.
   */
  withPins?: {
    pins: readonly string[];
    replaced?: readonly string[];
    error: number;
    /** Share of the fixed model's work that these pins keep in FP32, and what is left of them when those go that the fixed model does without, measured. */
    fp32Share?: number;
    needed?: { pins: readonly string[]; error: number; fp32Share: number };
  };
  path?: string;
}

export interface AppliedFix {
  id: string;
  kind: string;
  title: string;
  /** What the samples may not show. */
  note?: string;
  layers: readonly string[];
  /** Of this fix alone, where each was measured. */
  fp32Change?: number;
  allHalfAfter?: number;
}
