import { switchHalfSums, switchHalfSumsExact, switchTensorCoreSums, type TensorTypes } from "@halfscope/core";
import { listLayers, readModel, viewGraph } from "@halfscope/onnx";
import { describe, expect, it } from "vitest";
import { floats, type ModelParts, node, temporaryFolder, writeModel } from "../../../test/support/model-file.js";
import { engineProfile } from "./engine-profile.js";
import { buildFloatGraph } from "./float-graph.js";
import { allHalf, withPins } from "./plan.js";
import { piecesOf, productSums } from "./product-sums.js";
import { listRoundings, switchesFromPlan } from "./sites.js";

const folder = temporaryFolder();
const parts: ModelParts = {
  nodes: [node("MatMul", ["x", "w"], ["m"]), node("Gemm", ["m", "v"], ["g"], { transA: 1 }), node("Relu", ["g"], ["y"])],
  inputs: ["x", "w", "v"].map((name) => ({ name, dims: [2, 2] })),
  outputs: [{ name: "y", dims: [2, 2] }],
};
const types = (dims: Record<string, readonly number[]>): TensorTypes =>
  new Map(["x", "w", "m", "v", "g", "y"].map((t) => [t, { dtype: "float32", dims: dims[t] ?? [2, 2] }]));

async function roundingsOf(
  profile = engineProfile("tensorrt"),
  dims: Record<string, readonly number[]> = {},
  type: "float16" | "bfloat16" = "float16",
) {
  const model = await readModel(writeModel(folder, parts));
  const view = viewGraph(model.graph);
  const layers = listLayers(model, view);
  return {
    layers,
    roundings: listRoundings(
      buildFloatGraph(model, view, types(dims), layers, type),
      productSums(profile, { view, types: types(dims) }, type),
    ),
  };
}

describe("sums of products", () => {
  it("are sites of their own, charged to the product's layer and gone with its pin", async () => {
    const { layers, roundings } = await roundingsOf();
    const sites = roundings.sites.filter((s) => s.kind === "accumulation");
    expect(sites.map((s) => s.id)).toEqual(["accumulation:m", "accumulation:g"]);
    const layer = layers.find((l) => l.outputs.includes("m"))!.id;
    expect(sites[0]).toMatchObject({ layer, touching: [layer] });
    const at = roundings.placements.findIndex((p) => p.site === "accumulation:m");
    expect(switchesFromPlan(allHalf("", "finite"), roundings)[at]).toBe(switchHalfSums);
    expect(switchesFromPlan(withPins(allHalf("", "finite"), [layer]), roundings)[at]).toBe(0);
  });

  it("are none in FP32, and none in bfloat16, which every chip sums in FP32", async () => {
    for (const { roundings } of [await roundingsOf(engineProfile("pytorch")), await roundingsOf(engineProfile("tensorrt"), {}, "bfloat16")])
      expect(roundings.placements.filter((p) => p.at === "product")).toEqual([]);
  });

  it.each([
    ["float16-exact", switchHalfSumsExact],
    ["tensor-core", switchTensorCoreSums],
  ] as const)("as %s turn their switch to %d", async (accumulation, position) => {
    const { roundings } = await roundingsOf(engineProfile("pytorch", { accumulation }));
    expect(new Set(roundings.placements.flatMap((p) => p.sums?.position ?? []))).toEqual(new Set([position]));
  });

  it("of several weights with one activation are run as one, in FP32, also behind the Casts of a mixed file", async () => {
    const shared = (cast: boolean): ModelParts => ({
      nodes: [
        ...(cast ? [node("Cast", ["x"], ["x16"], { to: 10 }), node("Cast", ["x16"], ["x32"], { to: 1 })] : []),
        node("MatMul", [cast ? "x32" : "x", "q"], ["queries"]),
        node("MatMul", ["x", "k"], ["keys"]),
        node("MatMul", ["queries", "keys"], ["scores"]),
      ],
      inputs: [{ name: "x", dims: [2, 2] }],
      initializers: ["q", "k"].map((name) => floats(name, [2, 2], [1, 2, 3, 4])),
      outputs: [{ name: "scores", dims: [2, 2] }],
    });
    for (const cast of [false, true]) {
      const view = viewGraph((await readModel(writeModel(folder, shared(cast)))).graph);
      const known: TensorTypes = new Map(
        ["x", "x16", "x32", "q", "k", "queries", "keys", "scores"].map((t) => [
          t,
          { dtype: t === "x16" ? "float16" : "float32", dims: [2, 2] },
        ]),
      );
      const sumsOf = productSums(engineProfile("tensorrt"), { view, types: known });
      const half = view.order.filter((n) => sumsOf(n) !== undefined).map((n) => n.outputs[0]);
      expect(half).toEqual(["scores"]);
      expect(
        view.order.filter((n) => productSums(engineProfile("tensorrt", { accumulation: "float16" }), { view, types: known })(n)).length,
      ).toBe(3);
    }
  });

  it("are split by their depth, which a Gemm's transposition moves, and never into pieces shorter than a chunk", async () => {
    const pieces = async (profile: ReturnType<typeof engineProfile>, dims: Record<string, readonly number[]>) =>
      (await roundingsOf(profile, dims)).roundings.placements.flatMap((p) => p.sums?.pieces ?? []);
    expect(await pieces(engineProfile("tensorrt"), { x: [2, 4096], m: [5000, 8] })).toEqual([4, 5]);
    expect(await pieces(engineProfile("tensorrt", { pieces: 6 }), { x: [2, 4096], m: [40, 8] })).toEqual([6, 3]);
    expect([1024, 2048, 4096, 8192].map((depth) => piecesOf(depth, 256 * 512))).toEqual([1, 1, 4, 8]);
    expect(piecesOf(4096, 512 * 1024)).toBe(1);
  });
});
