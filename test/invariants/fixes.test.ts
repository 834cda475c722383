/** Fixes mend what they answer, keep FP32 results, and touch nothing else. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FixReport } from "@halfscope/core";
import { readModel } from "@halfscope/onnx";
import { debugModel, fixModel } from "halfscope";
import proto from "onnx-proto";
import { describe, expect, it } from "vitest";
import { type BertOptions, makeBert } from "../../scripts/make-bert/make-bert.js";
import { jsonOf } from "../e2e/run-cli.js";
import { floats, node, temporaryFolder, writeModel } from "../support/model-file.js";

const folder = temporaryFolder();
let count = 0;

/** A small BERT of nine-node normalizations; the maker writes opset 13, which newer ones read the same. */
async function bert(opset: number, faults: NonNullable<BertOptions["faults"]>): Promise<string> {
  const path = join(folder, `${count++}.onnx`);
  await makeBert({ path, layers: 2, hidden: 64, heads: 4, vocab: 200, maxPosition: 64, faults });
  if (opset === 13) return path;
  const model = proto.onnx.ModelProto.decode(readFileSync(path));
  model.opsetImport[0]!.version = opset;
  writeFileSync(path, proto.onnx.ModelProto.encode(model).finish());
  return path;
}
const operators = async (path: string) => (await readModel(path)).graph.nodes.map((n) => n.opType);
const common = { samples: 1, threads: 2 };

describe("on a BERT whose squares overflow and whose mask FP16 cannot hold", () => {
  const faults: NonNullable<BertOptions["faults"]> = [{ kind: "mask-constant" }, { kind: "square-overflow", strength: 500, layer: 1 }];

  it("with opset 17, the fused normalization makes pins needless", async () => {
    const path = await bert(17, faults);
    const out = join(folder, "fixed.onnx");
    const report = await fixModel(path, { ...common, out });
    expect(report.outcome).toBe("fixed");
    expect(report.fixes.map((f) => f.kind).toSorted()).toEqual(["clamp-mask", "fuse-norm"]);
    expect(report.fp32Change).toBeLessThan(1e-5);
    expect(report.allHalfBefore).toBeGreaterThan(0.1);
    expect(report.allHalfAfter).toBeLessThan(0.01);
    const before = await operators(path);
    const after = await operators(out);
    expect(after.filter((o) => o === "LayerNormalization")).toHaveLength(1);
    expect(after).toHaveLength(before.filter((o) => o !== "Constant").length - 8 + before.filter((o) => o === "Constant").length);
    // What was not edited is byte for byte as it was.
    const untouched = (await readModel(path)).graph.nodes.map((n) => Buffer.from(n.bytes).toString("latin1"));
    const kept = (await readModel(out)).graph.nodes.map((n) => Buffer.from(n.bytes).toString("latin1"));
    expect(kept.filter((b) => !untouched.includes(b)).length).toBeLessThanOrEqual(2);
    const again = await fixModel(out, { ...common });
    expect(again.outcome).toBe("nothing-to-fix");
  });

  it("with opset 13, the normalization is scaled instead, and said to need opset 17 for more", async () => {
    const path = await bert(13, faults);
    const report = await fixModel(path, { ...common });
    expect(report.fixes.map((f) => f.kind)).toEqual(["clamp-mask", "scale-norm"]);
    expect(report.fixes[0]?.note).toMatch(/masked as a whole/);
    expect(report.none).toEqual([expect.objectContaining({ kind: "fuse-norm", reason: expect.stringMatching(/opset 17.*13/) })]);
    expect(report.fp32Change).toBe(0);
    expect(report.allHalfBefore).toBeGreaterThan(0.1);
    expect(report.allHalfAfter).toBeLessThan(0.01);
    expect(report.path).toBeUndefined();
  });
});

it("what is written stands by itself: its external data lies beside it, whatever becomes of the original", async () => {
  const original = join(folder, "original");
  const elsewhere = join(folder, "elsewhere");
  for (const f of [original, elsewhere]) mkdirSync(f);
  const path = join(original, "bert.onnx");
  await makeBert({
    path,
    layers: 1,
    hidden: 64,
    heads: 4,
    vocab: 200,
    maxPosition: 64,
    external: true,
    faults: [{ kind: "mask-constant" }],
  });
  const out = join(elsewhere, "fixed.onnx");
  const weights = (await readModel(path)).graph.initializers.map((i) => i.name);
  expect((await fixModel(path, { ...common, out })).fp32Change).toBe(0);
  rmSync(original, { recursive: true });
  expect(readdirSync(elsewhere).toSorted()).toEqual(["fixed.onnx", "fixed.onnx.data"]);
  expect((await readModel(out)).graph.initializers.map((i) => i.name)).toEqual(weights);
  expect(await fixModel(out, common)).toMatchObject({ outcome: "nothing-to-fix" });
});

it("debug tries fixes beside the pins that it recommends, and says which pins they replace", async () => {
  const results = join(folder, "results");
  const result = await debugModel(await bert(13, [{ kind: "square-overflow", strength: 500, layer: 1 }]), {
    ...common,
    folder: results,
    tolerance: 0.01,
  });
  const pins = result.recommendation?.pins.map((p) => p.layer);
  expect(pins).toHaveLength(1);
  expect(result.fixes).toMatchObject({
    outcome: "fixed",
    fixes: [{ kind: "scale-norm", layers: pins }],
    withPins: { pins: [], replaced: pins },
  });
  expect(result.fixes?.allHalfBefore).toBeGreaterThan(0.1);
  expect(result.fixes?.allHalfAfter).toBeLessThan(0.01);
  expect(readFileSync(join(results, "report.html"), "utf8")).toContain("Prefer it to the pin");
});

it("a healthy BERT has nothing to fix, and nothing is written", async () => {
  const out = join(folder, "healthy-fixed.onnx");
  expect(await fixModel(await bert(13, []), { ...common, out })).toMatchObject({ outcome: "nothing-to-fix", fixes: [] });
  expect(existsSync(out)).toBe(false);
});

it("a weight whose clamping would change FP32 results is left out: exit 1, no file, nothing left behind", async () => {
  const path = writeModel(folder, {
    nodes: [node("MatMul", ["x", "w"], ["y"])],
    inputs: [{ name: "x", dims: [2, 2] }],
    outputs: [{ name: "y", dims: [2, 2] }],
    initializers: [floats("w", [2, 2], [1e6, 1, 2, 3])],
    opset: 17,
  });
  const before = readdirSync(folder);
  const out = join(folder, "clamped.onnx");
  const report = (await jsonOf(["fix", path, "-o", out], [1])) as unknown as FixReport;
  expect(report).toMatchObject({ outcome: "changes-too-much", fixes: [], leftOut: [{ id: "clamp-weight:w" }] });
  expect(readdirSync(folder)).toEqual(before);
});
