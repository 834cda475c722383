import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isExact } from "@halfscope/core";
import { readModel } from "@halfscope/onnx";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { floats, graph, int64s, node, tinyModel } from "../../../../../test/support/tiny-model.js";
import { OrtSession } from "../../addon.js";
import type { DeviceBackend, DeviceBuildRequest } from "../backend.js";
import { describeBackend } from "../testing/describe-backend.js";
import { exampleFeed, exampleModel, numbersOf } from "../testing/example-models.js";
import { openOrt } from "./open-ort.js";
import { OrtBackend } from "./ort-backend.js";
import { absentEntry } from "./placement.js";
import { optimizationKey } from "./provider-options.js";
import { buildServingGraph } from "./serving-graph.js";

describeBackend("ort-cpu", () => openOrt("ort-cpu"));

let backend: DeviceBackend;
let folder: string;
const file = (title: string, bytes: Uint8Array): string => {
  const path = join(folder, title);
  writeFileSync(path, bytes);
  return path;
};
const request = (path: string, more: Partial<DeviceBuildRequest> = {}): DeviceBuildRequest => ({
  label: "example",
  path,
  precision: { kind: "full" },
  ...more,
});
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-ort-"));
  backend = await openOrt("ort-cpu");
});
afterAll(async () => {
  await backend[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("ort-cpu", () => {
  test.each(["all", "disabled"] as const)("gives ONNX Runtime's own bits, optimisations %s", async (optimization) => {
    const path = file("full.onnx", exampleModel("full"));
    const model = await readModel(path);
    await using session = await OrtSession.create({
      model: buildServingGraph(model, []).bytes,
      folder: model.folder,
      threads: 1,
      optimization,
      prepacking: true,
      switchCount: 0,
      slotCount: 0,
    });
    const feed = exampleFeed(9);
    for (const [name, value] of feed.tensors) session.setFeed(name, value);
    const expected = (await session.run({ fetch: ["y"] })).outputs.get("y");
    const options = { threads: 1, ...(optimization === "disabled" && { providerOptions: { [optimizationKey]: "disabled" } }) };
    await using engine = await backend.build(request(path, { options }));
    expect((await engine.run(feed)).get("y")).toEqual(expected);
  });

  test("tells after the first request what ran, with what fusion made of it, and what ran nowhere", async () => {
    const path = file(
      "fused.onnx",
      tinyModel({
        inputs: [{ name: "x", dims: ["n", 4] }],
        outputs: [{ name: "y", dims: ["n", 4] }],
        nodes: [
          node("Add", ["a", "a"], ["folded"]),
          node("MatMul", ["x", "w"], ["product"]),
          node("Add", ["product", "folded"], ["biased"]),
          { ...node("Relu", ["biased"], ["y"]), name: "" },
        ],
        constants: { a: { dims: [4], values: new Float32Array(4).fill(2) }, w: { dims: [4, 4], values: new Float32Array(16).fill(0.5) } },
      }),
    );
    const feed = { tensors: new Map([["x", floats(new Float32Array(8).fill(1), [2, 4])]]) };
    await using plain = await backend.build(request(path, { options: { providerOptions: { [optimizationKey]: "disabled" } } }));
    expect(plain.placement).toBeUndefined();
    await plain.run(feed);
    expect(plain.placement).toEqual([{ provider: "CPUExecutionProvider", nodes: 4, operators: { Add: 2, MatMul: 1, Relu: 1 } }]);
    await using fused = await backend.build(request(path));
    expect([...numbersOf((await fused.run(feed)).get("y"))]).toEqual(new Array(8).fill(6));
    const entry = (provider: string) => fused.placement?.find((p) => p.provider === provider);
    expect(entry("CPUExecutionProvider")?.nodes).toBeLessThan(4);
    expect(entry(absentEntry)?.operators).toMatchObject({ Add: expect.any(Number) });
  });

  test("leaves no profile behind, whether a request was made or not", async () => {
    const path = file("full.onnx", exampleModel("full"));
    const mine = join(folder, "tmp");
    mkdirSync(mine);
    vi.stubEnv("TMPDIR", mine);
    onTestFinished(() => void vi.unstubAllEnvs());
    const engines = await Promise.all([backend.build(request(path)), backend.build(request(path))]);
    expect(readdirSync(mine)).toHaveLength(2);
    await engines[0]?.run(exampleFeed(1));
    for (const engine of engines) await engine[Symbol.asyncDispose]();
    expect(readdirSync(mine)).toEqual([]);
  });

  test("rounds the sample for inputs that the file has in FP16, and counts a branch's nodes once, whichever way it goes", async () => {
    const path = file(
      "half-input.onnx",
      tinyModel({
        inputs: [
          { name: "x", dtype: "float16", dims: [3] },
          { name: "positive", dtype: "bool", dims: [] },
        ],
        outputs: [{ name: "y", dtype: "float16", dims: [3] }],
        nodes: [
          node("If", ["positive"], ["y"], {
            then_branch: graph({
              inputs: [],
              outputs: [{ name: "a", dtype: "float16", dims: [3] }],
              nodes: [node("Identity", ["x"], ["a"])],
            }),
            else_branch: graph({ inputs: [], outputs: [{ name: "b", dtype: "float16", dims: [3] }], nodes: [node("Neg", ["x"], ["b"])] }),
          }),
        ],
      }),
    );
    await using engine = await backend.build(request(path, { precision: { kind: "typed" } }));
    const x = floats(Float32Array.of(1, 2.0001, 65520));
    const outputs = await engine.run({
      tensors: new Map([
        ["x", x],
        ["positive", { dtype: "bool", dims: [], data: Uint8Array.of(1) }],
      ]),
    });
    expect([...numbersOf(outputs.get("y"))]).toEqual([1, 2, Number.POSITIVE_INFINITY]);
  });

  test("compares only floats of one shape, and says why it leaves others out", async () => {
    const of = (dims: readonly (number | string)[]) =>
      tinyModel({
        inputs: [{ name: "x", dims: ["n"] }],
        outputs: [{ name: "y", dims }],
        nodes: [node("Shape", ["x"], ["sizes"]), node("Reshape", ["x", "to"], ["y"])],
        constants: { to: { dims: [dims.length], values: BigInt64Array.from(dims, () => -1n).fill(1n, 1) } },
      });
    const observe = { tensors: ["sizes"] };
    await using flat = await backend.build(request(file("flat.onnx", of(["n"])), { observe }));
    await using column = await backend.build(request(file("column.onnx", of(["n", 1])), { observe }));
    const feed = { tensors: new Map([["x", floats(Float32Array.of(1, Number.NaN, 3))]]) };
    const { stats, notCompared } = await backend.compare(flat, column, feed, ["y", "sizes"]);
    expect(stats.size).toBe(0);
    expect(notCompared).toEqual([
      { tensor: "y", reason: "the reference has shape [3], the candidate [3, 1]" },
      { tensor: "sizes", reason: "it holds no floats" },
    ]);
    const same = (await backend.compare(flat, flat, feed, ["y"])).stats.get("y");
    expect(same).toMatchObject({ count: 3, nanReference: 1, nanCandidate: 1, nonFiniteMismatch: 1 });
    expect(same && isExact(same)).toBe(false);
  });

  test("runs FP16 files without telling anything about FP16, and says so", () => {
    expect(backend.environment.capabilities).toMatchObject({ realHalf: false, typings: ["typed"] });
  });

  test.each([
    ["weak typing", { precision: { kind: "weak", half: "float16", pins: [], constraints: "none" } }, /types that a file states/],
    ["debug tensors", { observe: { tensors: ["hidden"], how: "debug" } }, /as outputs only/],
    ["strict NaN", { options: { strictNans: true } }, /strictNans/],
    ["options of a provider", { options: { providerOptions: { use_tf32: "0" } } }, /use_tf32/],
    ["an unknown optimisation", { options: { providerOptions: { [optimizationKey]: "most" } } }, /disabled, basic, extended, all/],
  ] satisfies [string, Partial<DeviceBuildRequest>, RegExp][])("refuses %s with a sentence", async (_, more, message) => {
    const path = file("full.onnx", exampleModel("full"));
    await expect(backend.build(request(path, more))).rejects.toMatchObject({ code: "ERR_OPTION", message: expect.stringMatching(message) });
  });

  test("serves a model from memory with the bits of its file, tensors observed", async () => {
    const model = exampleModel("full");
    const path = file("full.onnx", model);
    const observe = { tensors: ["hidden", "x", "nowhere"] };
    await using fromFile = await backend.build(request(path, { observe }));
    await using engine = await backend.build(request(join(folder, "no-such-file.onnx"), { model, observe }));
    expect(engine.outputs).toEqual(fromFile.outputs);
    expect(engine.notObserved).toEqual(fromFile.notObserved);
    const feed = exampleFeed(3);
    expect(await engine.run(feed)).toEqual(await fromFile.run(feed));
    expect(existsSync(join(folder, "no-such-file.onnx"))).toBe(false);
    await expect(backend.build(request(path, { model: new Uint8Array() }))).rejects.toMatchObject({ code: "ERR_MODEL_PARSE" });
  });

  test("says which options have no meaning here", async () => {
    const path = file("full.onnx", exampleModel("full"));
    await using engine = await backend.build(
      request(path, {
        options: { workspaceBytes: 1, optimizationLevel: 3, memoryPools: { "tactic-dram": 1 } },
        profiles: [{ inputs: {} }],
      }),
    );
    expect(engine.messages.map((m) => m.text)).toEqual(["ort-cpu has no use for workspaceBytes, memoryPools, optimizationLevel."]);
  });

  test("quotes ONNX Runtime where it refuses a file, and leaves nothing behind", async () => {
    const path = file(
      "bad.onnx",
      tinyModel({ inputs: [{ name: "x", dims: [2] }], outputs: [{ name: "y", dims: [2] }], nodes: [node("NoSuch", ["x"], ["y"])] }),
    );
    await expect(backend.build(request(path))).rejects.toMatchObject({
      code: "ERR_ENGINE_BUILD",
      message: expect.stringMatching(/NoSuch/),
    });
  });

  test("feeds integers as they are, and refuses values of another type", async () => {
    const path = file(
      "int.onnx",
      tinyModel({
        inputs: [{ name: "x", dtype: "int64", dims: ["n"] }],
        outputs: [{ name: "y", dtype: "int64", dims: ["n"] }],
        nodes: [node("Neg", ["x"], ["y"])],
      }),
    );
    await using engine = await backend.build(request(path));
    const outputs = await engine.run({ tensors: new Map([["x", int64s([3, -4])]]) });
    expect([...new BigInt64Array(outputs.get("y")?.data.slice().buffer ?? new ArrayBuffer(0))]).toEqual([-3n, 4n]);
    await expect(engine.run({ tensors: new Map([["x", floats(Float32Array.of(1))]]) })).rejects.toMatchObject({ code: "ERR_FEED" });
  });

  test("holds profiles against the model before a TensorRT engine is built through ONNX Runtime", async () => {
    const path = file("full.onnx", exampleModel("full"));
    const tensorRt = new OrtBackend("ort-tensorrt", backend.environment);
    await expect(tensorRt.build(request(path))).rejects.toMatchObject({ code: "ERR_PROFILE", message: expect.stringContaining('"x"') });
    const profiles = [{ inputs: { x: { min: [1, 15], opt: [1, 16], max: [4, 16] } } }];
    await expect(tensorRt.build(request(path, { profiles }))).rejects.toMatchObject({
      code: "ERR_PROFILE",
      message: expect.stringContaining("15"),
    });
  });

  test("never stands in for a GPU's provider: what is missing is said in one line", async (context) => {
    if (existsSync("/proc/driver/nvidia")) context.skip("this machine has an NVIDIA driver");
    for (const name of ["ort-cuda", "ort-tensorrt"] as const) {
      const error: unknown = await openOrt(name).catch((e: unknown) => e);
      expect(error).toMatchObject({
        code: "ERR_BACKEND_UNAVAILABLE",
        exitCode: 4,
        hint: expect.stringContaining("the same command without --engine"),
      });
      expect((error as Error).message).not.toContain("\n");
    }
  });
});
