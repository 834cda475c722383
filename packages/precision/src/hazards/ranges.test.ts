import { describe, expect, it } from "vitest";
import { face, hazardsOf, told } from "../../../../test/support/hazards-of.js";
import { floats, type ModelParts, node, temporaryFolder } from "../../../../test/support/model-file.js";
import { rangeOf } from "./index.js";

const folder = temporaryFolder();
const chain: ModelParts = {
  nodes: [node("Exp", ["x"], ["e"]), node("ReduceSum", ["e"], ["s"], { keepdims: 1 }), node("Sqrt", ["s"], ["y"])],
  inputs: [face("x")],
  outputs: [face("y")],
  opset: 13,
};

describe("a measured range", () => {
  it.each([
    [65519, ["warning range-overflow"]],
    [65520, ["error range-overflow"]],
    [16376, ["warning range-overflow"]],
    [16375, []],
  ])("up to %d is judged %j, on either side of zero", async (max, expected) => {
    expect(told(await hazardsOf(folder, chain, { range: { e: { min: 0, max } } }))).toEqual(expected);
    expect(told(await hazardsOf(folder, chain, { range: { e: { min: -max, max: 0 } } }))).toEqual(expected);
  });

  it("is told with its number, the layer and the tensor", async () => {
    const [found] = await hazardsOf(folder, chain, { range: { s: { min: 1, max: 2e5 } } });
    expect(found).toMatchObject({ code: "range-overflow", tensor: "s", values: { maxAbs: 2e5, tensors: 1 } });
    expect(found?.evidence).toMatch(/reaches 200000 .* 65504/);
    expect(found?.layer).not.toBe("");
  });

  it("without any finite value, or of a tensor that nobody measured, tells nothing", async () => {
    const range = { e: { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY } };
    expect(await hazardsOf(folder, chain, { range })).toEqual([]);
    expect(await hazardsOf(folder, chain, {})).toEqual([]);
  });

  it("of several tensors of one layer is told once, with the worst of them", async () => {
    const linear: ModelParts = {
      nodes: [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["y"])],
      inputs: [face("x")],
      outputs: [face("y")],
      initializers: [floats("w", [4, 4], Array(16).fill(1)), floats("b", [4], [1, 1, 1, 1])],
      opset: 13,
    };
    const found = await hazardsOf(folder, linear, { range: { m: { min: 0, max: 7e4 }, y: { min: -8e4, max: 3e4 } } });
    expect(found).toMatchObject([{ code: "range-overflow", severity: "error", tensor: "y", values: { maxAbs: 8e4, tensors: 2 } }]);
  });

  it("of a node that stays in FP32 is no hazard while its readers stay there too", async () => {
    const drawn: ModelParts = {
      nodes: [node("RandomNormalLike", ["x"], ["r"]), node("RandomUniformLike", ["r"], ["y"])],
      inputs: [face("x")],
      outputs: [face("y")],
      opset: 13,
    };
    expect(told(await hazardsOf(folder, drawn, { range: { r: { min: 0, max: 1e6 } } }))).not.toContain("error range-overflow");
  });
});

describe("the cube inside a GELU of tanh", () => {
  const gelu: ModelParts = {
    nodes: [
      node("Pow", ["x", "three"], ["cube"]),
      node("Mul", ["cube", "a"], ["scaled"]),
      node("Add", ["x", "scaled"], ["sum"]),
      node("Mul", ["sum", "b"], ["argument"]),
      node("Tanh", ["argument"], ["t"]),
      node("Add", ["t", "one"], ["u"]),
      node("Mul", ["x", "u"], ["v"]),
      node("Mul", ["v", "half"], ["y"]),
    ],
    inputs: [face("x")],
    outputs: [face("y")],
    initializers: [
      floats("three", [], [3]),
      floats("a", [], [0.044715]),
      floats("b", [], [0.7978845608]),
      floats("one", [], [1]),
      floats("half", [], [0.5]),
    ],
    opset: 13,
  };
  it("may overflow, for tanh of Infinity is 1 as it should be", async () => {
    expect(await hazardsOf(folder, gelu, { range: { cube: { min: -1, max: 1e6 }, scaled: { min: -1, max: 4.4e4 } } })).toEqual([]);
  });
  it("does not excuse what comes behind tanh", async () => {
    expect(told(await hazardsOf(folder, gelu, { range: { v: { min: 0, max: 7e4 } } }))).toEqual(["error range-overflow"]);
  });
});

it("a sum of squares that overflows inside a normalization is mended by the operator for it", async () => {
  const norm: ModelParts = {
    nodes: [
      node("Mul", ["x", "x"], ["square"]),
      node("ReduceSum", ["square"], ["total"], { axes: [-1] }),
      node("Div", ["total", "length"], ["variance"]),
      node("Add", ["variance", "epsilon"], ["safe"]),
      node("Sqrt", ["safe"], ["deviation"]),
      node("Div", ["x", "deviation"], ["y"]),
    ],
    inputs: [face("x")],
    outputs: [face("y")],
    initializers: [floats("length", [], [4]), floats("epsilon", [], [1e-3])],
    opset: 12,
  };
  const range = { square: { min: 0, max: 1e3 }, total: { min: 0, max: 123590 } };
  const found = await hazardsOf(folder, norm, { range });
  expect(found[0]).toMatchObject({
    code: "range-overflow",
    severity: "error",
    tensor: "total",
    fix: expect.stringContaining("RMSNormalization"),
  });
});

describe("what an operator does inside", () => {
  const single = (opType: string): ModelParts => ({
    nodes: [node(opType, ["x"], ["y"], { axes: [-1] })],
    inputs: [face("x")],
    outputs: [face("y")],
    opset: 13,
  });
  it.each([
    ["ReduceL2", 255.9, 0],
    ["ReduceL2", 256.1, 1],
  ])("%s with a result of %d squares beyond the range: %d", async (op, max, count) => {
    const found = await hazardsOf(folder, single(op), { range: { x: { min: 0, max }, y: { min: 0, max } } });
    expect(told(found)).toEqual(Array(count).fill("warning hidden-overflow"));
  });
  it.each([
    [11.08, 0],
    [11.1, 1],
  ])("ReduceLogSumExp of an argument of %d raises beyond the range: %d", async (max, count) => {
    const found = await hazardsOf(folder, single("ReduceLogSumExp"), { range: { x: { min: 0, max }, y: { min: 0, max } } });
    expect(told(found)).toEqual(Array(count).fill("warning hidden-overflow"));
  });
});

describe("the smallest magnitude of statistics", () => {
  const stats = (o: { min: number; max: number; bins?: Record<number, number>; subnormal?: number }) =>
    rangeOf({
      minReference: o.min,
      maxReferenceValue: o.max,
      nanReference: 0,
      subnormalReference: o.subnormal ?? 0,
      exponents: Array.from({ length: 64 }, (_, i) => o.bins?.[i] ?? 0),
    } as unknown as Parameters<typeof rangeOf>[0]);
  it("is an end of a range that keeps clear of zero", () => {
    expect(stats({ min: 3e-9, max: 1 }).smallest).toBe(3e-9);
    expect(stats({ min: -2, max: -0.3 }).smallest).toBe(0.3);
  });
  it("is the lowest bin that holds something, zeros apart", () => {
    expect(stats({ min: 0, max: 1, bins: { 0: 5, 30: 2, 40: 1 } }).smallest).toBe(2 ** -10);
    expect(stats({ min: 0, max: 0, bins: { 0: 5 } }).smallest).toBeUndefined();
  });
  it("is below all bins when more numbers are subnormal than the bins hold", () => {
    expect(stats({ min: -1, max: 1, bins: { 0: 5, 20: 2, 40: 1 }, subnormal: 3 }).smallest).toBe(2 ** -40);
    expect(stats({ min: -1, max: 1, bins: { 0: 5, 20: 2, 40: 1 }, subnormal: 2 }).smallest).toBe(2 ** -20);
  });
});
