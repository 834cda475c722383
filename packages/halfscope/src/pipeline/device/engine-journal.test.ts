import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { statsOf } from "../../../../../test/support/stats.js";
import { EngineJournal, type KeptEngine } from "./engine-journal.js";

const folder = temporaryFolder();
let files = 0;
const fresh = () => join(folder, `engine-${files++}.jsonl`);
const engine = (more: Partial<KeptEngine> = {}): KeptEngine => ({
  typing: "typed",
  half: "float16",
  pins: ["a"],
  marked: 0,
  buildSeconds: 12.5,
  messages: [],
  error: Number.POSITIVE_INFINITY,
  ...more,
});

describe("the journal of engines", () => {
  it("gives back what was kept, infinities too, and only for the very same key", () => {
    const path = fresh();
    new EngineJournal(path).add("engine", { gpu: "H200", pins: ["a"] }, engine());
    const read = new EngineJournal(path);
    expect(read.size).toBe(1);
    expect(read.get("engine", { gpu: "H200", pins: ["a"] })).toEqual(engine());
    expect(read.get("engine", { gpu: "A100", pins: ["a"] })).toBeUndefined();
    expect(read.get("tensors", { gpu: "H200", pins: ["a"] })).toBeUndefined();
  });

  it("loses the line that a kill tore, and nothing that comes after it", () => {
    const path = fresh();
    const journal = new EngineJournal(path);
    journal.add("engine", { n: 1 }, engine());
    journal.add("engine", { n: 2 }, engine());
    writeFileSync(path, readFileSync(path, "utf8").trimEnd().slice(0, -20));
    const second = new EngineJournal(path);
    second.add("engine", { n: 3 }, engine());
    const third = new EngineJournal(path);
    expect([1, 2, 3].map((n) => third.get("engine", { n }) !== undefined)).toEqual([true, false, true]);
  });

  it("asks nothing of lines that an earlier version wrote: their keys stood for other files", () => {
    const path = fresh();
    new EngineJournal(path).add("engine", { n: 1 }, engine());
    const line = readFileSync(path, "utf8");
    expect(line).toContain('"halfscope/engine-journal/3"');
    writeFileSync(path, line.replace("engine-journal/3", "engine-journal/2"));
    expect(new EngineJournal(path).size).toBe(0);
  });

  it("keeps in how many samples a tensor or an output was compared", () => {
    const path = fresh();
    const journal = new EngineJournal(path);
    const some = { compared: 1, of: 2, reason: "sizes" };
    const kept = engine({ notCompared: [{ output: "y", ...some }] });
    journal.add("engine", { n: 1 }, kept);
    const tensors = { engines: [], notObserved: [], marking: [], seconds: 0, tensors: [["t", statsOf({}), some]] as const };
    journal.add("tensors", { n: 1 }, { ...tensors, tensors: [...tensors.tensors] });
    journal.add("tensors", { n: 2 }, { ...tensors, tensors: [["t", statsOf({}), { ...some, of: "2" } as never]] });
    const read = new EngineJournal(path);
    expect(read.get("engine", { n: 1 })).toEqual(kept);
    expect(read.get("tensors", { n: 1 })?.tensors[0]?.[2]).toEqual(some);
    expect(read.get("tensors", { n: 2 })).toBeUndefined();
  });

  it("takes the later of two results", () => {
    const path = fresh();
    const journal = new EngineJournal(path);
    journal.add("engine", { n: 1 }, engine({ error: 1 }));
    journal.add("engine", { n: 1 }, engine({ error: 2 }));
    expect(new EngineJournal(path).get("engine", { n: 1 })?.error).toBe(2);
  });

  it("trusts no line that is not what it must be", () => {
    const path = fresh();
    const hostile = [
      { ...engine(), pins: "a" },
      { ...engine(), pins: [1] },
      { ...engine(), buildSeconds: "12" },
      { ...engine(), messages: ["x"] },
      { ...engine(), outputs: { y: { count: 1 } } },
      { ...engine(), failed: 3 },
      { ...engine(), notCompared: [{ output: "y", reason: "sizes" }] },
      { ...engine(), latency: 3 },
      { ...engine(), latency: { p50: "fast" } },
      { ...engine(), proofs: [{ layer: "a", outcome: "took-effect" }] },
      null,
      [],
    ];
    for (const [n, value] of hostile.entries()) new EngineJournal(path).add("engine", { n }, value as unknown as KeptEngine);
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    appendFileSync(path, `\n{"__proto__": {"polluted": 1}}\nnot JSON\n${deep}\n`);
    const journal = new EngineJournal(path);
    expect(hostile.map((_, n) => journal.get("engine", { n }))).toEqual(hostile.map(() => undefined));
    const none = { tensors: [], notObserved: [], marking: [], seconds: 0 };
    journal.add("tensors", { n: 1 }, { ...none, engines: [{ reference: engine(), candidate: 3 as unknown as KeptEngine }] });
    expect(journal.get("tensors", { n: 1 })).toBeUndefined();
    journal.add("tensors", { n: 2 }, { ...none, engines: [{ reference: engine({ failed: "could not be built: no." }) }] });
    expect(journal.get("tensors", { n: 2 })?.engines).toHaveLength(1);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it("starts anew when asked, and keeps nothing without a path", () => {
    const path = fresh();
    new EngineJournal(path).add("engine", { n: 1 }, engine());
    expect(new EngineJournal(path, { fresh: true }).size).toBe(0);
    expect(existsSync(path)).toBe(false);
    const none = new EngineJournal(undefined);
    none.add("engine", { n: 1 }, engine());
    expect(none.get("engine", { n: 1 })).toEqual(engine());
  });

  it("refuses what is no file", () => {
    expect(() => new EngineJournal(folder)).toThrow(expect.objectContaining({ code: "ERR_JOURNAL" }));
  });
});
