/** Files that are in FP16 already: their FP32 restoration, and what is read from them, make the file again. */
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inferTypes, OutputEngine, shapesOfFeed } from "@halfscope/engine";
import { type Node, readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import { allHalf, mapNames, movedInputs, restoredPinReason, restoreSites } from "@halfscope/precision";
import { applyPlan, compareStep, verifyStep, type Workbench } from "halfscope";
import { describe, expect, it, type TestContext, test } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { sharedModel } from "../shared-models.js";
import { difference, type Outputs, openBench, randomPlan } from "../support/bench.js";
import { node, temporaryFolder, writeModel } from "../support/model-file.js";
import { randomModel } from "../support/random-model.js";

const folder = temporaryFolder();
let count = 0;

/** The file as it stands, emulated on the feed of its restoration. */
async function emulated(bench: Workbench): Promise<Outputs> {
  const model = unfoldModel(await readModel(bench.model.path));
  const view = viewGraph(model.graph);
  const feedShapes = shapesOfFeed(bench.feeds[0]);
  const isMover = (n: Node) => movedInputs(n) !== undefined;
  const types = await inferTypes(model, view, feedShapes);
  using engine = await OutputEngine.restored({ model, view, types, feedShapes, isMover }, { threads: 2 });
  engine.setFeed(bench.feeds[0]);
  return (await engine.outputsOf()).outputs;
}

async function expectSameAsFile(bench: Workbench): Promise<void> {
  const subject = await bench.subject();
  expect([...subject.types].filter(([, t]) => t.dtype === "float16")).toEqual([]);
  const own = await bench.ownPlan();
  expect(own?.differences).toEqual([]);
  using engine = await OutputEngine.candidate({ ...subject, placements: subject.roundings.placements }, { threads: 2 });
  engine.setFeed(bench.feeds[0]);
  const { outputs } = await engine.outputsOf({ switches: own!.switches });
  expect(difference(outputs, await emulated(bench))).toBeUndefined();
}

const sources: Readonly<Record<string, (context: TestContext) => Promise<string> | string>> = {
  "a made BERT": async () =>
    (await makeBert({ path: join(folder, "bert.onnx"), layers: 1, hidden: 32, heads: 4, vocab: 99, maxPosition: 64, head: "qa" })).path,
  ...Object.fromEntries([1, 2, 3, 4, 5, 6].map((seed) => [`random graph ${seed}`, () => randomModel(folder, seed)])),
  "yolox-nano-op11": (context) => sharedModel(context, "yolox-nano-op11", "model.onnx"),
};

describe.each(Object.keys(sources))("the mixed file of %s", (name) => {
  test.for([
    ["all FP16, with FP32 inputs and outputs", 0, "keep"],
    ["all FP16, inputs and outputs too", 0, "convert"],
    ["half of the layers pinned", 0.5, "keep"],
  ] as const)("%s, is measured as it is", async ([, share, io], context) => {
    using original = await openBench(await sources[name]!(context));
    const path = join(folder, `half-${count++}.onnx`);
    const plan = share === 0 ? allHalf(original.model.digest, "finite") : randomPlan(original, share, "finite", 7);
    await applyPlan(await original.subject(), plan, path, { progress: original.progress, io });
    using bench = await openBench(path);
    expect(bench.half).toBeDefined();
    await expectSameAsFile(bench);
    if (share > 0) return;
    const own = await bench.ownPlan();
    expect(own?.planDifferences).toEqual([]);
    // Round trip: the restoration, all in FP16, rounds what the file rounds.
    const again = join(folder, `again-${count++}.onnx`);
    const subject = await bench.subject();
    await applyPlan(subject, { ...allHalf(bench.model.digest, "finite"), pins: own!.pins }, again, { progress: bench.progress, io });
    const model = unfoldModel(await readModel(again));
    const view = viewGraph(model.graph);
    const types = await inferTypes(model, view, subject.feedShapes);
    const { original: names } = mapNames(subject, { view, types });
    const { view: fileView, types: fileTypes } = bench.half!.file;
    expect(restoreSites(view, types, (t) => names.get(t) ?? t).uses).toEqual(restoreSites(fileView, fileTypes, (t) => t).uses);
  });
});

describe("other people's FP16 files", () => {
  test.for(["whisper-enc-attn-fp16-op17", "fp16-model-loop-op9"])("%s", async (name, context) => {
    const feed = sharedModel(context, name, "ort_fp32_run");
    using bench = await openBench(join(dirname(feed), "model.onnx"), { feeds: [feed] });
    await expectSameAsFile(bench);
    const { accumulated, warnings } = await compareStep(bench);
    expect(Object.values(accumulated.outputs).every((s) => s.maxAbs > 0 && s.maxAbs < 0.01)).toBe(true);
    expect(warnings[0]).toContain("is in FP16 already");
    // Two ways to the same number.
    const verdict = await verifyStep(bench, bench.model.path, 0.01);
    expect(verdict.outputs).toEqual(accumulated.outputs);
  });
});

const half = (name: string, dims: readonly number[], bits: readonly number[]) => ({
  name,
  dims: [...dims],
  dataType: 10,
  rawData: new Uint8Array(Uint16Array.from(bits).buffer),
});

describe("a hand-made FP16 file", () => {
  it("has its weights, constants and types widened, and its Casts taken out", async () => {
    const path = writeModel(folder, {
      nodes: [
        node("Cast", ["ids"], ["f"], { to: 10 }),
        node("Constant", [], ["c"], { value: { tensor: half("c", [2], [0x3c00, 0x4000]) } }),
        node("Mul", ["f", "c"], ["m"]),
        node("Add", ["m", "w"], ["s"]),
        node("Cast", ["s"], ["s32"], { to: 1 }),
        node("Exp", ["s32"], ["e"]),
        node("Cast", ["e"], ["y"], { to: 10 }),
      ],
      inputs: [{ name: "ids", elementType: 7, dims: [2] }],
      outputs: [{ name: "y", elementType: 10, dims: [2] }],
      initializers: [half("w", [2], [0x3800, 0x0001])],
    });
    using bench = await openBench(path);
    const { view, model } = bench;
    expect(view.order.map((n) => n.opType)).toEqual(["Cast", "Constant", "Mul", "Add", "Identity", "Exp", "Identity"]);
    expect(view.producer.get("f")?.attributes.get("to")?.int).toBe(1);
    const values = (bytes: Uint8Array) => [...new Float32Array(bytes.slice().buffer)];
    const weight = model.graph.initializers[0]!;
    expect([weight.dtype, weight.data.kind === "bytes" && values(weight.data.bytes)]).toEqual(["float32", [0.5, 2 ** -24]]);
    expect([model.path, model.graph.outputs[0]?.dtype, bench.halfFace]).toEqual([path, "float32", true]);
    const own = await bench.ownPlan();
    // The Exp computes in FP32, and the Cast behind it rounds for the output alone.
    expect(own?.pins).toEqual([{ layer: bench.layers.find((l) => l.outputs.includes("e"))?.id, reason: restoredPinReason }]);
    await expectSameAsFile(bench);
  });

  it("leaves nothing behind", async () => {
    const left = () => readdirSync(tmpdir()).filter((f) => f.startsWith("halfscope-fp32-"));
    const before = left();
    const bench = await openBench(
      writeModel(folder, {
        nodes: [node("Add", ["x", "w"], ["y"])],
        inputs: [{ name: "x", elementType: 10, dims: [1] }],
        outputs: [{ name: "y", elementType: 10, dims: [1] }],
        initializers: [half("w", [1], [0x3c00])],
      }),
    );
    expect(existsSync(bench.model.folder)).toBe(true);
    bench[Symbol.dispose]();
    expect(left()).toEqual(before);
  });

  it("whose FP16 values are only stored is an FP32 model", async () => {
    const nodes = [node("Cast", ["w"], ["w32"], { to: 1 }), node("Mul", ["x", "w32"], ["y"])];
    const face = (name: string) => ({ name, dims: [1] });
    using bench = await openBench(
      writeModel(folder, { nodes, inputs: [face("x")], outputs: [face("y")], initializers: [half("w", [1], [0x3c00])] }),
    );
    expect(bench.half).toBeUndefined();
  });
});
