import { describe, expect, it } from "vitest";
import { face, hazardsOf, told } from "../../../../test/support/hazards-of.js";
import { floats, type ModelParts, node, temporaryFolder } from "../../../../test/support/model-file.js";

const folder = temporaryFolder();

/** RMSNorm as PyTorch writes it: x * (1 / sqrt(mean(x^2) + epsilon)) * gain. */
const rms = (epsilon: number): ModelParts => ({
  nodes: [
    node("Pow", ["x", "two"], ["square"]),
    node("ReduceMean", ["square"], ["variance"], { axes: [-1] }),
    node("Add", ["variance", "epsilon"], ["safe"]),
    node("Sqrt", ["safe"], ["deviation"]),
    node("Div", ["one", "deviation"], ["factor"]),
    node("Mul", ["x", "factor"], ["normal"]),
    node("Mul", ["gain", "normal"], ["y"]),
  ],
  inputs: [face("x")],
  outputs: [face("y")],
  initializers: [floats("two", [], [2]), floats("one", [], [1]), floats("epsilon", [], [epsilon]), floats("gain", [4], [1, 1, 1, 1])],
  opset: 13,
});

/** GroupNorm with two groups, in single nodes: statistics over all of a group. */
const group: ModelParts = {
  nodes: [
    node("Reshape", ["x", "grouped"], ["g"]),
    node("ReduceMean", ["g"], ["mean"], { axes: [2] }),
    node("Sub", ["g", "mean"], ["centred"]),
    node("Mul", ["centred", "centred"], ["square"]),
    node("ReduceMean", ["square"], ["variance"], { axes: [2] }),
    node("Add", ["variance", "epsilon"], ["safe"]),
    node("Sqrt", ["safe"], ["deviation"]),
    node("Div", ["centred", "deviation"], ["normal"]),
    node("Reshape", ["normal", "flat"], ["y"]),
  ],
  inputs: [face("x"), { name: "grouped", elementType: 7, dims: [3] }, { name: "flat", elementType: 7, dims: [2] }],
  outputs: [face("y")],
  initializers: [floats("epsilon", [], [1e-3])],
  opset: 13,
};

describe("a square inside a decomposed normalization", () => {
  it.each([
    [127, "info"],
    [128, "warning"],
    [255.9, "warning"],
    [256.1, "error"],
  ])("of numbers up to %d is %s, and what follows from it is not told again", async (x, severity) => {
    const square = { min: 0, max: x * x };
    for (const model of [rms(1e-3), group]) {
      const found = await hazardsOf(folder, model, { range: { square, variance: { ...square, min: 1 }, safe: { ...square, min: 1 } } });
      expect(told(found)).toEqual([`${severity} decomposed-layer-norm`]);
      expect(found[0]).toMatchObject({ tensor: "square", values: { maxSquare: x * x } });
    }
  });

  it("does not hide that the normalization's own result overflows", async () => {
    const range = { square: { min: 0, max: 1e5 }, y: { min: 0, max: 1e5 } };
    expect(told(await hazardsOf(folder, rms(1e-3), { range }))).toEqual(["error decomposed-layer-norm", "error range-overflow"]);
  });

  it("is mended by RMSNormalization where no mean is subtracted", async () => {
    expect(await hazardsOf(folder, rms(1e-3))).toMatchObject([{ severity: "info", fix: expect.stringContaining("RMSNormalization") }]);
  });
});

describe("an epsilon of an RMSNorm", () => {
  it("is judged as that of a LayerNormalization is", async () => {
    expect(told(await hazardsOf(folder, rms(1e-12)))).toEqual(["warning epsilon-underflow", "info decomposed-layer-norm"]);
    const range = { square: { min: 0, max: 1 }, variance: { min: 0, max: 1 } };
    expect(told(await hazardsOf(folder, rms(1e-12), { range }))).toEqual(["error epsilon-underflow", "info decomposed-layer-norm"]);
  });
});

it("a normalization in one node has nothing to hide", async () => {
  const fused: ModelParts = {
    nodes: [node("LayerNormalization", ["x", "gain"], ["y"], { epsilon: { float: 1e-12 } })],
    inputs: [face("x")],
    outputs: [face("y")],
    initializers: [floats("gain", [4], [1, 1, 1, 1])],
    opset: 17,
  };
  expect(await hazardsOf(folder, fused, { range: { x: { min: -3e3, max: 3e3 } } })).toEqual([]);
});

it("where several layers share one epsilon, the one where it does most harm is told", async () => {
  const one = rms(1e-12);
  const second = one.nodes.map((n) => ({
    ...n,
    input: (n.input ?? []).map((t) => (one.initializers?.some((i) => i.name === t) ? t : t === "x" ? "y" : `${t}2`)),
    output: (n.output ?? []).map((t) => `${t}2`),
  }));
  const model: ModelParts = { ...one, nodes: [...one.nodes, ...second], outputs: [face("y2")] };
  const range = { variance: { min: 1, max: 2 }, variance2: { min: 0, max: 2 } };
  const found = (await hazardsOf(folder, model, { range })).filter((h) => h.code === "epsilon-underflow");
  expect(found).toMatchObject([{ severity: "error", values: { minVariance: 0 } }]);
});
