/** What one model's way through the steps came to. Written as JSON, one file per model. */

/** In the order in which they are done. */
export const stepNames = ["read", "list", "load", "reference", "isolated", "accumulated", "half", "mixed", "checker"] as const;
export type StepName = (typeof stepNames)[number];

/**
 * ok: done as it must be. refused: ONNX Runtime itself does not run the model (its words are the reason), or the model is bad on purpose and was
 * refused with the right error. void: the step has nothing to do here, the reason says why. failed: everything else.
 */
export type StepStatus = "ok" | "refused" | "void" | "failed";

export interface StepRecord {
  step: StepName;
  status: StepStatus;
  /** Why not ok. */
  reason?: string;
  /** Facts worth seeing, of steps that are ok too. */
  notes?: string[];
  seconds: number;
}

export interface ModelRecord {
  /** `node/test_abs`: folders below the collection's. */
  id: string;
  collection: string;
  path: string;
  outcome: Outcome;
  steps: StepRecord[];
  seconds: number;
}
export type Outcome = "handled" | "refused" | "failed";

export function outcomeOf(steps: readonly StepRecord[]): Outcome {
  if (steps.some((s) => s.status === "failed")) return "failed";
  return steps.some((s) => s.status === "refused") ? "refused" : "handled";
}

/** Reasons of one kind read alike but for names and numbers: this is what they are counted by. */
export const reasonClass = (reason: string): string =>
  (reason.split("\n")[0] ?? "")
    .replace(/(?<![\w.])\/[\w./-]+\.\w+/g, "FILE")
    .replace(/"[^"]*"|'[^']*'|\([^)]*\)|\[[^\]]*\]/g, (quoted) => `${quoted[0]}…${quoted.at(-1)}`)
    .replace(/\b\d[\d.e+-]*/g, "N")
    .slice(0, 160);
