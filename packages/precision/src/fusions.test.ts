import type { EngineName, TensorTypes } from "@halfscope/core";
import { listLayers, readModel, viewGraph } from "@halfscope/onnx";
import { describe, expect, it } from "vitest";
import { floats, type ModelParts, node, temporaryFolder, writeModel } from "../../../test/support/model-file.js";
import { engineProfile } from "./engine-profile.js";
import { buildFloatGraph } from "./float-graph.js";
import { keptFullBy } from "./fusions.js";
import { allHalf, withPins } from "./plan.js";
import { listRoundings, switchesFromPlan } from "./sites.js";

const folder = temporaryFolder();

/** Computed tensors that are not rounded where every layer but those of `pinned` tensors is in FP16. */
async function unrounded(parts: ModelParts, like: EngineName, pinned: readonly string[] = []): Promise<string[]> {
  const model = await readModel(writeModel(folder, parts));
  const view = viewGraph(model.graph);
  const computed = [...view.producer.keys()];
  const types: TensorTypes = new Map(
    [...computed, "x", ...view.initializers.keys()].map((t) => [t, { dtype: "float32", dims: view.initializers.get(t)?.dims ?? [2, 2] }]),
  );
  const layers = listLayers(model, view);
  const roundings = listRoundings(
    buildFloatGraph(model, view, types, layers),
    () => undefined,
    keptFullBy(engineProfile(like), { view, types, layers }),
  );
  const layerOf = (tensor: string) => layers.find((l) => l.nodes.includes(view.producer.get(tensor)?.index ?? -1))?.id ?? "";
  const switches = switchesFromPlan(withPins(allHalf("", "finite"), pinned.map(layerOf)), roundings);
  return computed.filter((t) => {
    const at = roundings.placements.findIndex((p) => p.at === "tensor" && p.tensor === t);
    return at >= 0 && switches[at] === 0;
  });
}

const io = { inputs: [{ name: "x", dims: [2, 2] }], outputs: [{ name: "y", dims: [2, 2] }] };

describe("a weight times, a weight plus", () => {
  const affine: ModelParts = {
    ...io,
    nodes: [node("Mul", ["x", "w"], ["scaled"]), node("Add", ["scaled", "b"], ["shifted"]), node("Mul", ["shifted", "x"], ["y"])],
    initializers: ["w", "b"].map((name) => floats(name, [2], [1.5, 2.5])),
  };
  it("is one rounding under --like tensorrt while both are in FP16, and two where one of them is pinned or the engine is another", async () => {
    expect(await unrounded(affine, "tensorrt")).toEqual(["scaled"]);
    expect(await unrounded(affine, "pytorch")).toEqual([]);
    expect(await unrounded(affine, "tensorrt", ["shifted"])).not.toContain("scaled");
  });
});

describe("a product times one number", () => {
  const scaled = (op: "Mul" | "Div", inputs: readonly string[], scale: number[] = [8]): ModelParts => ({
    ...io,
    nodes: [node("MatMul", ["x", "x"], ["product"]), node(op, inputs, ["scaled"]), node("Softmax", ["scaled"], ["y"])],
    initializers: [floats("scale", scale.length === 1 ? [] : [scale.length], scale)],
  });
  it("is one rounding under --like ort-cuda, however the number stands", async () => {
    expect(await unrounded(scaled("Div", ["product", "scale"]), "ort-cuda")).toEqual(["product"]);
    expect(await unrounded(scaled("Mul", ["scale", "product"]), "ort-cuda")).toEqual(["product"]);
    expect(await unrounded(scaled("Div", ["product", "scale"]), "tensorrt")).toEqual([]);
  });
  it("is two where the number is divided by the product, is no single number, or is another activation", async () => {
    expect(await unrounded(scaled("Div", ["scale", "product"]), "ort-cuda")).toEqual([]);
    expect(await unrounded(scaled("Mul", ["product", "scale"], [8, 4]), "ort-cuda")).toEqual([]);
    expect(await unrounded(scaled("Mul", ["product", "x"]), "ort-cuda")).toEqual([]);
  });
});

describe("a mask added to the scores of an attention", () => {
  const attention = (change: (nodes: ReturnType<typeof node>[]) => ReturnType<typeof node>[] = (nodes) => nodes): ModelParts => ({
    ...io,
    nodes: change([
      node("MatMul", ["x", "x"], ["product"]),
      node("Div", ["product", "root"], ["scaled"]),
      node("Add", ["scaled", "mask"], ["masked"]),
      node("Add", ["more", "masked"], ["twice"]),
      node("Softmax", ["twice"], ["weights"]),
      node("MatMul", ["weights", "x"], ["y"]),
    ]),
    initializers: [
      floats("w", [2, 2], [1, 2, 3, 4]),
      floats("root", [2], [8, 4]),
      floats("mask", [2, 2], [0, -9, 0, 0]),
      floats("more", [2], [0, -9]),
    ],
  });
  it.each(["tensorrt", "ort-cuda"] as const)("is not rounded under --like %s, one or several", async (like) => {
    expect(await unrounded(attention(), like)).toEqual(["masked", "twice"]);
    expect(await unrounded(attention(), "pytorch")).toEqual([]);
  });
  it("is rounded where somebody else reads the scores or the weights, where no product makes or reads them, and behind a long chain", async () => {
    const rounded = async (change: (nodes: ReturnType<typeof node>[]) => ReturnType<typeof node>[]) =>
      expect(await unrounded(attention(change), "tensorrt")).toEqual([]);
    await rounded((nodes) => [...nodes, node("Relu", ["twice"], ["other"])]);
    await rounded((nodes) => [...nodes, node("Relu", ["weights"], ["other"])]);
    await rounded((nodes) => nodes.with(0, node("Relu", ["x"], ["product"])));
    await rounded((nodes) => nodes.with(5, node("Relu", ["weights"], ["y"])));
    await rounded((nodes) => nodes.with(0, node("MatMul", ["x", "w"], ["product"])));
    await rounded((nodes) => nodes.with(5, node("MatMul", ["weights", "w"], ["y"])));
    const sums = Array.from({ length: 20_000 }, (_, i) => node("Add", [i === 0 ? "twice" : `sum-${i - 1}`, "mask"], [`sum-${i}`]));
    await rounded((nodes) =>
      [...nodes.slice(0, 4), ...sums, node("Softmax", ["sum-19999"], ["weights"]), ...nodes.slice(5)]
        .filter((n) => n.opType !== "Div")
        .with(0, node("Relu", ["x"], ["scaled"])),
    );
  });
});

describe("a LayerNormalization written out", () => {
  const norm = (epsilon: number, square = node("Pow", ["centred", "two"], ["square"])): ModelParts => ({
    ...io,
    nodes: [
      node("ReduceMean", ["x"], ["mean"], { axes: [-1], keepdims: 1 }),
      node("Sub", ["x", "mean"], ["centred"]),
      square,
      node("ReduceMean", ["square"], ["variance"], { axes: [-1], keepdims: 1 }),
      node("Add", ["variance", "epsilon"], ["guarded"]),
      node("Sqrt", ["guarded"], ["deviation"]),
      node("Div", ["centred", "deviation"], ["normed"]),
      node("Mul", ["normed", "gain"], ["scaled"]),
      node("Add", ["scaled", "bias"], ["y"]),
    ],
    initializers: [floats("two", [], [2]), floats("epsilon", [], [epsilon]), floats("gain", [2], [1, 1.5]), floats("bias", [2], [0, 0.5])],
  });
  const inside = ["mean", "centred", "square", "variance", "guarded", "deviation", "normed", "scaled"];
  it("is one node under --like ort-cuda while its epsilon is not 0 in FP16", async () => {
    expect(await unrounded(norm(1e-5), "ort-cuda")).toEqual(inside);
    expect(await unrounded(norm(1e-7), "ort-cuda")).toEqual(inside);
    expect(await unrounded(norm(1e-12), "ort-cuda")).toEqual([]);
  });
  it("is nine nodes where it squares by a product, and under --like tensorrt but for its end", async () => {
    expect(await unrounded(norm(1e-5, node("Mul", ["centred", "centred"], ["square"])), "ort-cuda")).toEqual([]);
    expect(await unrounded(norm(1e-5), "tensorrt")).toEqual(["scaled"]);
  });
});
