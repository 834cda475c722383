import type { DType, TensorTypes } from "@halfscope/core";
import { readModel, viewGraph } from "@halfscope/onnx";
import { describe, expect, it } from "vitest";
import { floats, type ModelParts, type NodeProto, node, temporaryFolder, writeModel } from "../../../test/support/model-file.js";
import { mapNames, type TypedGraph } from "./map-names.js";
import { restoreSites } from "./restore.js";

const folder = temporaryFolder();
const face = (name: string) => ({ name, dims: [2, 2] });

/** A model of 2x2 tensors; `half` says which are FP16. */
async function typed(parts: Partial<ModelParts> & { nodes: readonly NodeProto[] }, half: readonly string[] = []): Promise<TypedGraph> {
  const view = viewGraph((await readModel(writeModel(folder, { inputs: [face("x")], outputs: [face("y")], ...parts }))).graph);
  const names = [...view.producer.keys(), ...view.graphInputs, ...view.initializers.keys()];
  const types: TensorTypes = new Map(
    names.map((n) => [n, { dtype: (half.includes(n) ? "float16" : "float32") as DType, dims: view.initializers.get(n)?.dims ?? [2, 2] }]),
  );
  return { view, types };
}
const unnamed = (...n: NodeProto[]): NodeProto[] => n.map((one) => ({ ...one, name: "" }));
const weight = (name: string, first: number) => floats(name, [2, 2], [first, 1, 2, 3]);
const mapOf = async (a: Promise<TypedGraph>, b: Promise<TypedGraph>) => {
  const { original, unmapped } = mapNames(await a, await b);
  return { map: Object.fromEntries(original), unmapped };
};

const chain = typed({
  nodes: [node("Tanh", ["x"], ["a"]), node("Exp", ["a"], ["b"]), node("MatMul", ["b", "w"], ["y"])],
  initializers: [weight("w", 5)],
});

describe("tensors of a converted model are mapped to the original's", () => {
  it("through Casts, each version of a tensor to the same one", async () => {
    const converted = typed(
      {
        nodes: [
          node("Cast", ["x"], ["x_cast_to_fp16"], { to: 10 }),
          node("Tanh", ["x_cast_to_fp16"], ["a"]),
          node("Cast", ["a"], ["graph_output_cast_7"], { to: 1 }),
          node("Exp", ["graph_output_cast_7"], ["b"]),
          node("MatMul", ["b", "w"], ["y"]),
        ],
        initializers: [weight("w", 5)],
      },
      ["x_cast_to_fp16", "a"],
    );
    expect(await mapOf(chain, converted)).toEqual({
      map: { x: "x", x_cast_to_fp16: "x", a: "a", graph_output_cast_7: "a", b: "b", w: "w", y: "y" },
      unmapped: [],
    });
  });

  it("where a node's result was renamed and a Cast took its name", async () => {
    const converted = typed(
      {
        nodes: [
          node("Tanh", ["x"], ["a_pre"]),
          node("Cast", ["a_pre"], ["a"], { to: 10 }),
          node("Exp", ["a"], ["b"]),
          node("MatMul", ["b", "w"], ["y"]),
        ],
        initializers: [weight("w", 5)],
      },
      ["a", "b"],
    );
    expect((await mapOf(chain, converted)).map).toMatchObject({ a_pre: "a", a: "a", b: "b" });
  });

  it("when everything inside is renamed: by operators, inputs, and the weights' values", async () => {
    const products = [node("MatMul", ["x", "p"], ["a"]), node("MatMul", ["x", "q"], ["b"]), node("Sub", ["a", "b"], ["y"])];
    const original = typed({ nodes: products, initializers: [weight("p", 5), weight("q", 7)] });
    const renamed = unnamed(node("MatMul", ["x", "u"], ["2"]), node("MatMul", ["x", "v"], ["1"]), node("Sub", ["1", "2"], ["y"]));
    const converted = typed({ nodes: renamed, initializers: [weight("u", 7), weight("v", 5)] });
    expect(await mapOf(original, converted)).toEqual({ map: { x: "x", u: "q", v: "p", "1": "a", "2": "b", y: "y" }, unmapped: [] });
  });

  it("and nodes that only their attributes tell apart", async () => {
    const parts = (a: string, b: string) => [
      node("Softmax", ["x"], [a], { axis: 0 }),
      node("Softmax", ["x"], [b], { axis: 1 }),
      node("Sub", [a, b], ["y"]),
    ];
    const converted = typed({ nodes: unnamed(...parts("2", "1")) });
    expect((await mapOf(typed({ nodes: parts("1", "2") }), converted)).map).toMatchObject({ "2": "1", "1": "2" });
  });

  it("but numbers that were given anew name nothing", async () => {
    const original = typed({ nodes: [node("Tanh", ["x"], ["1"]), node("Exp", ["1"], ["2"]), node("Sin", ["2"], ["y"])] });
    const converted = typed({ nodes: unnamed(node("Tanh", ["x"], ["2"]), node("Gelu", ["2"], ["1"]), node("Sin", ["1"], ["y"])) });
    // Gelu is new; what follows it cannot be told, but the output keeps its name.
    expect(await mapOf(original, converted)).toEqual({ map: { x: "x", "2": "1", y: "y" }, unmapped: ["1"] });
  });

  it("fused nodes by the name of their result, when it depends on what they read", async () => {
    const fused = typed({ nodes: [node("Tanh", ["x"], ["a"]), node("FastGelu", ["a"], ["y"], {}, "com.microsoft")] });
    const original = typed({ nodes: [node("Tanh", ["x"], ["a"]), node("Erf", ["a"], ["e"]), node("Mul", ["a", "e"], ["y"])] });
    expect(await mapOf(original, fused)).toEqual({ map: { x: "x", a: "a", y: "y" }, unmapped: [] });
  });

  it("not to a tensor of the same name that is made from something else", async () => {
    const original = typed({
      nodes: [node("Tanh", ["x"], ["a"]), node("Sin", ["z"], ["b"]), node("Add", ["a", "b"], ["y"])],
      inputs: [face("x"), face("z")],
    });
    const converted = typed({
      nodes: [node("Tanh", ["x"], ["a"]), node("Gelu", ["a"], ["b"]), node("Add", ["a", "b"], ["y"])],
      inputs: [face("x"), face("z")],
    });
    expect((await mapOf(original, converted)).unmapped).toEqual(["b"]);
  });

  it("an original's tensor that ends as halfscope's versions do is itself", async () => {
    const nodes = [node("Tanh", ["x"], ["a/fp16"]), node("Exp", ["a/fp16"], ["y"])];
    const converted = await typed({ nodes }, ["a/fp16"]);
    const { original, unmapped } = mapNames(await typed({ nodes }), converted);
    expect([original.get("a/fp16"), unmapped]).toEqual(["a/fp16", []]);
    expect([...restoreSites(converted.view, converted.types, (t) => original.get(t) ?? t).uses]).toEqual(["a/fp16 > y#0"]);
    const version = await typed({ nodes: [node("Tanh", ["x"], ["a/fp16/fp16"]), node("Exp", ["a/fp16/fp16"], ["y"])] }, ["a/fp16/fp16"]);
    expect(mapNames(await typed({ nodes }), version).original.get("a/fp16/fp16")).toBe("a/fp16");
  });
});
