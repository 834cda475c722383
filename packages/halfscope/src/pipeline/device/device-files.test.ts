/** One set of pins has to mean one file: the journal knows engines by their pins. */
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { silentProgress } from "@halfscope/core";
import { readModel } from "@halfscope/onnx";
import { allHalf } from "@halfscope/precision";
import { beforeAll, describe, expect, it } from "vitest";
import { EmulatedBackend } from "../../../../../test/support/emulated-backend.js";
import { floats, node, temporaryFolder, writeModel } from "../../../../../test/support/model-file.js";
import { applyPlan } from "../apply.js";
import { debugModel } from "../debug.js";
import { Workbench } from "../workbench.js";
import { DeviceFiles } from "./device-files.js";

const folder = temporaryFolder();
const ramp = (n: number) => Array.from({ length: n }, (_, i) => (i % 7) / 3 - 1);
const faceOf = async (path: string) => {
  const { graph } = await readModel(path);
  return [...graph.inputs, ...graph.outputs].map((v) => v.dtype);
};
let full: string;
let half: string;
beforeAll(async () => {
  full = writeModel(folder, {
    nodes: [node("MatMul", ["x", "w"], ["a"]), node("Tanh", ["a"], ["b"]), node("MatMul", ["b", "w"], ["y"])],
    inputs: [{ name: "x", dims: [4, 8] }],
    outputs: [{ name: "y", dims: [4, 8] }],
    initializers: [floats("w", [8, 8], ramp(64))],
  });
  half = join(folder, "half.onnx");
  using bench = await Workbench.open(full);
  await applyPlan(await bench.subject(), allHalf(bench.model.digest, "finite"), half, { progress: silentProgress, io: "convert" });
});

describe("files that engines are built from", () => {
  it.each(["float32", "float16"] as const)("have the inputs and outputs of a model in %s, as the recommended file has", async (dtype) => {
    using bench = await Workbench.open(dtype === "float32" ? full : half);
    const files = new DeviceFiles(bench, folder);
    const made = await files.mixed([]);
    expect(await faceOf(made)).toEqual([dtype, dtype]);
    const recommended = join(folder, `recommended-${dtype}.onnx`);
    const io = bench.halfFace ? "convert" : "keep";
    await applyPlan(await bench.subject(), allHalf(bench.model.digest, "finite"), recommended, { progress: silentProgress, io });
    expect(readFileSync(made).equals(readFileSync(recommended))).toBe(true);
    // The reference is FP32 throughout.
    expect(await faceOf(await files.reference())).toEqual(["float32", "float32"]);
  });

  it("are the ones that debug recommends, where no pins are needed and the journal spares the second build", async () => {
    const at = join(folder, "results");
    const kept = join(folder, "kept");
    mkdirSync(kept);
    const backend = new EmulatedBackend({
      onBuild: ({ label, path }) => copyFileSync(path, join(kept, `${label.replace(/\W+/g, " ")}.onnx`)),
    });
    const device = { engine: "tensorrt", open: async () => backend, guides: false, trials: 0 } as const;
    const { device: found, overrides } = await debugModel(half, { folder: at, tolerance: 0.1, threads: 2, like: "tensorrt", device });
    expect(overrides?.pins).toEqual([]);
    const labels = backend.built.map((b) => b.label);
    expect(labels).toEqual(["FP32", "all FP16, strongly typed", "FP32, tensors marked", "all FP16, tensors marked"]);
    const [reference, plain, , marked] = labels.map((l) => join(kept, `${l.replace(/\W+/g, " ")}.onnx`)) as [
      string,
      string,
      string,
      string,
    ];
    expect(basename(plain)).toBe("all FP16 strongly typed.onnx");
    expect(await faceOf(reference)).toEqual(["float32", "float32"]);
    // Its figures stand for mixed.onnx in the verdict.
    for (const path of [plain, marked]) expect(readFileSync(path).equals(readFileSync(join(at, "mixed.onnx")))).toBe(true);
    const [all, recommended] = ["all-half", "recommended"].map((role) => found?.engines.find((e) => e.role === role));
    expect(recommended?.error).toBe(all?.error);
    expect(recommended?.outcome).toBe("within");
  });
});
