import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJson } from "@halfscope/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Journal, type JournalHead } from "./journal.js";
import { readJournalFile } from "./journal-file.js";

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
  halfscope: "0.1.0",
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
    first.add("one", { error: 0.5 });
    expect(lines()).toHaveLength(4);
    const second = open();
    expect([second.size, second.get("one"), second.get("two"), second.get("three")]).toEqual([
      2,
      { error: 0.5 },
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
    ["rules", { rules: ["scaled-product"] }],
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
    ["null", "null", /line 2 is no result/],
    ["a number", "5", /line 2 is no result/],
    ["no key", '{"result":{"error":1}}', /line 2 is no result/],
    ["another result", '{"key":"x","result":{"other":1}}', /line 2 is no result/],
  ])("with %s between its lines is refused by line", (_, line, message) => {
    open();
    appendFileSync(path, `${line}\n{"key":"one","result":{"error":1}}\n`);
    expect(() => open()).toThrow(damaged(message));
  });

  it.each(["not json at all", '{"key":"two","res{"key":"three","result":{"error":3}}', "\u0000\u0000\u0000", "\ufffd"])(
    "leaves out the torn line %j that a crash of the machine left, and says so",
    (torn) => {
      open().add("one", { error: 1 });
      appendFileSync(path, torn === "\ufffd" ? Buffer.from([0xc3, 0x28, 0x0a]) : `${torn}\n`);
      appendFileSync(path, '{"key":"four","result":{"error":4}}\n');
      const again = open();
      expect([again.size, again.torn, again.get("four")]).toEqual([2, 1, { error: 4 }]);
      again.add("two", { error: 2 });
      expect([open().size, open().torn]).toEqual([3, 1]);
    },
  );

  it("refuses two results for one candidate: the same sweep gives the same numbers", () => {
    open().add("one", { error: 1 });
    appendFileSync(path, '{"key":"one","result":{"error":1}}\n');
    expect(open().size).toBe(1);
    appendFileSync(path, '{"key":"one","result":{"error":2}}\n');
    expect(() => open()).toThrow(damaged(/line 4 has another result for "one"/));
    expect(() => open({}, { fresh: true }).add("one", { error: 2 })).not.toThrow();
    expect(() => open().add("one", { error: 3 })).toThrow(expect.objectContaining({ code: "ERR_INTERNAL" }));
  });

  it("takes its own head again, from files laid end to end, and no other", () => {
    open().add("one", { error: 1 });
    writeFileSync(path, readFileSync(path, "utf8") + readFileSync(path, "utf8"));
    expect(open().size).toBe(1);
    appendFileSync(path, `${JSON.stringify({ ...head, modelDigest: "other" })}\n`);
    expect(() => open()).toThrow(damaged(/line 5 is the head of another journal/));
  });

  it("knows which candidates there are, and writes it once", () => {
    open().expect(["a", "b"]);
    open().expect(["a", "b"]);
    expect(lines()).toHaveLength(3);
    expect(readJournalFile(path, isEntry)?.groups).toEqual(["a", "b"]);
    open().expect(["a"]);
    expect(readJournalFile(path, isEntry)?.groups).toEqual(["a"]);
  });

  it.each(['{"groups":5}', '{"groups":["a","a"]}', '{"groups":[1]}', '{"groups":{"length":9e9}}'])(
    "refuses %s as a list of candidates",
    (line) => {
      open();
      appendFileSync(path, `${line}\n`);
      expect(() => open()).toThrow(damaged(/line 2 is no list of candidates/));
    },
  );

  it("refuses a line without end before it holds it", () => {
    open();
    for (let i = 0; i < 17; i++) appendFileSync(path, Buffer.alloc(2 ** 20, 0x61));
    expect(() => open()).toThrow(damaged(/line 2 is longer than 16 MB/));
  });

  it("refuses a folder, and what was swept in another environment, naming both", () => {
    expect(() => new Journal(folder, head, isEntry)).toThrow(expect.objectContaining({ code: "ERR_JOURNAL" }));
    open();
    expect(() => open({ instructionSet: "avx512" })).toThrow(/swept elsewhere: instructionSet.*there .*avx2, here .*avx512/);
  });

  it("merged from several environments goes on in each of them, and in no other", () => {
    const environments = ["avx2", "avx512"].map((instructionSet) => ({ halfscope: "0.1.0", onnxruntime: "1.30.0", instructionSet }));
    const mixed = { environments, tolerance: 1e-3 };
    open({ mixed }).add("one", { error: 1 });
    expect(open().mixed).toEqual(mixed);
    expect(open({ instructionSet: "avx512" }).size).toBe(1);
    expect(() => open({ instructionSet: "scalar" })).toThrow(expect.objectContaining({ code: "ERR_JOURNAL" }));
  });

  it("says that the disk is full, or that its file is gone, and leaves no piece of a line", () => {
    const journal = open();
    journal.add("one", { error: 1 });
    rmSync(path);
    expect(() => journal.add("two", { error: 2 })).toThrow(expect.objectContaining({ code: "ERR_OUTPUT_NOT_WRITABLE" }));
    expect(existsSync(path)).toBe(false);
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
