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
