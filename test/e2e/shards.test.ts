/** A sweep in parts, as several machines do it, and the parts as one again: the same result as the sweep of one machine. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeJson, encodeJson, type ResultDocument } from "@halfscope/core";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { differences } from "../support/differences.js";
import { temporaryFolder } from "../support/model-file.js";
import { expectFailure, filesIn, halfscope, jsonOf } from "./run-cli.js";

const folder = temporaryFolder();
const model = join(folder, "model.onnx");
const at = (name: string) => join(folder, name);
const common = ["--dim", "batch=1", "sequence=16"];

/** Everything but how long it took. */
const saved = (name: string) => {
  const { timings: _, ...result } = decodeJson(readFileSync(join(at(name), "result.json"), "utf8")) as ResultDocument;
  return result;
};
const journal = (name: string) =>
  readFileSync(join(at(name), "journal.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
const sweep = (name: string, ...more: string[]) => jsonOf(["sweep", model, "-o", at(name), ...common, ...more]);
const merge = (names: readonly string[], out: string, ...more: string[]) => ["merge", ...names.map(at), "-o", at(out), ...more];
/** A folder of a part with its journal changed. */
function altered(name: string, from: string, change: (lines: string[]) => string[]) {
  mkdirSync(at(name));
  copyFileSync(join(at(from), "result.json"), join(at(name), "result.json"));
  writeFileSync(join(at(name), "journal.jsonl"), `${change(journal(from)).join("\n")}\n`);
}
const changedHead = (more: object) => (lines: string[]) => [
  encodeJson({ ...(decodeJson(lines[0] ?? "") as object), ...more }),
  ...lines.slice(1),
];
const groups = () => (decodeJson(journal("whole")[1] ?? "") as { groups: string[] }).groups;

beforeAll(async () => {
  // A planted overflow, so that the sweep starts from pins.
  await makeBert({
    path: model,
    layers: 2,
    hidden: 64,
    heads: 4,
    vocab: 200,
    maxPosition: 64,
    head: "qa",
    faults: [{ kind: "square-overflow", layer: 1 }],
  });
  await sweep("whole");
  for (const i of [1, 2, 3]) await sweep(`part-${i}`, "--shard", `${i}/3`);
}, 240_000);

describe("a part", () => {
  it("sweeps a third of the candidates, from all of the graph, and none of the others'", () => {
    const all = groups();
    const parts = [1, 2, 3].map((i) =>
      journal(`part-${i}`)
        .slice(2)
        .map((l) => (decodeJson(l) as { key: string }).key),
    );
    expect(parts.flat().sort()).toEqual([...all].sort());
    for (const keys of parts) {
      expect(Math.abs(keys.length - all.length / 3)).toBeLessThan(2);
      const places = keys.map((k) => all.indexOf(k));
      expect(Math.min(...places)).toBeLessThan(6);
      expect(Math.max(...places)).toBeGreaterThan(all.length - 7);
    }
  });

  it("says that it is one, names the merge, and is not taken for a sweep", async () => {
    const { part, sensitivity } = saved("part-2");
    expect(sensitivity).toBeUndefined();
    expect(part).toMatchObject({ shard: "2/3", left: groups().length - (journal("part-2").length - 2) });
    expect(part?.basePins).toEqual(saved("whole").sensitivity?.basePins.map((layer) => ({ layer, reason: expect.any(String) })));
    const again = await halfscope(["sweep", model, "-o", at("part-2"), "--shard", "2/3", ...common]);
    expect(again.stdout).toMatch(/Part 2\/3 is done; \d+ candidates are left/);
    expect(again.stderr).toMatch(/Next: halfscope merge/);
    await expectFailure(["recommend", at("part-2")], { code: 2, error: "ERR_RESULT" }, /holds no sweep/);
  });

  it("that cannot be is refused", async () => {
    await expectFailure(["sweep", model, "-o", at("no"), "--shard", "4/3"], { code: 2, error: "ERR_OPTION" }, /I\/N/);
  });
});

describe("merge", () => {
  it("of all parts, in any order, gives the result of the single run, from which everything goes on", async () => {
    const { complete, missing, candidates, duplicates } = await jsonOf(merge(["part-3", "part-1", "part-2", "part-1"], "merged"));
    expect({ complete, missing, candidates, duplicates }).toEqual({
      complete: true,
      missing: [],
      candidates: groups().length,
      duplicates: 0,
    });
    expect(differences(saved("merged"), saved("whole"))).toEqual([]);
    expect([...journal("merged")].sort()).toEqual([...journal("whole")].sort());
    expect(filesIn(at("merged"))).toEqual(["journal.jsonl", "result.json"]);
    altered("whole-too", "whole", (lines) => lines);
    const { recommendation } = await jsonOf(["recommend", at("merged")], [0, 1]);
    expect(recommendation).toEqual((await jsonOf(["recommend", at("whole-too")], [0, 1])).recommendation);
  });

  it("of some says what is missing and how to get it; then an ordinary sweep goes on there, or another merge", async () => {
    const { code, stdout, stderr } = await halfscope(merge(["part-1", "part-3"], "some"));
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(new RegExp(`of ${groups().length} candidates`));
    expect(stdout).toMatch(/Missing: \d+, the first of them/);
    expect(stdout).toMatch(/No folder of shard 2\/3 was given/);
    expect(stderr).toMatch(/Next: halfscope sweep .*--shard 2\/3/s);
    expect(saved("some").sensitivity).toBeUndefined();
    altered("some-too", "some", (lines) => lines);
    expect((await sweep("some")).part).toBeUndefined();
    expect(differences(saved("some"), saved("whole"))).toEqual([]);
    expect(await jsonOf(merge(["some-too", "part-2"], "some-too"))).toMatchObject({ complete: true });
    expect(differences(saved("some-too"), saved("whole"))).toEqual([]);
  });

  it("removes what two have, and takes a part that was stopped", async () => {
    altered("stopped", "part-1", (lines) => [...lines.slice(0, 8), (lines[8] ?? "").slice(0, 30)]);
    const found = await jsonOf(merge(["stopped", "part-2", "part-1"], "doubled"));
    expect(found).toMatchObject({ complete: false, duplicates: 6 });
    expect((found.missing as string[]).length).toBe(journal("part-3").length - 2);
  });

  it("refuses parts that contradict each other, with both values", async () => {
    altered("liar", "part-1", (lines) => lines.map((l, i) => (i === 4 ? l.replace(/"outputError":[^,]+/, '"outputError":0.75') : l)));
    await expectFailure(
      merge(["part-1", "liar"], "never"),
      { code: 2, error: "ERR_JOURNAL" },
      /Two results for ".*": outputError is \S+ in .*part-1.* and 0.75 in .*liar/,
    );
    expect(existsSync(at("never"))).toBe(false);
  });

  it("refuses another model's, another experiment's, and what is no journal", async () => {
    altered("other", "part-2", changedHead({ feedDigest: "other" }));
    await expectFailure(merge(["part-1", "other"], "never"), { code: 2, error: "ERR_JOURNAL" }, /feedDigest differ/);
    altered("junk", "part-2", () => ["[1,2,3]", "x"]);
    await expectFailure(merge(["part-1", "junk"], "never"), { code: 2, error: "ERR_JOURNAL" }, /line 1 is no head/);
    await expectFailure(merge(["part-1", "nowhere"], "never"), { code: 2, error: "ERR_FILE_NOT_FOUND" }, /nowhere.*does not exist/);
    await expectFailure(merge(["part-1"], "whole"), { code: 2, error: "ERR_JOURNAL" }, /exists and is none of those/);
    expect(existsSync(at("never"))).toBe(false);
  });

  it("refuses parts of a version that knew other rules of the engine, before it writes anything", async () => {
    const older = changedHead({ rules: ["of yesterday"] });
    for (const part of [1, 2, 3]) altered(`older-${part}`, `part-${part}`, older);
    const all = ["older-1", "older-2", "older-3"];
    await expectFailure(merge(["part-1", "older-2"], "never"), { code: 2, error: "ERR_JOURNAL" }, /: rules differ/);
    await expectFailure(merge(all, "never"), { code: 2, error: "ERR_JOURNAL" }, /swept by another halfscope, which knew other rules/);
    expect(existsSync(at("never"))).toBe(false);
  });

  it("of other machines' parts needs --allow-mixed, and the result says so", async () => {
    altered("elsewhere", "part-2", changedHead({ instructionSet: "another" }));
    const parts = ["part-1", "elsewhere", "part-3"];
    await expectFailure(merge(parts, "mixed"), { code: 2, error: "ERR_JOURNAL" }, /different environments: .*another/);
    expect(await jsonOf(merge(parts, "mixed", "--allow-mixed"))).toMatchObject({ complete: true });
    const { sensitivity, warnings } = saved("mixed");
    expect(sensitivity?.mixed).toMatchObject({ tolerance: 1e-3, environments: [{}, { instructionSet: "another" }] });
    expect(warnings.join()).toMatch(/2 environments .*another.*0\.001/);
    expect(differences({ ...sensitivity, mixed: undefined }, { ...saved("whole").sensitivity, mixed: undefined })).toEqual([]);
  });

  it("of sweeps on several samples is one on several samples", async () => {
    const samples = ["--sweep-samples", "2"];
    await sweep("both", ...samples);
    for (const i of [1, 2]) await sweep(`both-${i}`, ...samples, "--shard", `${i}/2`);
    await expectFailure(merge(["both-1", "part-2"], "never"), { code: 2, error: "ERR_JOURNAL" }, /moreFeedDigests differ/);
    expect(await jsonOf(merge(["both-1", "both-2"], "both-merged"))).toMatchObject({ complete: true });
    expect(differences(saved("both-merged"), saved("both"))).toEqual([]);
  });

  it("without the model keeps the parts together and names what to do", async () => {
    renameSync(model, `${model}.away`);
    try {
      const { stdout } = await halfscope(merge(["part-1", "part-2", "part-3"], "away"));
      expect(stdout).toMatch(/Nothing is missing, but the model is not at .*--model/);
      expect(await jsonOf(merge(["away"], "away", "--model", `${model}.away`))).toMatchObject({ complete: true });
    } finally {
      renameSync(`${model}.away`, model);
    }
    expect(differences(saved("away").sensitivity, saved("whole").sensitivity)).toEqual([]);
  });
});
