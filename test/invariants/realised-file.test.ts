/** The mixed model as other tools see it. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PrecisionPlan } from "@halfscope/core";
import { convertToHalf, inferTypes, shapesOfFeed } from "@halfscope/engine";
import { checkExternalData, type Model, readInitializer, readModel, viewGraph, writeRope } from "@halfscope/onnx";
import { allHalf, isPrecisionCast, realisePlan, withPins } from "@halfscope/precision";
import { applyPlan, type Workbench } from "halfscope";
import { describe, expect, it, type TestContext } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { python } from "../python.js";
import { sharedModel } from "../shared-models.js";
import { openBench, randomPlan } from "../support/bench.js";
import { floats, node, temporaryFolder, writeModel } from "../support/model-file.js";
import { randomModel } from "../support/random-model.js";

const folder = temporaryFolder();
const script = fileURLToPath(new URL("../support/check-mixed.py", import.meta.url));
const bert = (style: "decomposed" | "layernorm", external = false) =>
  makeBert({ path: join(folder, `${style}.onnx`), layers: 2, hidden: 32, heads: 4, vocab: 99, style, external }).then((m) => m.path);

let count = 0;
async function write(bench: Workbench, plan: PrecisionPlan, io: "keep" | "convert" = "keep"): Promise<string> {
  return (await applyPlan(await bench.subject(), plan, join(folder, `mixed-${count++}.onnx`), { progress: bench.progress, io })).path;
}
const plansOf = (bench: Workbench): PrecisionPlan[] => [
  allHalf(bench.model.digest, "finite"),
  randomPlan(bench, 0.3, "finite", 1),
  randomPlan(bench, 0.8, "overflow", 2),
  randomPlan(bench, 1, "finite", 3),
];

interface Checked {
  path: string;
  problem?: string;
  inputs: Record<string, number>;
  outputs: Record<string, number>;
}
const check = (interpreter: string, paths: readonly string[]): Checked[] =>
  execFileSync(interpreter, [script, ...paths], { encoding: "utf8", timeout: 300_000, maxBuffer: 1 << 28 })
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Checked);

/** Two layers share each weight, so that many plans need it in both precisions. */
const oldModel = {
  nodes: ["a", "b", "c"].map((name, i) => node("Gemm", [i === 0 ? "x" : ("abc"[i - 1] as string), "w", "bias"], [name])),
  inputs: ["x", "w", "bias"].map((name) => ({ name, dims: [4, 4] })),
  outputs: [{ name: "c", dims: [4, 4] }],
  initializers: ["w", "bias"].map((name) =>
    floats(
      name,
      [4, 4],
      Array.from({ length: 16 }, (_, i) => Math.sin(i)),
    ),
  ),
  irVersion: 3,
  opset: 9,
};

const sources: Readonly<Record<string, (context: TestContext) => Promise<string> | string>> = {
  "a made BERT (decomposed)": () => bert("decomposed"),
  "a made BERT (LayerNormalization nodes)": () => bert("layernorm"),
  "a made BERT with external weights": () => bert("decomposed", true),
  "a model of IR version 3 (initializers are inputs too)": () => writeModel(folder, oldModel),
  ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => [`random graph ${seed}`, () => randomModel(folder, seed)])),
  ...Object.fromEntries(
    [
      "bert-toy-op12",
      "gpt2-pt-op11",
      "yolox-nano-op11",
      "magika-v3_3-op15",
      "basic-pitch-op15",
      "bert-squad-pt-op11",
      "bert-small-dynamo-op20",
      "llama-ts",
      "convnext-ts",
      "mobilenetv3-dynamo",
      "cct-xs-plate-ocr-op15",
      "deberta-v2-dynamo",
    ].map((name) => [name, (context: TestContext) => sharedModel(context, name, "model.onnx")]),
  ),
};

describe.each(Object.entries(sources))("the mixed file of %s", (_, pathOf) => {
  it("passes the ONNX checker and strict shape inference, and loads in ONNX Runtime", { timeout: 300_000 }, async (context) => {
    const interpreter = python(context, "onnx", "onnxruntime");
    using bench = await openBench(await pathOf(context));
    const plans = plansOf(bench);
    const paths: string[] = [];
    for (const plan of plans) paths.push(await write(bench, plan));
    paths.push(await write(bench, plans[1]!, "convert"));
    // What the original itself does not pass cannot be asked of its mixed version.
    const [original, ...mixed] = check(interpreter, [bench.model.path, ...paths]);
    if (original!.problem !== undefined) context.skip(`the original itself fails: ${original!.problem.slice(0, 80)}`);
    expect(mixed.map((m) => m.problem)).toEqual(paths.map(() => undefined));
    for (const m of mixed.slice(0, -1)) expect([m.inputs, m.outputs]).toEqual([original!.inputs, original!.outputs]);
  });

  it("has no Casts that cancel, keeps the weights of pinned layers, and none in FP16 when all are pinned", async (context) => {
    using bench = await openBench(await pathOf(context));
    for (const plan of plansOf(bench)) {
      const mixed = await readModel(await write(bench, plan));
      await expectNoCancellingCasts(mixed, bench);
      await expectPinnedWeightsKept(mixed, bench, plan);
      if (plan.pins.length === bench.layers.length)
        expect(mixed.graph.initializers.filter((i) => i.dtype === "float16").map((i) => i.name)).toEqual([]);
    }
  });
});

async function expectNoCancellingCasts(mixed: Model, bench: Workbench): Promise<void> {
  const view = viewGraph(mixed.graph);
  const types = await inferTypes(mixed, view, shapesOfFeed(bench.feeds[0]));
  // Casts that the original has are its own affair.
  const casts = mixed.graph.nodes.filter((n) => isPrecisionCast(n, types) && n.name === `${n.outputs[0]}/Cast`);
  for (const cast of casts) {
    const [from = ""] = cast.inputs;
    const [to = ""] = cast.outputs;
    const before = view.producer.get(from);
    expect(before !== undefined && casts.includes(before), `${from} -> ${to} casts what was cast`).toBe(false);
    expect(types.get(from)?.dtype, `${from} -> ${to} changes no type`).not.toBe(types.get(to)?.dtype);
    expect(view.graphOutputs.has(to) || (view.consumers.get(to)?.length ?? 0) > 0, `${to} is read by nobody`).toBe(true);
  }
}

async function expectPinnedWeightsKept(mixed: Model, bench: Workbench, plan: PrecisionPlan): Promise<void> {
  const pinned = new Set(plan.pins.map((p) => p.layer));
  const weights = new Set(bench.layers.filter((l) => pinned.has(l.id)).flatMap((l) => l.weights));
  const written = new Map(mixed.graph.initializers.map((i) => [i.name, i]));
  for (const original of bench.model.graph.initializers.filter((i) => weights.has(i.name))) {
    const kept = written.get(original.name);
    expect(kept, original.name).toMatchObject({ dtype: original.dtype, dims: original.dims });
    const same = Buffer.from(await readInitializer(kept!)).equals(await readInitializer(original));
    expect(same, `${original.name} has other values`).toBe(true);
  }
}

describe("graph inputs and outputs", () => {
  it("keep their types, and become FP16 where the plan is when that is asked for", async () => {
    const model = {
      nodes: [
        node("MatMul", ["x", "x2"], ["p"]),
        node("Where", ["mask", "p", "x"], ["w"]),
        node("Tanh", ["w"], ["y"]),
        node("Not", ["mask"], ["m"]),
      ],
      inputs: [...["x", "x2"].map((name) => ({ name, dims: [2, 2] })), { name: "mask", elementType: 9, dims: [2, 2] }],
      outputs: [...["p", "y"].map((name) => ({ name, dims: [2, 2] })), { name: "m", elementType: 9, dims: [2, 2] }],
    };
    using bench = await openBench(writeModel(folder, model));
    const faces = async (path: string) => {
      const { graph } = await readModel(path);
      const types = [...graph.inputs, ...graph.outputs].map((v) => v.dtype);
      return { inputs: types.slice(0, graph.inputs.length), outputs: new Set(types.slice(graph.inputs.length)) };
    };
    const half = allHalf(bench.model.digest, "finite");
    expect(await faces(await write(bench, half))).toEqual({
      inputs: ["float32", "float32", "bool"],
      outputs: new Set(["float32", "bool"]),
    });
    expect(await faces(await write(bench, half, "convert"))).toEqual({
      inputs: ["float16", "float16", "bool"],
      outputs: new Set(["float16", "bool"]),
    });
    const pinned = withPins(
      half,
      bench.layers.map((l) => l.id),
    );
    expect(await faces(await write(bench, pinned, "convert"))).toEqual({
      inputs: ["float32", "float32", "bool"],
      outputs: new Set(["float32", "bool"]),
    });
  });
});

describe("writing the mixed file", () => {
  it("never touches the model or its external data", async () => {
    using bench = await openBench(await bert("decomposed", true));
    const half = allHalf(bench.model.digest, "finite");
    const data = `${bench.model.path}.data`;
    const before = [readFileSync(bench.model.path), readFileSync(data)];
    for (const out of [bench.model.path, data])
      await expect(applyPlan(await bench.subject(), half, out, { progress: bench.progress })).rejects.toMatchObject({ code: "ERR_OPTION" });
    expect([readFileSync(bench.model.path), readFileSync(data)]).toEqual(before);
  });

  it("puts large weights into a file of their own that the model names", async () => {
    using bench = await openBench(await bert("decomposed"));
    const subject = await bench.subject();
    const { rope, external } = realisePlan({
      model: subject.model,
      types: subject.types,
      roundings: subject.roundings,
      plan: allHalf(bench.model.digest, "finite"),
      toHalf: async (bytes, finite) => (await convertToHalf(bytes, finite)).half,
      embedLimitBytes: 1000,
      externalName: "outside.onnx.data",
    });
    await writeRope(join(folder, "outside.onnx.data"), external!);
    await writeRope(join(folder, "outside.onnx"), rope);
    const mixed = await readModel(join(folder, "outside.onnx"));
    checkExternalData(mixed);
    expect(mixed.graph.initializers.filter((i) => i.data.kind === "file" && i.data.external).length).toBeGreaterThan(10);
  });
});
