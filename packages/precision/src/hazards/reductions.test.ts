import { describe, expect, it } from "vitest";
import { face, hazardsOf, told } from "../../../../test/support/hazards-of.js";
import { floats, int64s, type ModelParts, node, temporaryFolder } from "../../../../test/support/model-file.js";

const folder = temporaryFolder();
const ones = (n: number) => Array(n).fill(1);
const product = (length: number, copies = 1): ModelParts => ({
  nodes: Array.from({ length: copies }, (_, i) => node("MatMul", ["x", "w"], [`y${i}`])),
  inputs: [{ name: "x", dims: [1, length] }],
  outputs: Array.from({ length: copies }, (_, i) => face(`y${i}`)),
  initializers: [floats("w", [length, 1], ones(length))],
  opset: 13,
});
const single = (opType: string, dims: readonly number[], attributes = {}): ModelParts => ({
  nodes: [node(opType, ["x"], ["y"], attributes)],
  inputs: [{ name: "x", dims: [...dims] }],
  outputs: [face("y")],
  opset: 13,
});

describe("a long sum", () => {
  it("is known from 2049 addends on, one line for all nodes of a type", async () => {
    expect(await hazardsOf(folder, product(2048))).toEqual([]);
    expect(await hazardsOf(folder, product(2049, 3))).toMatchObject([
      { code: "long-reduction", severity: "info", values: { length: 2049, nodes: 3 } },
    ]);
  });

  it.each([
    ["ReduceSum", [2, 4096], {}, "info"],
    ["ReduceMean", [2, 4096], { axes: [-1] }, "info"],
    ["ReduceMean", [4096, 2], { axes: [-1] }, undefined],
    ["GlobalAveragePool", [1, 3, 64, 64], {}, "info"],
    ["AveragePool", [1, 3, 64, 64], { kernel_shape: [2, 2] }, undefined],
    ["Relu", [2, 4096], {}, undefined],
  ])("%s over %j %j is %s", async (op, dims, attributes, severity) => {
    const found = await hazardsOf(folder, single(op, dims, attributes));
    expect(told(found)).toEqual(severity === undefined ? [] : [`${severity} long-reduction`]);
  });

  it("of a convolution is as long as its filter is large", async () => {
    const model: ModelParts = {
      nodes: [node("Conv", ["x", "w"], ["y"])],
      inputs: [{ name: "x", dims: [1, 256, 3, 3] }],
      outputs: [face("y")],
      initializers: [floats("w", [1, 256, 3, 3], ones(2304))],
      opset: 13,
    };
    expect(await hazardsOf(folder, model)).toMatchObject([{ code: "long-reduction", severity: "info", values: { length: 2304 } }]);
  });

  it("whose sum is measured beyond the range before a mean divides it is a warning", async () => {
    const mean = single("ReduceMean", [2, 1024], { axes: [-1] });
    expect(await hazardsOf(folder, mean, { range: { y: { min: 0, max: 63.9 } } })).toEqual([]);
    const [found] = await hazardsOf(folder, mean, { range: { y: { min: 0, max: 64 } } });
    expect(found).toMatchObject({ code: "long-reduction", severity: "warning", values: { sum: 65536 } });
  });

  it("that is given out as it grows is a warning from 2048 on", async () => {
    // Opset 14 has an FP16 form of it.
    const running: ModelParts = { ...single("CumSum", [1, 4096]), initializers: [int64s("axis", [], [1])], opset: 14 };
    const model = { ...running, nodes: [node("CumSum", ["x", "axis"], ["y"])] };
    expect(told(await hazardsOf(folder, model))).toEqual(["info long-reduction"]);
    expect(told(await hazardsOf(folder, model, { range: { y: { min: 0, max: 2048 } } }))).toEqual(["info long-reduction"]);
    expect(told(await hazardsOf(folder, model, { range: { y: { min: 0.5, max: 2049.5 } } }))).toEqual(["warning long-reduction"]);
  });
});
