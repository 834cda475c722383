import type { ErrorStats } from "./error-stats.js";
import type { ConstantPolicy } from "./plan.js";

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
