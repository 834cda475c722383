/** What became of final outputs, in a word and a number. */
import { type EngineMessage, type ErrorStats, HalfscopeError, relativeL2 } from "@halfscope/core";
import { short } from "./report-file.js";

/** From this relative L2 on, results are called wrong: two orders above FP16's own rounding. */
export const wrongFrom = 0.05;

export type OutcomeWord = "fine" | "wrong" | "NaN" | "Inf" | "refused";

export interface Outcome {
  outcome: OutcomeWord;
  /** Relative L2 over finite pairs of the worst output. */
  error?: number;
  /** Elements that are not finite where the reference is. */
  nonFinite?: number;
  /** Why it was refused, first line. */
  reason?: string;
}

export function outcomeOf(stats: Iterable<ErrorStats>): Outcome {
  const all = [...stats];
  const error = short(all.map(relativeL2).reduce((a, b) => Math.max(a, b), 0));
  const nonFinite = all.reduce((n, s) => n + s.nonFiniteMismatch, 0);
  const nan = all.some((s) => s.nanCandidate > s.nanReference);
  const outcome = nan ? "NaN" : nonFinite > 0 ? "Inf" : error > wrongFrom ? "wrong" : "fine";
  return { outcome, error, ...(nonFinite > 0 && { nonFinite }) };
}

/** An engine that could not be built or run is an answer too; a missing library or a bug of ours is not. */
export function refusal(error: unknown): Outcome {
  if (!(error instanceof HalfscopeError) || error.code === "ERR_BACKEND_UNAVAILABLE" || error.code === "ERR_INTERNAL") throw error;
  return { outcome: "refused", reason: (error.message.split("\n")[0] ?? "").slice(0, 300) };
}

/** What a library warned of, for reports: texts cut short, what it says of itself left out. */
export const warningsIn = (messages: readonly EngineMessage[]): { kind: string; text: string; count: number }[] =>
  messages
    .filter((m) => m.severity !== "info" && m.kind !== "type-cast")
    .slice(0, 12)
    .map(({ kind, text, count }) => ({ kind, text: text.slice(0, 240), count }));
