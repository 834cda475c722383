import { encodeJson, exitCodes, type Progress } from "@halfscope/core";

/** What a command gets from the program around it. */
export interface Context {
  progress: Progress;
  signal: AbortSignal;
  /** The command's one JSON document, when --json was given; text for people otherwise goes to `say`. */
  result(document: unknown): void;
  /** A line for people, on standard error. */
  say(line?: string): void;
  exitCode: number;
}

export function newContext(progress: Progress, signal: AbortSignal): Context {
  return {
    progress,
    signal,
    result: (document) => process.stdout.write(`${encodeJson(document, 1)}\n`),
    say: (line = "") => process.stderr.write(`${line}\n`),
    exitCode: exitCodes.ok,
  };
}
