import type { ProfileChanges } from "./engine-like.js";
import type { ErrorStats } from "./error-stats.js";
import type { Hazard, Layer } from "./layer.js";
import type { ConstantPolicy, HalfType, Overrides, SiteKind } from "./plan.js";

/** How a tensor fared in a measurement. Every tensor of the model is in exactly one of these. */
export type TensorStatus = "compared" | "not-float" | "constant" | "not-executed" | "not-supported"; // with a reason

/** One tensor's error in one mode. */
export interface Measurement {
  tensor: string;
  /** Index of the producing node. */
  node: number;
  layer: string;
  /** Over all executions: in a loop, a tensor comes into being once per round, and indices run on from round to round. */
  stats: ErrorStats;
  /** Where it was executed more than once. */
  rounds?: Rounds;
  /** Smallest and largest error over the kernels that a library may choose for products: sums in FP32, or in FP16 by one accumulator. On the first sample. */
  band?: { relativeL2: readonly [number, number]; meanAbs: readonly [number, number] };
}

/** A tensor inside a loop. Rounds count from 0. */
export interface Rounds {
  count: number;
  /** The first that holds a pair that cannot pass, else the one with the largest relative L2. */
  worst: number;
  /** Relative L2 of the worst; Infinity when it cannot pass. */
  worstError: number;
  /** The first in which the candidate overflowed or had a NaN of its own; -1 for none. */
  firstBroken: number;
}

/** Integers or booleans that fell otherwise in the candidate: an ArgMax that flips, a comparison that turns. No rounding error explains what follows. */
export interface DecisionChange {
  tensor: string;
  node: number;
  layer: string;
  /** Elements that differ, of how many. */
  differing: number;
  count: number;
  /** Flat index of the first, and the values there. */
  firstIndex: number;
  reference: number;
  candidate: number;
}

export type MeasureMode = "isolated" | "accumulated";

export interface Measurements {
  mode: MeasureMode;
  constants: ConstantPolicy;
  /** In the order of the graph. */
  tensors: readonly Measurement[];
  /** Final outputs, by name: accumulated mode only (isolated mode compares them as tensors). */
  outputs: Readonly<Record<string, ErrorStats>>;
  /** How many tensors had each status, and the reasons for those not supported. */
  coverage: Readonly<Record<TensorStatus, number>>;
  notSupported: readonly { tensor: string; reason: string }[];
  /** Decisions that changed, in graph order, and how many integer and boolean tensors were looked at. */
  decisions?: { changed: readonly DecisionChange[]; compared: number };
}

/** Where something stops being finite, or is lost, although what went in was fine. */
export interface Origin {
  /** overflow: a finite reference became infinite or NaN and the final outputs show it; silent-overflow: final outputs stay finite and are wrong; constant-overflow: a weight or constant overflowed when it was converted; harmless-overflow: what follows is as good as without (a mask in front of a Softmax). */
  kind: "overflow" | "silent-overflow" | "constant-overflow" | "harmless-overflow";
  tensor: string;
  layer: string;
  /** Elements that overflowed or turned to NaN here, of how many. */
  elements: number;
  count: number;
  /** Largest finite |reference| of the tensor: beyond 65504 explains it. */
  maxReference: number;
  evidence: string;
  /** An input whose values FP16 made zero, when that is why. */
  cause?: string;
}

/** One layer's place in a ranking. Errors are the worst tensor that the layer outputs. */
export interface RankedLayer {
  layer: string;
  isolated: ErrorSummary | undefined;
  accumulated: ErrorSummary | undefined;
  /** Accumulated with overflow origins pinned and constants finite, when the plain candidate overflows: what the error would be otherwise. */
  repaired?: ErrorSummary;
}
export interface ErrorSummary {
  tensor: string;
  maxAbs: number;
  meanAbs: number;
  relativeL2: number;
  maxUlp: number;
  meanUlp: number;
  overflowed: number;
  nan: number;
  flushed: number;
  subnormal: number;
  nonFiniteMismatch: number;
  count: number;
}

export interface Ranking {
  /** Overflow and silent overflow come before every number. */
  origins: readonly Origin[];
  /** By relative isolated error, worst first; non-finite first of all. */
  layers: readonly RankedLayer[];
  byKind: readonly { kind: string; layers: number; meanIsolated: number; maxIsolated: number }[];
  byBlock: readonly { block: string; layers: number; accumulated: number }[];
}

/**
 * Change of the final outputs when only these sites are in FP16. Sites of one kind that vanish with the same pins are swept as one group:
 * no plan can tell them apart.
 */
export interface SiteSensitivity {
  /** Id of the first site, which names the group. */
  site: string;
  sites: readonly string[];
  kind: SiteKind;
  layer: string | undefined;
  /** Relative L2 of the worst float output; Infinity when an output stops being finite. */
  outputError: number;
  /** Relative L2 of each float output, in the model's order: sums over sites are taken per output. */
  perOutput: readonly number[];
  outputMaxAbs: number;
  /** The output is not finite. */
  nonFinite: boolean;
  /**
   * Signed error of each output relative to the reference's norm, as a packed random projection (`unpackProjection`), by sample and output; an empty text where
   * there is none.
   */
  signed?: readonly (readonly string[])[];
  /** Of several samples: relative L2 by sample and output. `perOutput` is then the root of the mean square over samples, and this the worst of one sample. */
  perSample?: readonly (readonly number[])[];
  worstError?: number;
  /** Value of the user's own metric, the worst of the samples. */
  metric?: number;
  /** Never measured alone: a share of the squared error of the set of sites that it was measured in. */
  estimated?: boolean;
  /** Standard deviation of its error over samples and perturbations, over its error. */
  spread?: number;
  /** Its error cannot be told from noise (see `Sensitivity.noise`). */
  belowFloor?: boolean;
}

export interface LayerSensitivity {
  layer: string;
  /** What the layer's own sites predict together. */
  outputError: number;
  /** The same by cause. `overflow` is true when one of its sites alone makes an output non-finite, or overflows in the measurement. */
  activation: number;
  weight: number;
  /** Sums inside its products; absent where they are no sites. */
  accumulation?: number;
  overflow: boolean;
  sites: number;
  /** Some of its sites were not measured alone. */
  estimated?: boolean;
  /** What it costs is below the noise floor. */
  belowFloor?: boolean;
}

/** How a candidate's output compares with the reference's; sums in FP64 over finite pairs, padded positions left out. */
export interface OutputFigures {
  /** Elements compared. */
  count: number;
  maxAbs: number;
  meanAbs: number;
  relativeL2: number;
  /** Of the angle between the two; 1 where both are zero. */
  cosine: number;
  /** Pairs that can never pass: NaN, or an infinity on one side. */
  nonFinite: number;
  /** Of outputs that look like scores of classes (`Judgement.classRule`): along their last axis. */
  classes?: {
    read: "logits" | "probabilities";
    count: number;
    /** Decisions: all axes but the last. */
    rows: number;
    /** Share of the rows whose highest class is the same. */
    top1Agreement: number;
    /** Mean Kullback-Leibler divergence of the candidate from the reference, in nats. */
    klDivergence: number;
  };
}

/** How final outputs were judged: what the tolerance is compared with, and what was left out. */
export interface Judgement {
  /** Relative L2 of the worst float output, or the number that the user's module gives. */
  figure: "relative-l2" | "metric";
  metric?: { path: string; digest: string };
  /** How padding is told and which masks applied, on the first sample; absent where no input says so. */
  padding?: { rule: string; kept: boolean; masks: readonly { input: string; outputs: readonly string[]; leftOut: number; of: number }[] };
  /** When an output is read as scores of classes. */
  classRule: string;
}

export interface Sensitivity {
  /** Layers that had to be pinned before the sweep made sense (overflow origins). */
  basePins: readonly string[];
  /** Why, by layer. */
  basePinReasons?: Readonly<Record<string, string>>;
  sites: readonly SiteSensitivity[];
  layers: readonly LayerSensitivity[];
  /** Relative L2 of the final outputs with every site on (given basePins), measured; and what the sites predict (root of summed squares). */
  measuredError: number;
  predictedError: number;
  /** How many were measured, whether now or before an interruption. */
  candidates: number;
  /** Candidates that nobody has measured yet: other shards have them. Absent when the sweep is whole. */
  left?: number;
  /** Merged from machines of several versions or instruction sets, whose results counted as equal up to this relative difference. */
  mixed?: {
    environments: readonly { halfscope: string; onnxruntime: string; instructionSet: string }[];
    tolerance: number;
  };
  /** Of files before 0.2, which kept this timing here: mean duration of one candidate over the duration of one bare pass. See `timings`. */
  barePassesPerCandidate?: number;
  /** Root of summed squares over all sites, where `predictedError` adds weights with sign. */
  predictedInSquares?: number;
  /** Samples that were swept; 1 when absent. With more, errors are roots of mean squares over them. */
  samples?: number;
  judgement?: Judgement;
  /** The whole candidate's outputs on the first sample. */
  figures?: Readonly<Record<string, OutputFigures>>;
  /** The user's own metric of the whole candidate, the worst of the samples. */
  metric?: number;
  noise?: NoiseFloor;
  adaptive?: AdaptiveSweep;
}

/** What cannot be told from chance. Repeats of a run are bit-identical, so it comes from samples and from inputs moved a little. */
export interface NoiseFloor {
  /** Relative L2 of each output below which a site's error says nothing: the larger of the two below. */
  perOutput: readonly number[];
  /** How far the reference's own outputs move when float inputs do; absent where no input is a float. */
  reference?: readonly number[];
  /** Root of the standard deviation of the whole candidate's squared error: what vanishes below it cannot be measured. */
  spread?: readonly number[];
  perturbations: number;
  /** By how much float inputs were moved, relatively; absent where each perturbation left out a site that costs next to nothing, so that what is behind falls anew. */
  relative?: number;
  samples: number;
  /** Groups of sites below it. */
  below: number;
}

/** A sweep that measured sets of sites first and opened only those that could still matter. */
export interface AdaptiveSweep {
  /** Largest share of the squared error that was left in sets that were not opened. */
  threshold: number;
  /** Groups of sites that were not measured alone, and their share of the squared error. */
  estimated: number;
  estimatedShare: number;
  /** Squared error of the sites measured alone or with the other sites of their layer, over that of all. */
  captured: number;
  /** Sets of sites that were measured, in order of their error. */
  sets: readonly { name: string; sites: number; perOutput: readonly number[]; outputError: number; opened: boolean }[];
  /** Measured error of the whole over what its parts predict: of blocks, and of what each opened set fell into. */
  additivity: { blocks: number; opened: readonly number[] };
}

/** A part of a sweep, or what several parts are so far. */
export interface SweepPart {
  /** As `--shard` was given: `2/3`; absent for merged parts. */
  shard?: string;
  /** Layers that had to be pinned before the sweep, and why. */
  basePins: readonly { layer: string; reason: string }[];
  /** Candidates that the journal lacks; undefined before the sweep has begun. */
  left?: number;
}

/** One measured set of pins. */
export interface Trial {
  pins: readonly string[];
  /** Why it was tried: "all FP16", "overflow origins", "greedy", "trim" ... */
  purpose: string;
  /** undefined when nothing was predicted. */
  predictedError: number | undefined;
  measuredError: number;
  nonFinite: boolean;
  /** Share of the work (see `workOf`) that stays in FP32. */
  fp32Share: number;
  /** Worst of the samples that pins are not chosen on; absent where they were not asked, because the first ones had decided already. */
  heldBackError?: number;
  /** Casts at the borders of the pinned regions beyond those without pins, and what they move over the work of all layers. */
  casts?: number;
  castShare?: number;
}

/** A set of pins that somebody asked to see beside the recommended one. */
export interface LikePins {
  /** As it was given: patterns or a file. */
  given: string;
  layers: readonly string[];
  /** Patterns of it that no layer of this model matches. */
  unmatched?: readonly string[];
  error: number;
  heldBackError?: number;
  fp32Share: number;
  castShare?: number;
  /** Whether it meets the tolerance, and how it stands beside the recommended pins. */
  verdict: string;
}

/** A way to meet the tolerance, measured: pins, edits of the graph, or edits and the pins that are still needed. */
export interface Choice {
  kind: "pins" | "fixes" | "fixes-and-pins";
  /** Relative L2 of the worst final output over all samples; Infinity when not finite. */
  error: number;
  /** Layers that stay in FP32, and their share of the work. */
  pins: readonly string[];
  fp32Share: number;
  meets: boolean;
  /** The one to take: within the tolerance at the least work in FP32, else the one with the smallest error. */
  best: boolean;
  /** What to do, one sentence with the command. */
  todo: string;
}

/** What a rule of thumb would pin, and what that buys, measured. */
export interface Suggestion {
  rule: "layer-norm" | "softmax" | "embedding" | "residual-add" | "output-head";
  layers: readonly string[];
  /** Relative L2 of the final outputs with exactly these pins added to the base pins, against without. */
  errorWithout: number;
  errorWith: number;
  fp32Share: number;
  /** One sentence: needed, helps a little, makes no difference. */
  verdict: string;
}

export interface Recommendation {
  /** Relative L2 of the final outputs that must be met. */
  tolerance: number;
  /** best-found: no tolerance was aimed at; the pins give the lowest error found within `goal`. */
  outcome: "no-pins-needed" | "pins-found" | "not-met" | "best-found";
  /** What was asked instead of the tolerance: at most this share of the work in FP32, or this many pins. */
  goal?: { kind: "budget"; fp32Share: number } | { kind: "pins"; pins: number };
  pins: readonly { layer: string; reason: string; evidence: Readonly<Record<string, number | string>> }[];
  /** Measured with the recommended pins, on the sample chosen on and the worst of those held back. */
  measuredError: number;
  heldBackError: number | undefined;
  /** Samples that judged it, the one chosen on included, and the error that a sample nobody has seen stays below in 95 of 100 cases, by their spread. */
  samples?: number;
  unseenBound?: number;
  /** Made-up samples that no choice depended on, asked at the very end: how many, how many of them are beyond the tolerance, and the worst error. */
  confirmed?: { samples: number; beyond: number; error: number };
  trials: readonly Trial[];
  suggestions: readonly Suggestion[];
  /** Trials that no other beats on error, work in FP32 and number of pins at once: indices, least work first. */
  front?: readonly number[];
  /** Predicted error along the walk from no pins to everything pinned, by share of work. */
  predictedFront?: readonly { fp32Share: number; pins: number; error: number }[];
  /** How many of the pins a trial without exactly that pin has shown to be needed. */
  minimal?: { proved: number; of: number };
  like?: LikePins;
  /** What the shares of work are made of. */
  cost?: { source: string; operations: number; bytes: number; layersOfUnknownSize: number };
}

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
  /** Seconds per step. */
  timings: Readonly<Record<string, number>>;
  warnings: readonly string[];
}
