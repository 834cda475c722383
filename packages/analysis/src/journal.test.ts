import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJson } from "@halfscope/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Journal, type JournalHead } from "./journal.js";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-journal-"));
  path = join(folder, "journal.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const head: JournalHead = {
  schema: "halfscope/journal/1",
  modelDigest: "m",
  feedDigest: "f",
  like: "pytorch",
  constants: "finite",
  basePins: ["a"],
  onnxruntime: "1.30.0",
  instructionSet: "avx2",
};
interface Entry {
  error: number;
}
const isEntry = (v: unknown): v is Entry => typeof (v as Entry | null)?.error === "number";
const open = (more: Partial<JournalHead> = {}, options = {}) => new Journal<Entry>(path, { ...head, ...more }, isEntry, options);
const lines = () => readFileSync(path, "utf8").split("\n");
const damaged = (message: RegExp) =>
  expect.objectContaining({
    code: "ERR_JOURNAL",
    exitCode: 2,
    message: expect.stringMatching(message),
    hint: expect.stringContaining("--fresh"),
  });

describe("a journal", () => {
  it("gives back what was added, also in another process, infinities included", () => {
    const first = open();
    first.add("one", { error: 0.5 });
    first.add("two", { error: Number.POSITIVE_INFINITY });
    first.add("one", { error: 0.25 });
    const second = open();
    expect([second.size, second.get("one"), second.get("two"), second.get("three")]).toEqual([
      2,
      { error: 0.25 },
      { error: Number.POSITIVE_INFINITY },
      undefined,
    ]);
  });

  it("drops the line that a kill cut off, wherever it was cut, and goes on cleanly", () => {
    open().add("one", { error: 1 });
    const whole = readFileSync(path, "utf8");
    const cut = '{"key":"two","result":{"error":2}}';
    for (let length = 1; length < cut.length; length++) {
      writeFileSync(path, whole + cut.slice(0, length));
      const again = open();
      expect([again.size, again.get("two")], cut.slice(0, length)).toEqual([1, undefined]);
      again.add("three", { error: 3 });
      expect(open().get("three")).toEqual({ error: 3 });
      expect(lines()).toHaveLength(4);
    }
  });

  it("keeps a last line that lacks only its line end", () => {
    open();
    appendFileSync(path, '{"key":"one","result":{"error":1}}');
    const again = open();
    again.add("two", { error: 2 });
    expect([open().get("one"), open().get("two")]).toEqual([{ error: 1 }, { error: 2 }]);
  });

  it("starts anew where even the head was cut off", () => {
    writeFileSync(path, '{"schema":"halfsc');
    const journal = open();
    journal.add("one", { error: 1 });
    expect(decodeJson(lines()[0] ?? "")).toEqual(head);
    expect(open().size).toBe(1);
  });

  it.each<[keyof JournalHead, Partial<JournalHead>]>([
    ["modelDigest", { modelDigest: "other" }],
    ["feedDigest", { feedDigest: "other" }],
    ["basePins", { basePins: ["a", "b"] }],
    ["constants", { constants: "overflow" }],
    ["instructionSet", { instructionSet: "scalar" }],
  ])("of another %s is refused and left as it is, unless a fresh start is asked for", (name, more) => {
    open().add("one", { error: 1 });
    const before = readFileSync(path, "utf8");
    expect(() => open(more)).toThrow(damaged(new RegExp(name)));
    expect(readFileSync(path, "utf8")).toBe(before);
    expect(open(more, { fresh: true }).size).toBe(0);
    expect(lines()).toHaveLength(2);
  });

  it.each([
    ["text", "not json at all", /line 2 is not JSON/],
    ["null", "null", /line 2 is no result/],
    ["a number", "5", /line 2 is no result/],
    ["no key", '{"result":{"error":1}}', /line 2 is no result/],
    ["another result", '{"key":"x","result":{"other":1}}', /line 2 is no result/],
  ])("with %s between its lines is refused by line", (_, line, message) => {
    open();
    appendFileSync(path, `${line}\n{"key":"one","result":{"error":1}}\n`);
    expect(() => open()).toThrow(damaged(message));
  });

  it.each(["null", "[]", "5", "\u0000"])("whose head is %j is refused", (line) => {
    writeFileSync(path, `${line}\n{"key":"one","result":{"error":1}}\n`);
    expect(() => open()).toThrow(expect.objectContaining({ code: "ERR_JOURNAL" }));
  });

  it("without a path keeps results for this run only", () => {
    const journal = new Journal<Entry>(undefined, head, isEntry);
    journal.add("one", { error: 1 });
    expect(journal.get("one")).toEqual({ error: 1 });
  });
});
