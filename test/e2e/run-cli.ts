/** The built command line, run as a person runs it: a process with its output and its exit code. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decodeJson } from "@halfscope/core";
import { expect } from "vitest";

export const bin = fileURLToPath(new URL("../../packages/halfscope/bin/halfscope.js", import.meta.url));

export interface Ended {
  /** null when a signal ended the process. */
  code: number | null;
  stdout: string;
  stderr: string;
}
export interface RunOptions {
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** Called with the process when it has been started. */
  onStart?: (child: ChildProcess) => void;
}

/** Runs `halfscope ARGS` to its end. */
export function halfscope(args: readonly string[], o: RunOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...process.env, FORCE_COLOR: "0", ...o.env },
    ...(o.cwd !== undefined && { cwd: o.cwd }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const out: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  o.onStart?.(child);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout: Buffer.concat(out).toString(), stderr }));
  });
}

/** Runs a command with --json and gives its one document; its exit code must be one of `codes`. */
export async function jsonOf(
  args: readonly string[],
  codes: readonly number[] = [0],
  o: RunOptions = {},
): Promise<Record<string, unknown>> {
  const ended = await halfscope([...args, "--json"], o);
  expect(codes, `${args.join(" ")}\n${ended.stderr}`).toContain(ended.code);
  return documentIn(ended.stdout);
}

/** Standard output holds exactly one JSON document that says its schema. */
export function documentIn(stdout: string): Record<string, unknown> {
  const document = decodeJson(stdout) as Record<string, unknown>;
  expect(document.schema).toMatch(/^halfscope\/[a-z-]+\/\d+$/);
  return document;
}

export interface Failure {
  code: number;
  error: string;
}
/** The command fails as it should: exit code, error code and words, a next step, the same in JSON, nothing but that. Returns the message. */
export async function expectFailure(args: readonly string[], failure: Failure, words: RegExp, o: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await halfscope([...args, "--json"], o);
  expect(stderr).not.toMatch(/\bat .*\.js:\d+|UnhandledPromise|node:internal/);
  expect({ code, error: /^(ERR_\w+)/m.exec(stderr)?.[1] }, stderr).toEqual({ code: failure.code, error: failure.error });
  const document = documentIn(stdout);
  expect(document.schema).toBe("halfscope/error/1");
  const error = document.error as { code: string; message: string; hint?: string };
  expect(error.code).toBe(failure.error);
  expect(error.message).toMatch(words);
  expect(error.hint, "an error names the next step").toMatch(/\w{3}/);
  return error.message;
}

/** Everything in a folder, files of the kind that are renamed when they are whole included. */
export const filesIn = (folder: string): string[] => readdirSync(folder, { recursive: true }).map(String).sort();

/** Lines of text for people that are wider than a terminal of 120 columns. */
export const tooWide = (text: string): string[] => text.split("\n").filter((line) => [...line].length > 120);
