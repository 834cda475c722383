import { type ErrorStats, type OutputFigures, relativeL2 } from "@halfscope/core";

/** Error of the final outputs of one candidate: what a person judges. */
export interface OutputError {
  /** What the tolerance is compared with: relative L2 of the worst float output, or the user's metric; Infinity when an output is not finite. */
  error: number;
  /** Relative L2 of each float output, whatever is judged. */
  perOutput: readonly number[];
  maxAbs: number;
  /** Some output is NaN or infinite where the reference is not. */
  nonFinite: boolean;
  /** The user's metric, where there is one. */
  metric?: number;
  /** Where they were asked for: each output by name. */
  figures?: Readonly<Record<string, OutputFigures>>;
  /** Where it was asked for: the signed error of each output over the reference's norm, as a packed projection. */
  signed?: readonly string[];
}

/** What to find out beside the error itself. */
export interface Wanted {
  /** Figures of each output, classes included. Defaults to false. */
  figures?: boolean;
  /** Projections of signed errors. Defaults to false. */
  signed?: boolean;
}

/** An output that is not finite counts as infinitely wrong: a comparison with NaN never passes. */
export function outputErrorFrom(stats: Iterable<ErrorStats>): OutputError {
  const all = [...stats];
  const perOutput = all.map((s) => (s.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : relativeL2(s)));
  return {
    error: perOutput.reduce((a, b) => Math.max(a, b), 0),
    perOutput,
    maxAbs: all.reduce((m, s) => Math.max(m, s.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : s.maxAbs), 0),
    nonFinite: all.some((s) => s.nonFiniteMismatch > 0),
  };
}

/** Root of summed squares, output by output: how errors of disjoint sites add when each is fresh noise (DESIGN section 5). */
export function addInSquares(errors: Iterable<readonly number[]>, outputs: number): number[] {
  const sums = new Array<number>(outputs).fill(0);
  for (const perOutput of errors)
    perOutput.forEach((e, i) => {
      sums[i] = (sums[i] ?? 0) + e * e;
    });
  return sums.map(Math.sqrt);
}
export const worst = (perOutput: readonly number[]): number => perOutput.reduce((a, b) => Math.max(a, b), 0);

/** Root of the mean square over samples, output by output. */
export const overSamples = (perSample: readonly (readonly number[])[]): number[] =>
  addInSquares(perSample, perSample[0]?.length ?? 0).map((e) => e / Math.sqrt(perSample.length));

/** Measures the final outputs under a setting of switches. The engine's part of every search. */
export type Evaluate = (switches: Uint8Array, wanted?: Wanted) => Promise<OutputError>;
