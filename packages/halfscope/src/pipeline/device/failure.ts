import { EngineError } from "@halfscope/core";

/** What a library did not manage. */
export interface EngineFailure {
  /** The end of a sentence, with the last line of the library's log: "could not be built: ...". */
  text: string;
  /** The same request fails the same way: what memory decides may be otherwise a minute later, and so may a run. */
  lasting: boolean;
}

const longest = 400;

/** Why an engine could not be built or run; undefined for errors of any other kind (a missing library, a slip of the person, a full disk), which end the work. */
export function failureOf(error: unknown): EngineFailure | undefined {
  // An engine that failed may fail again when it is disposed of: what came first is the reason.
  if (error instanceof Error && error.name === "SuppressedError" && "suppressed" in error) return failureOf(error.suppressed);
  if (!(error instanceof EngineError)) return undefined;
  const doing = error.code === "ERR_ENGINE_BUILD" ? "built" : error.code === "ERR_ENGINE_RUN" ? "run" : undefined;
  if (doing === undefined) return undefined;
  return {
    text: `could not be ${doing}: ${lastLine(error.message)}`,
    lasting: doing === "built" && !/memory|allocat/i.test(error.message),
  };
}

/** Errors of a log come in one message, joined by bars or lines. */
function lastLine(message: string): string {
  const lines = message
    .split(/\n| \| /)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const last = lines.at(-1) ?? "the library does not say why.";
  return last.length > longest ? `${last.slice(0, longest)}…` : /[.!?…]$/.test(last) ? last : `${last}.`;
}
