import { readModel } from "@halfscope/onnx";
import { describe, expect, it } from "vitest";
import { node, temporaryFolder, writeModel } from "../../../test/support/model-file.js";
import { movedInputs, moverOperators, nonDeterministic, readsShapeOnly, schemaVersions, stateInside } from "./operators.js";

const folder = temporaryFolder();
async function read(...args: Parameters<typeof node>) {
  const model = { nodes: [node(...args)], inputs: [{ name: "x", dims: [1] }], outputs: [{ name: "y", dims: [1] }] };
  return (await readModel(writeModel(folder, model))).graph.nodes[0]!;
}
const moved = async (op: string, inputs: string[], attributes: Parameters<typeof node>[3] = {}, domain = "") =>
  movedInputs(await read(op, inputs, ["y"], attributes, domain));

describe("operators that hand values on", () => {
  it.each<[string, string[], number[]]>([
    ["Reshape", ["x", "shape"], [0]],
    ["Concat", ["a", "b", "c"], [0, 1, 2]],
    ["Where", ["mask", "a", "b"], [1, 2]],
    ["Clip", ["x", "", "high"], [0, 2]],
    ["Pad", ["x", "pads"], [0]],
    ["ScatterND", ["x", "indices", "updates"], [0, 2]],
    ["MaxPool", ["x"], [0]],
    ["Resize", ["x", "", "scales"], [0]],
  ])("%s of %j hands on %j", async (op, inputs, expected) => expect(await moved(op, inputs)).toEqual(expected));

  it.each<[string, string[], Parameters<typeof node>[3]]>([
    ["MatMul", ["a", "b"], {}],
    ["Add", ["a", "b"], {}],
    ["AveragePool", ["x"], {}],
    ["Softmax", ["x"], {}],
    ["LeakyRelu", ["x"], {}],
    ["ReduceSum", ["x"], {}],
    ["Resize", ["x"], { mode: { text: "linear" } }],
    ["ScatterND", ["x", "i", "u"], { reduction: { text: "add" } }],
    ["Dropout", ["x", "ratio", "training"], {}],
    ["Resize", ["x"], { coordinate_transformation_mode: { text: "tf_crop_and_resize" }, extrapolation_value: { float: 0.1 } }],
    ["Unique", ["x"], {}],
    ["TopK", ["x", "k"], {}],
    ["GridSample", ["x", "grid"], { mode: { text: "nearest" } }],
    ["toString", ["x"], {}],
    ["__proto__", ["x"], {}],
  ])("%s of %j %j computes", async (op, inputs, attributes) => expect(await moved(op, inputs, attributes)).toBeUndefined());

  it("are those of the domains that are known: the same name in another domain means something else", async () => {
    expect(await moved("Reshape", ["x"], {}, "com.example")).toBeUndefined();
    expect(await moved("Reshape", ["x"], {}, "com.microsoft")).toBeUndefined();
    expect(await moved("Pad", ["x", "pads", "value"], {}, "com.microsoft")).toEqual([0, 2]);
  });

  it("compute when somebody may see which value won, or a mask of floats", async () => {
    expect(movedInputs(await read("MaxPool", ["x"], ["y", "indices"]))).toBeUndefined();
    expect(movedInputs(await read("Dropout", ["x"], ["y", "mask"]))).toBeUndefined();
  });

  it("do not include a Clip or Pad whose limit or fill value is no FP16 number", async () => {
    const clip = (min: number, max: number) => moved("Clip", ["x"], { min: { float: min }, max: { float: max } });
    expect(await clip(0, 6)).toEqual([0]);
    expect(await clip(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)).toEqual([0]);
    expect(await clip(0, 3.4e38)).toBeUndefined();
    expect(await clip(0, 0.1)).toBeUndefined();
    expect(await moved("Pad", ["x"], { value: { float: 0 } })).toEqual([0]);
    expect(await moved("Pad", ["x"], { value: { float: 1 / 3 } })).toBeUndefined();
    expect(await moved("Pad", ["x"], { value: { float: -3.4e38 } })).toBeUndefined();
  });
});

describe("every mover", () => {
  it.each(moverOperators)("%s can give FP16 in every version that is not older than opset 7", (name) => {
    const [domain = "", opType = ""] = name.split(":");
    const versions = schemaVersions(domain, opType).filter((v) => v.since >= 7 || domain !== "");
    for (const v of versions) expect(v.outputs[0]?.floats.has("float16"), `version ${v.since}`).toBe(true);
  });
});

it("shapes are no use of values, and nor are those of the operators that fill a shape", async () => {
  for (const op of ["Shape", "Size", "EyeLike", "RandomNormalLike"]) expect(readsShapeOnly(await read(op, ["x"], ["y"]))).toBe(true);
  expect(readsShapeOnly(await read("Resize", ["x"], ["y"]))).toBe(false);
});

describe("random numbers", () => {
  it("are drawn by the operators whose schema says so", async () => {
    const draws = async (op: string, domain = "") => nonDeterministic(await read(op, ["x"], ["y"], {}, domain));
    for (const op of ["RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"])
      expect(await draws(op), op).toBe(true);
    for (const op of ["Add", "If", "Loop", "DepthToSpace", "AffineGrid", "Dropout", "Unheard"]) expect(await draws(op), op).toBe(false);
    expect([await draws("MurmurHash3", "com.microsoft"), await draws("BiasDropout", "com.microsoft")]).toEqual([false, false]);
  });

  it("of Dropout need a training mode that may be on", async () => {
    const trained = await read("Dropout", ["x", "ratio", "training"], ["y"]);
    expect(nonDeterministic(trained, 13)).toBe(true);
    expect(nonDeterministic(trained, 13, (t) => t !== "training")).toBe(false);
    expect(nonDeterministic(await read("Dropout", ["x", "ratio"], ["y"]), 13)).toBe(false);
    expect(nonDeterministic(await read("Dropout", ["x"], ["y"]), 6)).toBe(true);
    expect(nonDeterministic(await read("Dropout", ["x"], ["y"], { is_test: 1 }), 6)).toBe(false);
  });
});

it("the limit of the emulation is stated for recurrent and fused attention operators", async () => {
  expect(stateInside(await read("LSTM", ["x"], ["y"]))).toMatch(/^LSTM: the state .* not after each step\.$/);
  expect(stateInside(await read("MultiHeadAttention", ["x"], ["y"], {}, "com.microsoft"))).toMatch(/softmax/);
  expect(stateInside(await read("MatMul", ["x"], ["y"]))).toBeUndefined();
  expect(stateInside(await read("LSTM", ["x"], ["y"], {}, "com.example"))).toBeUndefined();
});
