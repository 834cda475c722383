import { type ErrorStats, relativeL2 } from "@halfscope/core";

/** Error of the final outputs of one candidate: what a person judges. */
export interface OutputError {
  /** Relative L2 of the worst float output; Infinity when one is not finite. */
  error: number;
  perOutput: readonly number[];
  maxAbs: number;
  /** Some output is NaN or infinite where the reference is not. */
  nonFinite: boolean;
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

/** Root of summed squares, output by output: how errors of disjoint sites add (DESIGN section 5). */
export function addInSquares(errors: Iterable<readonly number[]>, outputs: number): number[] {
  const sums = new Array<number>(outputs).fill(0);
  for (const perOutput of errors)
    perOutput.forEach((e, i) => {
      sums[i] = (sums[i] ?? 0) + e * e;
    });
  return sums.map(Math.sqrt);
}
export const worst = (perOutput: readonly number[]): number => perOutput.reduce((a, b) => Math.max(a, b), 0);

/** Measures the final outputs under a setting of switches. The engine's part of every search. */
export type Evaluate = (switches: Uint8Array) => Promise<OutputError>;
