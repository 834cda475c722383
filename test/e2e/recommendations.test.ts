/** What `recommend` answers beside the tolerance, on a small BERT with planted faults, and that it knows what was swept. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeJson, type Recommendation, type ResultDocument } from "@halfscope/core";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { temporaryFolder } from "../support/model-file.js";
import { expectFailure, halfscope, jsonOf, tooWide } from "./run-cli.js";

const folder = temporaryFolder();
const model = join(folder, "faulty.onnx");
const swept = join(folder, "swept");

const saved = (at: string) => decodeJson(readFileSync(join(at, "result.json"), "utf8")) as ResultDocument;
/** A folder of the sweep for one test. */
const copyOf = (name: string): string => {
  const copy = join(folder, name);
  cpSync(swept, copy, { recursive: true });
  return copy;
};
const recommend = async (name: string, ...args: string[]) =>
  (await jsonOf(["recommend", copyOf(name), ...args], [0, 1])).recommendation as unknown as Recommendation;
/** The set's trial, and its worst error over all samples. */
const trialOf = (r: Recommendation) => {
  const pins = new Set(r.pins.map((p) => p.layer));
  return r.trials.find((t) => t.pins.length === pins.size && t.pins.every((p) => pins.has(p)));
};

beforeAll(async () => {
  await makeBert({
    path: model,
    layers: 3,
    hidden: 64,
    heads: 4,
    vocab: 200,
    maxPosition: 64,
    head: "qa",
    faults: [{ kind: "mask-constant" }, { kind: "square-overflow", layer: 1 }, { kind: "noisy-layer", layer: 2 }],
  });
  await jsonOf(["sweep", model, "-o", swept, "--dim", "sequence=12", "--seed", "5", "--samples", "3"]);
}, 120_000);

describe("recommend", () => {
  it("measures on what was swept without being told again, and warns when it is told otherwise", async () => {
    const copy = copyOf("as-swept");
    const { code, stderr } = await halfscope(["recommend", copy]);
    expect(code, stderr).toBe(0);
    expect(stderr).not.toMatch(/not the inputs/);
    expect(saved(copy).options.inputs).toEqual({ dims: { sequence: 12 }, samples: 3, digest: expect.any(String) });
    expect((await halfscope(["recommend", copyOf("other-seed"), "--seed", "6"])).stderr).toMatch(/not the inputs that were swept/);
  });

  it("finds feeds that were given as files from another folder", async () => {
    const at = join(folder, "files");
    mkdirSync(at);
    const ids = { input_ids: [[1, 5, 9, 3]], attention_mask: [[1, 1, 1, 1]], token_type_ids: [[0, 0, 0, 0]] };
    writeFileSync(join(at, "feeds.json"), JSON.stringify([ids, { ...ids, input_ids: [[7, 8, 2, 4]] }]));
    await jsonOf(["sweep", model, "-o", "out", "--feed", "feeds.json"], [0], { cwd: at });
    const { code, stderr } = await halfscope(["recommend", join(at, "out")], { cwd: folder });
    expect(code, stderr).toBe(0);
    expect(stderr).not.toMatch(/not the inputs/);
    expect(saved(join(at, "out")).recommendation?.samples).toBe(2);
  });

  it("says of every pin that a trial without it fails, on how many samples, and shows the measured front", async () => {
    const r = await recommend("tolerance");
    expect(r).toMatchObject({ outcome: "pins-found", minimal: { proved: r.pins.length, of: r.pins.length } });
    expect(r.samples).toBeGreaterThanOrEqual(5);
    expect(r.confirmed).toMatchObject({ beyond: 0 });
    const front = r.front?.map((i) => r.trials[i]) ?? [];
    expect(front.length).toBeGreaterThan(3);
    for (const [i, t] of front.entries())
      for (const [j, u] of front.entries())
        if (i !== j && t && u)
          expect(u.measuredError <= t.measuredError && u.fp32Share <= t.fp32Share && u.pins.length <= t.pins.length).toBe(false);
    expect(trialOf(r)).toMatchObject({ measuredError: r.measuredError, heldBackError: r.heldBackError });
    expect(r.cost?.layersOfUnknownSize).toBe(0);
  });

  it("gives the lowest error for a share of the work, from nothing to everything", async () => {
    let before = Number.POSITIVE_INFINITY;
    for (const budget of ["0%", "2%", "12", "100%"]) {
      const r = await recommend(`budget ${budget}`, "--budget", budget);
      const share = Number.parseFloat(budget) / 100;
      expect(r).toMatchObject({ outcome: "best-found", goal: { kind: "budget", fp32Share: share } });
      expect(trialOf(r)?.fp32Share).toBeLessThanOrEqual(share * (1 + 1e-9));
      const error = Math.max(r.measuredError, r.heldBackError ?? 0);
      expect(error).toBeLessThanOrEqual(before);
      before = error;
    }
    expect(before).toBe(0);
  });

  it("gives the best of a number of pins, and ends with 0 where the tolerance is not met", async () => {
    const copy = copyOf("one-pin");
    const { code, stdout } = await halfscope(["recommend", copy, "--pins", "1", "--tolerance", "1e-9"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Lowest error found with at most 1 pin: /);
    expect(tooWide(stdout)).toEqual([]);
    expect(saved(copy).recommendation?.pins.length).toBeLessThanOrEqual(1);
    const two = await recommend("two-pins", "--pins", "2");
    expect(two.pins.length).toBeLessThanOrEqual(2);
    expect(two.measuredError).toBeLessThan(saved(copy).recommendation?.measuredError ?? 0);
  });

  it("measures somebody's own rule beside its pins, also one from a file", async () => {
    const r = await recommend("like", "--pins-like", "LayerNormalization,Softmax,Conv");
    expect(r.like).toMatchObject({ given: "LayerNormalization,Softmax,Conv", unmatched: ["Conv"] });
    expect(r.like?.layers.length).toBeGreaterThan(5);
    expect(r.like?.verdict).toMatch(/tolerance of 0.01 .*recommended set.*nothing like Conv/);
    const copy = copyOf("ours");
    await jsonOf(["recommend", copy]);
    const same = await recommend("like-file", "--pins-like", join(copy, "overrides.json"));
    expect(same.like?.layers).toEqual(same.pins.map((p) => p.layer));
    expect(same.like?.error).toBe(same.measuredError);
  });

  it("keeps within the trials that it is given", async () => {
    for (const trials of [1, 5, 20]) {
      const r = await recommend(`trials ${trials}`, "--trials", String(trials));
      // What is said of the result is measured, whatever the trials.
      expect(r.trials.length).toBeLessThanOrEqual(trials + 9);
      expect(trialOf(r)?.measuredError).toBe(r.measuredError);
    }
  });

  it("refuses what it cannot mean", async () => {
    for (const [args, words] of [
      [["--budget", "-1"], /from 0% to 100%/],
      [["--budget", "many"], /from 0% to 100%/],
      [["--budget", "101%"], /from 0% to 100%/],
      [["--pins", "1.5"], /--pins needs a whole number/],
      [["--trials", "0"], /--trials needs a whole number/],
      [["--pins-like", "Conv"], /matches no layer/],
    ] as const)
      await expectFailure(["recommend", copyOf(`bad ${args.join(" ")}`), ...args], { code: 2, error: "ERR_OPTION" }, words);
    const missing = join(folder, "missing.json");
    await expectFailure(["recommend", copyOf("bad file"), "--pins-like", missing], { code: 2, error: "ERR_FILE_NOT_FOUND" }, /no file/);
  });
});

it("debug puts pins, fixes and both side by side, each measured, and names the best", async () => {
  const results = join(folder, "debugged");
  const { code, stderr } = await halfscope(["debug", model, "-o", results, "--dim", "sequence=12"]);
  expect(code, stderr).toBe(0);
  const { choices, verdict, recommendation } = saved(results);
  expect(choices?.map((c) => c.kind)).toEqual(["pins", "fixes", "fixes-and-pins"]);
  const [pins, fixes, both] = choices ?? [];
  expect(pins).toMatchObject({ error: verdict?.error, meets: true, pins: recommendation?.pins.map((p) => p.layer) });
  // The planted noise is no fix's business; the overflow is.
  expect(fixes).toMatchObject({ pins: [], fp32Share: 0, meets: false, best: false });
  expect(both).toMatchObject({ meets: true, best: true });
  expect(both?.pins.length).toBeLessThan(pins?.pins.length ?? 0);
  expect(readFileSync(join(results, "report.html"), "utf8")).toContain("fixes, and the pins still needed");
});
