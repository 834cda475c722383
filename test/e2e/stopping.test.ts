/** Stopped in the middle, by Ctrl-C, by a kill, in any step: nothing half-written, and the same command goes on to the same numbers. */
import type { ChildProcess } from "node:child_process";
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeJson, encodeJson, type ResultDocument } from "@halfscope/core";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { temporaryFolder } from "../support/model-file.js";
import { filesIn, halfscope, jsonOf } from "./run-cli.js";

const folder = temporaryFolder();
const model = join(folder, "model.onnx");
const whole = join(folder, "whole");
/** One thread: the two processes of a test run do not slow each other down. */
const common = ["--dim", "batch=1", "sequence=64", "--threads", "1"];

beforeAll(async () => {
  await makeBert({ path: model, layers: 6, hidden: 192, heads: 4, vocab: 300, maxPosition: 64, faults: [{ kind: "noisy-layer" }] });
  await jsonOf(["sweep", model, "-o", whole, ...common]);
}, 120_000);

const journal = (at: string) => readFileSync(join(at, "journal.jsonl"), "utf8");
/** Lines of a journal before the first candidate: what it is of, and which candidates there are. */
const headLines = 2;
/** What the sweep measured, digit by digit. */
const sensitivity = (at: string) => {
  const saved = (decodeJson(readFileSync(join(at, "result.json"), "utf8")) as ResultDocument).sensitivity;
  return encodeJson(saved);
};

/** Sends a signal once the journal has this many lines. */
const signalAt = (at: string, lines: number, signal: NodeJS.Signals) => async (child: ChildProcess) => {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    if (child.exitCode !== null) return;
    try {
      if (journal(at).split("\n").length > lines) break;
    } catch {
      // not there yet
    }
  }
  child.kill(signal);
};
async function interrupted(args: readonly string[], at: string, lines: number, signal: NodeJS.Signals) {
  return halfscope(args, { onStart: (child) => void signalAt(at, lines, signal)(child) });
}

describe("sweep", () => {
  it.each(["SIGINT", "SIGTERM"] as const)("%s ends it with 130, keeps the journal, and the same command continues", async (signal) => {
    const at = join(folder, `stopped-${signal}`);
    const command = ["sweep", model, "-o", at, ...common];
    const first = await interrupted(command, at, 20, signal);
    expect(first.code, first.stderr).toBe(130);
    expect(first.stderr).toMatch(/ERR_CANCELLED/);
    expect(first.stderr).not.toMatch(/\.js:\d+/);
    expect(filesIn(at)).toEqual(["journal.jsonl"]);
    const done = journal(at).trimEnd().split("\n").length;
    expect(done).toBeGreaterThanOrEqual(20);
    expect(done).toBeLessThan(journal(whole).trimEnd().split("\n").length);
    const again = await halfscope(command);
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toMatch(new RegExp(`Continuing a sweep: ${done - headLines} `));
    expect(sensitivity(at)).toBe(sensitivity(whole));
    expect(journal(at).startsWith(journal(whole).split("\n")[0] as string)).toBe(true);
  });

  it("a kill that cuts off the last line loses that line alone", async () => {
    const at = join(folder, "killed");
    const command = ["sweep", model, "-o", at, ...common];
    const first = await interrupted(command, at, 20, "SIGKILL");
    expect(first.code).toBe(null);
    expect(filesIn(at)).toEqual(["journal.jsonl"]);
    const lines = journal(at).trimEnd().split("\n");
    const kept = lines.slice(0, -1).join("\n").length + 1;
    truncateSync(join(at, "journal.jsonl"), kept + 10);
    const again = await halfscope(command);
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toMatch(new RegExp(`Continuing a sweep: ${lines.length - 1 - headLines} `));
    expect(sensitivity(at)).toBe(sensitivity(whole));
    for (const line of journal(at).trimEnd().split("\n")) expect(() => decodeJson(line)).not.toThrow();
  });

  it("a finished one is only read again", async () => {
    const at = join(folder, "finished");
    mkdirSync(at);
    copyFileSync(join(whole, "journal.jsonl"), join(at, "journal.jsonl"));
    const before = journal(at);
    const result = (await jsonOf(["sweep", model, "-o", at, ...common])) as unknown as ResultDocument;
    expect(result.sensitivity?.candidates).toBe(journal(whole).trimEnd().split("\n").length - headLines);
    expect(sensitivity(at)).toBe(sensitivity(whole));
    expect(journal(at)).toBe(before);
  });

  it("a journal of which only a part of the head was written starts anew", async () => {
    const at = join(folder, "no-head");
    mkdirSync(at);
    writeFileSync(join(at, "journal.jsonl"), "");
    appendFileSync(join(at, "journal.jsonl"), journal(whole).slice(0, 40));
    await jsonOf(["sweep", model, "-o", at, ...common]);
    expect(sensitivity(at)).toBe(sensitivity(whole));
  });
});

it("debug that was stopped twice ends as one that never was", async () => {
  const at = join(folder, "debug");
  const command = ["debug", model, "-o", at, ...common];
  const lines = journal(whole).split("\n").length;
  for (const share of [0.3, 0.7]) {
    const stopped = await interrupted(command, at, Math.floor(share * lines), "SIGINT");
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(filesIn(at)).toEqual(["journal.jsonl", "result.json"]);
  }
  const last = await halfscope(command);
  expect([0, 1], last.stderr).toContain(last.code);
  expect(last.stderr).toMatch(/Continuing a sweep/);
  expect(sensitivity(at)).toBe(sensitivity(whole));
  expect(filesIn(at)).toEqual(["journal.jsonl", "mixed.onnx", "overrides.json", "report.html", "result.json"]);
});

it("Ctrl-C at any moment of any command leaves with 130 or its own end, and no partial files", async () => {
  const at = join(folder, "any");
  const overrides = join(whole, "overrides.json");
  expect((await halfscope(["recommend", whole, ...common])).stderr).toMatch(/Next:/);
  const commands = [
    ["compare", model, "-o", at, ...common],
    ["debug", model, "-o", at, ...common],
    ["apply", model, overrides, "-o", join(folder, "mixed.onnx"), ...common],
    ["inspect", model],
  ];
  for (const [i, command] of commands.entries()) {
    const { code, stderr } = await halfscope(command, {
      onStart: (child) => void setTimeout(() => child.kill("SIGINT"), 700 + 150 * i),
    });
    // Before Node has run the first line of ours, the signal ends the process itself.
    expect([130, 0, 1, null], stderr).toContain(code);
    expect(stderr).not.toMatch(/\.js:\d+|ERR_INTERNAL/);
  }
  expect(filesIn(folder).filter((f) => /\.(partial|probe)$/.test(f))).toEqual([]);
});
