/** Whether the prediction says what the engine says, at tolerances around the measured error. */
import { short } from "./report-file.js";

export const toleranceFactors = [0.5, 0.8, 1.25, 2] as const;

export type Verdict = "within" | "not-within" | "not-finite";

/** One model on one engine at one tolerance. */
export interface VerdictPair {
  model: string;
  engine: string;
  /** Tolerance over the measured error; absent where the engine's outputs are not finite: no tolerance is met then. */
  factor?: number;
  tolerance?: number;
  predictedError: number;
  measuredError: number;
  predicted: Verdict;
  measured: Verdict;
  agrees: boolean;
}

const verdict = (error: number, tolerance: number): Verdict =>
  !Number.isFinite(error) ? "not-finite" : error <= tolerance ? "within" : "not-within";

/** Infinity stands for outputs that are not finite. An engine without any error gives no pair: every tolerance is met. */
export function verdictPairs(model: string, engine: string, predictedError: number, measuredError: number): VerdictPair[] {
  const about = { model, engine, predictedError, measuredError };
  if (measuredError === 0) return [];
  if (!Number.isFinite(measuredError)) {
    const predicted = verdict(predictedError, Number.MAX_VALUE);
    return [{ ...about, predicted, measured: "not-finite", agrees: predicted === "not-finite" }];
  }
  return toleranceFactors.map((factor) => {
    const tolerance = factor * measuredError;
    const [predicted, measured] = [verdict(predictedError, tolerance), verdict(measuredError, tolerance)];
    return { ...about, factor, tolerance, predicted, measured, agrees: predicted === measured };
  });
}

/** Figures as files hold them. */
export const rounded = (p: VerdictPair): VerdictPair => ({
  ...p,
  predictedError: short(p.predictedError),
  measuredError: short(p.measuredError),
  ...(p.tolerance !== undefined && { tolerance: short(p.tolerance) }),
});
