/** Feeds, outputs and saved files that cannot be used are refused: exit code, error code, what was found, the next step; nothing is left behind. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeJson } from "@halfscope/core";
import { beforeAll, describe, expect, it, test } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { type ModelParts, node, temporaryFolder, writeModel } from "../support/model-file.js";
import { expectFailure, filesIn, halfscope, jsonOf } from "./run-cli.js";

const folder = temporaryFolder();
const float = 1;
const face = (name: string, elementType: number, dims: readonly (number | string)[]) => ({ name, elementType, dims });
const bert = join(folder, "bert", "model.onnx");
const results = join(folder, "results");
let fresh = 0;
/** A path that does not exist yet. */
const unused = (suffix = "") => join(folder, `unused-${fresh++}${suffix}`);
const file = (content: string | Uint8Array, suffix = ".onnx") => {
  const path = unused(suffix);
  writeFileSync(path, content);
  return path;
};

beforeAll(async () => {
  mkdirSync(join(folder, "bert"));
  await makeBert({ path: bert, layers: 1, hidden: 32, heads: 2, vocab: 50, maxPosition: 32, external: true });
  const { code, stderr } = await halfscope(["debug", bert, "-o", results]);
  expect(code, stderr).toBe(0);
}, 120_000);

/** y = Relu(x) with whatever is put in its place. */
const tiny = (parts: Partial<ModelParts> = {}): ModelParts => ({
  nodes: [node("Relu", ["x"], ["y"])],
  inputs: [face("x", float, [2])],
  outputs: [face("y", float, [2])],
  ...parts,
});

describe("feeds", () => {
  const ids = [[1, 2, 3, 4]];
  const sample = { input_ids: ids, attention_mask: [[1, 1, 1, 1]], token_type_ids: [[0, 0, 0, 0]] };
  const json = (content: unknown) => file(typeof content === "string" ? content : JSON.stringify(content), ".json");
  const npy = (path: string) => `input_ids=${path}`;

  it("a good one works", async () => {
    await jsonOf(["compare", bert, "--feed", json(sample)]);
  });
  test.each([
    ["an input is missing", () => json({ input_ids: ids }), "ERR_FEED", /attention_mask/],
    ["an input is unknown", () => json({ ...sample, inputs_ids: ids }), "ERR_FEED", /inputs_ids/],
    ["the rank is wrong", () => json({ ...sample, input_ids: [1, 2, 3, 4] }), "ERR_FEED", /input_ids/],
    [
      "the type is wrong",
      () => json({ ...sample, input_ids: { dtype: "float32", dims: [1, 4], data: [1, 2, 3, 4] } }),
      "ERR_FEED",
      /int64.*float32|float32.*int64/,
    ],
    ["sizes contradict each other", () => json({ ...sample, attention_mask: [[1, 1]] }), "ERR_FEED", /sequence|\b2\b/],
    ["ids are fractions", () => json({ ...sample, input_ids: [[1.5, 2, 3, 4]] }), "ERR_FEED_FILE", /1\.5/],
    ["the file is no JSON", () => json("{"), "ERR_FEED_FILE", /JSON/],
    ["the .npy is none", () => npy(file("no array", ".npy")), "ERR_FEED_FILE", /\.npy/],
    ["the .npz is none", () => file("no archive", ".npz"), "ERR_FEED_FILE", /\.npz/],
    [
      "the folder is empty",
      () => {
        const at = unused();
        mkdirSync(at);
        return at;
      },
      "ERR_FEED_FILE",
      /found none/,
    ],
  ])("%s", async (_, feed, error, words) => {
    await expectFailure(["compare", bert, "--feed", feed()], { code: 3, error }, words);
  });
  it("the file is not there", async () => {
    await expectFailure(["compare", bert, "--feed", "absent.npz"], { code: 2, error: "ERR_FILE_NOT_FOUND" }, /absent\.npz/);
  });
  it("ids beyond the embedding table are refused with the reason, and not by a crash", async () => {
    const { code, stderr } = await halfscope(["compare", bert, "--feed", json({ ...sample, input_ids: [[1, 2, 3, 5000]] })]);
    expect([3, 4], stderr).toContain(code);
    expect(stderr).toMatch(/^ERR_\w+: .*(5000|out of|bounds)/);
  });
  it("NaN is named with its place", async () => {
    const path = writeModel(folder, tiny());
    await expectFailure(
      ["compare", path, "--feed", json({ x: { dtype: "float32", dims: [2], data: [1, "NaN"] } })],
      { code: 3, error: "ERR_FEED_FILE" },
      /NaN/,
    );
    const raw = file(new Uint8Array(Float32Array.of(1, Number.NaN).buffer), ".bin");
    await expectFailure(
      ["compare", path, "--feed", `x=${raw}`],
      { code: 3, error: "ERR_FEED_NOT_FINITE" },
      /"x" holds NaN at flat index 1/,
    );
  });
  it("a made-up size that contradicts the model", async () => {
    const path = writeModel(folder, tiny());
    const { code, stderr } = await halfscope(["compare", path, "--shape", "x=3"]);
    expect([2, 3], stderr).toContain(code);
    expect(stderr).toMatch(/^ERR_\w+: .*x/);
    const unknown = await halfscope(["compare", bert, "--dim", "sekwence=3"]);
    expect([2, 3], unknown.stderr).toContain(unknown.code);
    expect(unknown.stderr).toMatch(/sekwence/);
  });
});

describe("outputs that cannot be written", () => {
  it("a folder below a file, and a file in the folder's place, before any work is done", async () => {
    const blocker = file("in the way", ".txt");
    for (const out of [blocker, join(blocker, "below")])
      for (const command of [
        ["debug", bert, "-o", out],
        ["sweep", bert, "-o", out],
        ["compare", bert, "-o", out],
      ])
        await expectFailure(command, { code: 2, error: "ERR_OUTPUT_NOT_WRITABLE" }, /cannot be written/);
    for (const command of [
      ["apply", bert, join(results, "overrides.json"), "-o", join(blocker, "m.onnx")],
      ["report", results, "-o", join(blocker, "r.html")],
    ])
      await expectFailure(command, { code: 2, error: "ERR_OUTPUT_NOT_WRITABLE" }, /cannot be written|blocked|in the way|not a directory/i);
    expect(readFileSync(blocker, "utf8")).toBe("in the way");
  });

  it("apply into a folder that does not exist, onto a folder, and onto the model itself", async () => {
    const overrides = join(results, "overrides.json");
    await expectFailure(["apply", bert, overrides, "-o", join(unused(), "m.onnx")], { code: 2, error: "ERR_OUTPUT_NOT_WRITABLE" }, /\w/);
    const at = unused();
    mkdirSync(at);
    await expectFailure(["apply", bert, overrides, "-o", at], { code: 2, error: "ERR_OUTPUT_NOT_WRITABLE" }, /\w/);
    expect(filesIn(at)).toEqual([]);
    const before = readFileSync(bert);
    await expectFailure(["apply", bert, overrides, "-o", bert], { code: 2, error: "ERR_OPTION" }, /is the model itself/);
    expect(readFileSync(bert).equals(before)).toBe(true);
  });

  it.skipIf(!existsSync("/dev/full"))("a full disk leaves nothing half-written", async () => {
    const { code, stderr } = await halfscope(["report", results, "-o", "/dev/full/r.html"]);
    expect(code, stderr).toBe(2);
  });
});

describe("overrides", () => {
  const apply = (content: unknown) => [
    "apply",
    bert,
    file(typeof content === "string" ? content : JSON.stringify(content), ".json"),
    "-o",
    join(folder, "never-written.onnx"),
  ];
  const good = () => JSON.parse(readFileSync(join(results, "overrides.json"), "utf8")) as Record<string, unknown>;

  test.each([
    ["no JSON", () => "{", "ERR_OVERRIDES", /is not JSON/],
    ["a list", () => [], "ERR_OVERRIDES", /no JSON object/],
    ["another schema", () => ({ ...good(), schema: "halfscope/overrides/9" }), "ERR_OVERRIDES", /halfscope\/overrides\/9/],
    ["pins that are no list", () => ({ ...good(), pins: "all" }), "ERR_OVERRIDES", /no list/],
    ["a pin without a layer", () => ({ ...good(), pins: [{ reason: "why" }] }), "ERR_OVERRIDES", /no layer in pin 0/],
    ["an unknown precision", () => ({ ...good(), defaultPrecision: "int8" }), "ERR_OVERRIDES", /int8/],
    ["another model", () => ({ ...good(), modelDigest: "0".repeat(64) }), "ERR_OVERRIDES_MISMATCH", /digest 000000000000/],
    ["an unknown layer", () => ({ ...good(), pins: ["encoder/layer.99"] }), "ERR_OVERRIDES_MISMATCH", /encoder\/layer\.99/],
  ])("%s", async (_, content, error, words) => {
    await expectFailure(apply(content()), { code: 2, error }, words);
    expect(existsSync(join(folder, "never-written.onnx"))).toBe(false);
  });
  it("not there", async () => {
    await expectFailure(
      ["apply", bert, unused(".json"), "-o", unused(".onnx")],
      { code: 2, error: "ERR_FILE_NOT_FOUND" },
      /cannot be read/,
    );
  });
});

describe("results folders", () => {
  const anEngine = { role: "trial", title: "t", typing: "typed", pins: [], marked: 0, buildSeconds: 1, messages: [] };
  const withDevice = (text: string, engine: object) => {
    const device = { environment: { library: "l", version: "1", backend: "ort-cpu", capabilities: {} }, options: {}, engines: [engine] };
    return text.replace("{", `{"device":${JSON.stringify(device)},`);
  };
  const damaged = (name: string, change: (text: string) => string) => {
    const at = unused();
    mkdirSync(at);
    for (const kept of ["result.json", "journal.jsonl"]) copyFileSync(join(results, kept), join(at, kept));
    writeFileSync(join(at, name), change(readFileSync(join(at, name), "utf8")));
    return at;
  };

  test.each([
    ["cut short", (text: string) => text.slice(0, text.length / 2), /is not JSON/],
    ["empty", () => "", /is not JSON/],
    ["of another schema", (text: string) => text.replace("halfscope/result/1", "halfscope/result/7"), /halfscope\/result\/7/],
    ["something else", () => "[]", /schema/],
    ["without what it must have", () => '{"schema":"halfscope/result/1","layers":[]}', /\w/],
    [
      "with a real engine that has no messages",
      (text: string) => withDevice(text, { ...anEngine, messages: undefined }),
      /device\.engines\[0\]\.messages/,
    ],
    [
      "with a real engine whose pins are no names",
      (text: string) => withDevice(text, { ...anEngine, pins: [7] }),
      /device\.engines\[0\]\.pins/,
    ],
  ])("result.json %s", async (_, change, words) => {
    const at = damaged("result.json", change);
    for (const command of ["report", "recommend"]) await expectFailure([command, at], { code: 2, error: "ERR_RESULT" }, words);
    expect(filesIn(at)).toEqual(["journal.jsonl", "result.json"]);
  });

  it("nothing there, and no sweep in it", async () => {
    for (const command of ["report", "recommend"])
      await expectFailure([command, unused()], { code: 2, error: "ERR_FILE_NOT_FOUND" }, /cannot be read/);
    const compared = unused();
    await jsonOf(["compare", bert, "-o", compared]);
    await expectFailure(["recommend", compared], { code: 2, error: "ERR_RESULT" }, /holds no sweep/);
  });

  it("a sweep of another model, and of a model that has gone", async () => {
    const other = writeModel(folder, tiny());
    await expectFailure(["recommend", results, "--model", other], { code: 2, error: "ERR_RESULT" }, /is not the model that was swept/);
    await expectFailure(["recommend", results, "--model", unused(".onnx")], { code: 2, error: "ERR_FILE_NOT_FOUND" }, /no file/);
  });

  it("a journal with lines that mean something else is refused, --fresh starts anew; torn lines are measured again", async () => {
    const lines = readFileSync(join(results, "journal.jsonl"), "utf8").split("\n");
    const torn = damaged("journal.jsonl", () => [...lines.slice(0, 3), (lines[3] ?? "").slice(0, 40), ...lines.slice(4)].join("\n"));
    const again = (await jsonOf(["sweep", bert, "-o", torn])) as { sensitivity: unknown };
    expect(again.sensitivity).toEqual(
      (decodeJson(readFileSync(join(results, "result.json"), "utf8")) as { sensitivity: unknown }).sensitivity,
    );
    const strange = damaged("journal.jsonl", () => [lines[0], '{"key":1}', ...lines.slice(2)].join("\n"));
    await expectFailure(["debug", bert, "-o", strange], { code: 2, error: "ERR_JOURNAL" }, /line 2/);
    await jsonOf(["sweep", bert, "-o", strange, "--fresh"]);
  });

  it("the journal of another sweep is refused", async () => {
    const at = damaged("journal.jsonl", (text) => text);
    await expectFailure(
      ["sweep", bert, "-o", at, "--seed", "7"],
      { code: 2, error: "ERR_JOURNAL" },
      /belongs to another sweep: feedDigest/,
    );
  });
});

describe("verify", () => {
  it("a candidate that is no version of the model", async () => {
    await expectFailure(["verify", bert, writeModel(folder, tiny())], { code: 3, error: "ERR_MODEL_UNSUPPORTED" }, /is no version of/);
  });
  it("a candidate that cannot be read", async () => {
    await expectFailure(["verify", bert, file("text")], { code: 3, error: "ERR_MODEL_PARSE" }, /not an ONNX model/);
    await expectFailure(["verify", bert, unused(".onnx")], { code: 2, error: "ERR_FILE_NOT_FOUND" }, /no file/);
  });
});

it("without the addon, commands that run models say how to get it", async () => {
  const env = { HALFSCOPE_ADDON: "/nowhere/halfscope.node" };
  await expectFailure(["compare", bert], { code: 4, error: "ERR_BACKEND_UNAVAILABLE" }, /\/nowhere\/halfscope\.node/, { env });
  await expectFailure(["compare", bert], { code: 4, error: "ERR_BACKEND_UNAVAILABLE" }, /\/nowhere\/libort/, {
    env: { HALFSCOPE_ORT_LIBRARY: "/nowhere/libort.so" },
  });
});

it("nothing half-written is left anywhere", () => {
  expect(filesIn(folder).filter((f) => /\.(partial|probe|tmp)|~$/.test(f))).toEqual([]);
  expect(
    execFileSync("ls", ["-a", join(folder, "bert")])
      .toString()
      .split("\n")
      .filter(Boolean),
  ).toEqual([".", "..", "model.onnx", "model.onnx.data"]);
});
