import type { GraphView } from "@halfscope/onnx";
import { quantileOf, spearman } from "./correlation.js";

/** One tensor's error as it was predicted and as an engine showed it, means of magnitudes. */
export interface ErrorPair {
  readonly tensor: string;
  readonly predicted: number;
  readonly measured: number;
  /** Root mean square of the reference. */
  readonly rms: number;
  /** Nodes on the longest way from an input. */
  readonly depth: number;
}

export interface TensorAgreement {
  /** Tensors with a finite error on both sides. */
  readonly pairs: readonly ErrorPair[];
  /** Tensors with an error on one side only. */
  readonly oneSided: readonly ErrorPair[];
  /** predicted / measured: the middle, and what 5 % and 95 % of the tensors stay below. */
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Rank correlation of error / RMS. */
  readonly spearman: number;
  /** The same for a predictor that knows no numbers: an error in proportion to magnitude and depth. A prediction has to beat it. */
  readonly nullSpearman: number;
}

/** How errors that were predicted compare with measured ones, tensor by tensor. Errors that are no finite numbers are in no pair. */
export function tensorAgreement(all: readonly ErrorPair[]): TensorAgreement {
  const finite = all.filter((p) => Number.isFinite(p.predicted) && Number.isFinite(p.measured));
  const pairs = finite.filter((p) => p.predicted > 0 && p.measured > 0);
  const ratios = pairs.map((p) => p.predicted / p.measured).sort((a, b) => a - b);
  // A tensor of zeros has no error relative to its size.
  const sized = pairs.filter((p) => p.rms > 0);
  const measured = sized.map((p) => p.measured / p.rms);
  const predicted = sized.map((p) => p.predicted / p.rms);
  const depths = sized.map((p) => p.depth);
  return {
    pairs,
    oneSided: finite.filter((p) => p.predicted > 0 !== p.measured > 0),
    median: quantileOf(ratios, 0.5),
    low: quantileOf(ratios, 0.05),
    high: quantileOf(ratios, 0.95),
    spearman: spearman(predicted, measured),
    nullSpearman: spearman(depths, measured),
  };
}

/** Nodes on the longest way from an input, by tensor of the main graph. */
export function depthsOf(view: GraphView): ReadonlyMap<string, number> {
  const depths = new Map<string, number>();
  for (const node of view.mainOrder) {
    const depth = 1 + node.inputs.reduce((most, i) => Math.max(most, depths.get(i) ?? 0), 0);
    for (const output of node.outputs) depths.set(output, depth);
  }
  return depths;
}
