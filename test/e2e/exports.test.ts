/** `halfscope export` as a person uses it, and other people's tools on what it writes. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Overrides } from "@halfscope/core";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { python } from "../python.js";
import { temporaryFolder } from "../support/model-file.js";
import { expectFailure, filesIn, halfscope, jsonOf, tooWide } from "./run-cli.js";

const folder = temporaryFolder();
const model = join(folder, "model", "model.onnx");
const results = join(folder, "results");
const out = join(folder, "exports");
const size = { layers: 3, hidden: 64, heads: 4, vocab: 200, maxPosition: 64, head: "qa" } as const;
const all = "ort,autocast,polygraphy,trtexec-8.6,trtexec-10,trtexec-11,netron,model-explorer";

interface Exported {
  format: string;
  files: string[];
  addressed?: number;
  lost: unknown[];
}
let exported: Exported[];
const read = (path: string) => readFileSync(join(out, path), "utf8");

beforeAll(async () => {
  mkdirSync(join(folder, "model"));
  await makeBert({ path: model, ...size, faults: [{ kind: "square-overflow", layer: 1 }] });
  await jsonOf(["debug", model, "-o", results]);
  exported = (await jsonOf(["export", results, "--to", all, "-o", out])).exports as Exported[];
}, 120_000);

describe("export", () => {
  it("writes every format into a folder of its own, and names every pin of a model whose names are sound", () => {
    expect(exported.map((e) => e.format).join()).toBe(all);
    expect(exported.flatMap((e) => e.files).sort()).toEqual(
      filesIn(out)
        .map((f) => join(out, f))
        .filter((f) => statSync(f).isFile())
        .sort(),
    );
    for (const e of exported) expect(e.lost).toEqual([]);
    const pinned = exported.find((e) => e.format === "ort")?.addressed;
    expect(pinned).toBeGreaterThan(5);
    expect((JSON.parse(read("ort/node_block_list.json")) as { node_block_list: string[] }).node_block_list).toContain(
      "/encoder/layer.1/attention/output/LayerNorm/Pow",
    );
  });

  it("raw inputs have exactly the bytes of the engine's types: int64 ids are int32 for TensorRT 8.6", () => {
    const path = "inputs/0_input_ids.bin";
    const ten = readFileSync(join(out, "trtexec-10", path));
    const eight = readFileSync(join(out, "trtexec-8.6", path));
    expect(ten.length).toBe(2 * eight.length);
    for (let i = 0; i < eight.length / 4; i++) expect(BigInt(eight.readInt32LE(4 * i))).toBe(ten.readBigInt64LE(8 * i));
  });

  it("names the constants of pinned nodes for TensorRT 8.6, as the graph calls their tensors", () => {
    const flagsOf = (format: string) => JSON.parse(read(`${format}/flags.json`)) as string[];
    const named = (format: string) =>
      flagsOf(format)
        .find((f) => f.startsWith("--layerPrecisions="))
        ?.slice("--layerPrecisions=".length)
        .split(",");
    const more = named("trtexec-8.6")?.filter((n) => !named("trtexec-10")?.includes(n));
    expect(more).toContain("encoder.layer.1.attention.output.LayerNorm.weight:fp32");
    expect(more?.every((n) => n.includes("LayerNorm"))).toBe(true);
  });

  it("reads the overrides as they were edited", async () => {
    const path = join(results, "overrides.json");
    const before = readFileSync(path, "utf8");
    const overrides = JSON.parse(before) as Overrides;
    try {
      writeFileSync(path, JSON.stringify({ ...overrides, pins: [{ layer: "encoder/layer.2/intermediate/dense", reason: "by hand" }] }));
      const elsewhere = join(folder, "edited");
      await jsonOf(["export", results, "--to", "ort", "-o", elsewhere]);
      const { node_block_list } = JSON.parse(readFileSync(join(elsewhere, "ort/node_block_list.json"), "utf8")) as {
        node_block_list: string[];
      };
      expect(node_block_list.every((n) => n.startsWith("/encoder/layer.2/intermediate/dense/"))).toBe(true);
      expect(node_block_list.length).toBeGreaterThan(0);
    } finally {
      writeFileSync(path, before);
    }
  });

  it("says to people what was written, no line of it too wide", async () => {
    const { code, stdout, stderr } = await halfscope(["export", results, "--to", "ort,netron", "-o", join(folder, "for-people")]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/ort: (\d+) of \1 pinned nodes are named/);
    expect(tooWide(stdout.replaceAll(folder, ""))).toEqual([]);
  });

  it("refuses another model, an unknown format, and a folder without a plan", async () => {
    const other = join(folder, "model", "other.onnx");
    await makeBert({ path: other, ...size });
    await expectFailure(
      ["export", results, "--to", "ort", "--model", other],
      { code: 2, error: "ERR_OVERRIDES_MISMATCH" },
      /not the model that was measured/,
    );
    await expectFailure(["export", results, "--to", "ort,onnx"], { code: 2, error: "ERR_OPTION" }, /found "onnx"/);
    const compared = join(folder, "compared");
    await jsonOf(["compare", other, "-o", compared], [0, 1]);
    await expectFailure(["export", compared, "--to", "autocast"], { code: 2, error: "ERR_RESULT" }, /holds no plan/);
    await jsonOf(["export", compared, "--to", "netron,model-explorer"]);
  });
});

describe("other people's tools", () => {
  const run = (interpreter: string, args: readonly string[]) =>
    execFileSync(interpreter, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 100_000 });

  for (const [tool, module] of [
    ["onnxruntime", "onnxruntime.transformers.float16"],
    ["onnxconverter-common", "onnxconverter_common"],
  ] as const)
    it(`${tool} converts with the block list to a file that meets the tolerance; without it, it does not`, async (context) => {
      const interpreter = python(context, "onnx", module);
      const mixed = join(folder, `${tool}.onnx`);
      run(interpreter, [join(out, "ort", "convert.py"), model, mixed, tool]);
      expect(await jsonOf(["verify", model, mixed])).toMatchObject({ outcome: "within" });
      const bare = join(folder, "bare");
      mkdirSync(bare, { recursive: true });
      writeFileSync(join(bare, "convert.py"), read("ort/convert.py"));
      writeFileSync(
        join(bare, "node_block_list.json"),
        JSON.stringify({ ...JSON.parse(read("ort/node_block_list.json")), node_block_list: [] }),
      );
      run(interpreter, [join(bare, "convert.py"), model, mixed, tool]);
      expect((await jsonOf(["verify", model, mixed], [1])).outcome).not.toBe("within");
    });

  it("Polygraphy loads inputs and results, and finds its own FP32 run equal to the reference", (context) => {
    const interpreter = python(context, "polygraphy", "onnxruntime");
    const script = `
import sys
from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx
from polygraphy.comparator import Comparator, CompareFunc, RunResults
from polygraphy.json import load_json
folder, model = sys.argv[1:]
inputs = load_json(folder + "/inputs.json")
reference = RunResults.load(folder + "/reference.json")
candidate = RunResults.load(folder + "/candidate.json")
own = Comparator.run([OnnxrtRunner(SessionFromOnnx(model))], data_loader=inputs)
own.extend(reference)
assert bool(Comparator.compare_accuracy(own, compare_func=CompareFunc.simple(rtol=1e-3, atol=1e-4)))
reference.extend(candidate)
assert not bool(Comparator.compare_accuracy(reference, compare_func=CompareFunc.simple(rtol=0, atol=0)))
assert bool(Comparator.compare_accuracy(reference, compare_func=CompareFunc.simple(rtol=0, atol=0.1)))
print(len(inputs), [len(r[1]) for r in reference])
`;
    expect(
      run(interpreter, ["-c", script, join(out, "polygraphy"), model])
        .trim()
        .split("\n")
        .at(-1),
    ).toBe("2 [2, 2]");
  });

  it("Python's re finds exactly the pinned nodes by AutoCast's patterns", (context) => {
    const interpreter = python(context, "onnx");
    const script = `
import json, re, sys, onnx
words = json.load(open(sys.argv[1]))
patterns = words[words.index("--nodes_to_exclude") + 1:]
names = [n.name for n in onnx.load(sys.argv[2]).graph.node]
print(json.dumps([n for n in names if any(re.match(p, n) for p in patterns)]))
`;
    const found = JSON.parse(run(interpreter, ["-c", script, join(out, "autocast/arguments.json"), model])) as string[];
    const { node_block_list } = JSON.parse(read("ort/node_block_list.json")) as { node_block_list: string[] };
    expect(found.sort()).toEqual(node_block_list.filter((n) => found.includes(n)).sort());
    expect(found.length).toBe(exported.find((e) => e.format === "autocast")?.addressed);
  });
});
