import type { DeviceResult } from "./device.js";
import type { ProfileChanges } from "./engine-like.js";
import type { Hazard, Layer } from "./layer.js";
import type { Measurements, Ranking } from "./measurement.js";
import type { HalfType, Overrides } from "./plan.js";
import type { Choice, Recommendation } from "./recommendation.js";
import type { Sensitivity, SweepPart } from "./sensitivity.js";
import type { FixReport, Verdict } from "./verdict.js";

export interface FeedSummary {
  name: string;
  dtype: string;
  dims: readonly number[];
  /** Where the values came from: a file, or how they were made up. */
  origin: string;
}

/** `result.json`. Every part but the head may be missing: a folder holds what was measured so far. */
export interface ResultDocument {
  schema: "halfscope/result/1";
  model: {
    path: string;
    digest: string;
    sizeBytes: number;
    nodes: number;
    parameters: number;
    producer: string;
    opsets: Readonly<Record<string, number>>;
    /** The file is in FP16 already: it was compared as it is with its FP32 restoration. */
    restored?: boolean;
  };
  environment: {
    halfscope: string;
    onnxruntime: string;
    provider: string;
    instructionSet: string;
    cores: number;
    node: string;
    platform: string;
  };
  options: {
    /** Engine that the candidate behaves like, and what was set otherwise. */
    like: string;
    likeChanges?: ProfileChanges;
    granularity: "node";
    /** How products sum: "float32", "float16", "float16-exact" or "tensor-core". */
    accumulation: string;
    /** What `like` stands for, each part with its evidence. */
    profile?: readonly { part: string; value: string; evidence: string }[];
    /** What the candidate computes in; FP16 when absent. */
    precision?: HalfType;
    tolerance: number;
    seed: number;
    threads: number;
    samples: number;
    /** What the feeds were made from, as it was given, and the folder that relative paths start from. */
    inputs?: {
      feeds?: readonly string[];
      dims?: Readonly<Record<string, number>>;
      shapes?: Readonly<Record<string, readonly number[]>>;
      samples: number;
      folder?: string;
      /** Of the values that were fed. */
      digest?: string;
    };
  };
  feeds: readonly (readonly FeedSummary[])[];
  layers: readonly Layer[];
  hazards: readonly Hazard[];
  /** All-FP16 candidate as `--like` says (constants as a plain cast writes them). */
  isolated?: Measurements;
  accumulated?: Measurements;
  /** Accumulated with the overflow origins pinned and constants finite; only where the plain candidate overflows. */
  accumulatedRepaired?: Measurements;
  ranking?: Ranking;
  sensitivity?: Sensitivity;
  /** A sweep of which this folder holds only a part, in its journal: `sensitivity` comes when the parts are merged or the sweep goes on. */
  part?: SweepPart;
  recommendation?: Recommendation;
  overrides?: Overrides;
  /** What `verify` said of the mixed model, and of the same model with every layer in FP16. */
  verdict?: Verdict;
  verdictAllHalf?: Verdict;
  /** Where fixes apply. */
  fixes?: FixReport;
  /** Pins, fixes, and both, side by side. */
  choices?: readonly Choice[];
  /** What a real engine showed: with `--engine` only. */
  device?: DeviceResult;
  /** Seconds per step. */
  timings: Readonly<Record<string, number>>;
  warnings: readonly string[];
}
