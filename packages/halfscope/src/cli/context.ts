import { encodeJson, exitCodes, type Progress } from "@halfscope/core";

/** What a command gets from the program around it. */
export interface Context {
  progress: Progress;
  signal: AbortSignal;
  /** What the command was asked for: one JSON document with --json, text for people otherwise. Standard output holds this and nothing else. */
  answer(json: boolean, document: () => unknown, text: () => string): void;
  /** A line for people beside the answer, on standard error. */
  say(line?: string): void;
  exitCode: number;
}

export function newContext(progress: Progress, signal: AbortSignal): Context {
  return {
    progress,
    signal,
    answer: (json, document, text) => process.stdout.write(`${json ? encodeJson(document(), 1) : text()}\n`),
    say: (line = "") => process.stderr.write(`${line}\n`),
    exitCode: exitCodes.ok,
  };
}
