import { readModel } from "@halfscope/onnx";
import { describe, expect, it } from "vitest";
import { node, temporaryFolder, writeModel } from "../../../test/support/model-file.js";
import { isFixedInput, movedInputs, mustStayFull, readsShapeOnly } from "./operators.js";

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
    ["toString", ["x"], {}],
    ["__proto__", ["x"], {}],
  ])("%s of %j %j computes", async (op, inputs, attributes) => expect(await moved(op, inputs, attributes)).toBeUndefined());

  it("are standard ones: the same name in another domain means something else", async () => {
    expect(await moved("Reshape", ["x"], {}, "com.example")).toBeUndefined();
  });

  it("do not include a Clip or Pad whose limit or fill value is no FP16 number", async () => {
    const clip = (min: number, max: number) => moved("Clip", ["x"], { min: { float: min }, max: { float: max } });
    expect(await clip(0, 6)).toEqual([0]);
    expect(await clip(-3.4e38, 3.4e38)).toEqual([0]);
    expect(await clip(0, 0.1)).toBeUndefined();
    expect(await moved("Pad", ["x"], { value: { float: 0 } })).toEqual([0]);
    expect(await moved("Pad", ["x"], { value: { float: 1 / 3 } })).toBeUndefined();
    expect(await moved("Pad", ["x"], { value: { float: -3.4e38 } })).toBeUndefined();
  });
});

describe("operators that stay in FP32", () => {
  it("are those without an FP16 form, of foreign domains, and calls of functions", async () => {
    const reason = async (op: string, domain = "", opset = 17, functions: string[] = []) =>
      mustStayFull(await read(op, ["x"], ["y"], {}, domain), new Set(functions), opset);
    expect(await reason("MatMul")).toBeUndefined();
    expect(await reason("NonMaxSuppression")).toMatch(/no FP16 form/);
    expect(await reason("CumSum", "", 13)).toMatch(/opset 14/);
    expect(await reason("CumSum", "", 14)).toBeUndefined();
    expect(await reason("Gelu", "com.microsoft")).toBeUndefined();
    expect(await reason("Unheard", "com.microsoft")).toMatch(/does not know/);
    expect(await reason("MatMul", "com.example")).toMatch(/custom domain/);
    expect(await reason("MatMul", "local", 17, ["local:MatMul"])).toMatch(/local function/);
  });

  it("include single inputs, and shapes are no use of values", async () => {
    const resize = await read("Resize", ["x", "roi", "scales"], ["y"]);
    expect([0, 1, 2].map((i) => isFixedInput(resize, i))).toEqual([false, false, true]);
    expect([readsShapeOnly(await read("Shape", ["x"], ["y"])), readsShapeOnly(resize)]).toEqual([true, false]);
  });
});
