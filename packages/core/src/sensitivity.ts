import type { SiteKind } from "./plan.js";

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
