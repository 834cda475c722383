import { describe, expect, it } from "vitest";
import { face, hazardsOf, told } from "../../../../test/support/hazards-of.js";
import { floats, type ModelParts, type NodeProto, node, temporaryFolder } from "../../../../test/support/model-file.js";

const folder = temporaryFolder();
const lowest = -3.4028234663852886e38;
const bool = (name: string) => ({ name, elementType: 9, dims: [2, 4] });

interface Attention {
  /** Nodes that make `mask`, or with `choose` what masks "scores" into "masked". */
  nodes: readonly NodeProto[];
  constants?: ModelParts["initializers"];
  inputs?: ModelParts["inputs"];
  apply?: NodeProto;
  repair?: boolean;
}
/** Softmax of masked products of activations. */
const attention = ({ nodes, constants = [], inputs = [], apply, repair }: Attention): ModelParts => ({
  nodes: [
    ...nodes,
    node("MatMul", ["x", "keys"], ["scores"]),
    apply ?? node("Add", ["scores", "mask"], ["masked"]),
    node("Softmax", ["masked"], ["p"], { axis: -1 }),
    ...(repair ? [node("IsNaN", ["p"], ["broken"]), node("Where", ["broken", "zero", "p"], ["q"])] : []),
    node("MatMul", [repair ? "q" : "p", "values"], ["y"]),
  ],
  inputs: [face("x"), face("keys"), face("values"), ...inputs],
  outputs: [face("y")],
  initializers: [...constants, ...(repair ? [floats("zero", [], [0])] : [])],
  opset: 13,
});
const where = (value: number, repair = false): ModelParts =>
  attention({
    nodes: [node("Where", ["keep", "nothing", "off"], ["mask"])],
    constants: [floats("nothing", [], [0]), floats("off", [], [value])],
    inputs: [bool("keep")],
    repair,
  });
const constantNode = (attribute: Record<string, { float: number }>): ModelParts =>
  attention({
    nodes: [node("Constant", [], ["off"], attribute), node("Where", ["keep", "nothing", "off"], ["mask"])],
    constants: [floats("nothing", [], [0])],
    inputs: [bool("keep")],
  });

describe("a mask that a Where chooses", () => {
  it.each([
    [-65519, []],
    [-65520, ["warning mask-constant"]],
    [lowest, ["warning mask-constant"]],
    [-1e4, []],
  ])("of %d is judged %j: it is NaN only where a whole row is masked", async (value, expected) => {
    expect(told(await hazardsOf(folder, where(value)))).toEqual(expected);
  });

  it("of -Infinity does no harm, and a run tells whether a whole row was masked", async () => {
    const model = where(Number.NEGATIVE_INFINITY);
    expect(told(await hazardsOf(folder, model))).toEqual(["info mask-constant"]);
    expect(told(await hazardsOf(folder, model, { range: { p: { min: 0, max: 1, nan: 0 } } }))).toEqual(["info mask-constant"]);
    const [found] = await hazardsOf(folder, model, { range: { p: { min: 0, max: 1, nan: 8 } } });
    expect(found).toMatchObject({ severity: "warning", evidence: expect.stringContaining("8 NaN") });
  });

  it("is harmless where the model repairs rows that are masked as a whole", async () => {
    expect(told(await hazardsOf(folder, where(lowest, true)))).toEqual(["info mask-constant"]);
    expect(told(await hazardsOf(folder, where(Number.NEGATIVE_INFINITY, true)))).toEqual(["info mask-constant"]);
  });

  it("may be an operand of the very Where that masks the scores", async () => {
    const model = attention({
      nodes: [],
      constants: [floats("off", [], [-1e9])],
      inputs: [bool("keep")],
      apply: node("Where", ["keep", "scores", "off"], ["masked"]),
    });
    expect(await hazardsOf(folder, model)).toMatchObject([{ code: "mask-constant", tensor: "off", values: { value: -1e9 } }]);
  });

  it("may come from a Constant node in any of its forms", async () => {
    expect(await hazardsOf(folder, constantNode({ value_float: { float: -1e9 } }))).toMatchObject([
      { code: "mask-constant", severity: "warning", tensor: "off", values: { value: -1e9 } },
    ]);
    expect(await hazardsOf(folder, constantNode({ value_float: { float: -1e4 } }))).toEqual([]);
  });
});

describe("a mask that is multiplied", () => {
  const product = (value: number): ModelParts =>
    attention({
      nodes: [node("Sub", ["one", "keep"], ["drop"]), node("Mul", ["drop", "off"], ["mask"])],
      constants: [floats("one", [], [1]), floats("off", [], [value])],
      inputs: [face("keep")],
    });
  it("is an error beyond the range, for Infinity times 0 is NaN wherever nothing is masked", async () => {
    expect(await hazardsOf(folder, product(lowest))).toMatchObject([{ code: "mask-constant", severity: "error", tensor: "off" }]);
    expect(await hazardsOf(folder, product(-1e4))).toEqual([]);
  });

  it("explains the large numbers that it brings: they are not told again as an overflow", async () => {
    const wide = { min: lowest, max: 0 };
    const range = { mask: wide, masked: wide, drop: { min: 0, max: 1 }, off: wide };
    expect(told(await hazardsOf(folder, product(lowest), { range }))).toEqual(["error mask-constant"]);
    // But a large positive score is no mask.
    const scores = { ...range, masked: { min: lowest, max: 7e4 } };
    expect(told(await hazardsOf(folder, product(lowest), { range: scores }))).toEqual(["error mask-constant", "error range-overflow"]);
  });
});

it("a large constant elsewhere is no mask", async () => {
  const model: ModelParts = {
    nodes: [node("Add", ["x", "c"], ["y"])],
    inputs: [face("x")],
    outputs: [face("y")],
    initializers: [floats("c", [], [-6e4])],
    opset: 13,
  };
  expect(await hazardsOf(folder, model)).toEqual([]);
});

it("a mask that is fed is told when it is measured beyond the range", async () => {
  const model = attention({ nodes: [], inputs: [face("mask")] });
  expect(await hazardsOf(folder, model)).toEqual([]);
  const wide = { min: lowest, max: 0 };
  const found = await hazardsOf(folder, model, { range: { mask: wide, masked: wide } });
  expect(found).toMatchObject([{ code: "mask-constant", severity: "warning", tensor: "mask", values: { value: lowest } }]);
  expect(await hazardsOf(folder, model, { range: { mask: { min: -1e4, max: 0 } } })).toEqual([]);
});

it("a mask that lies in the file as a large tensor is one, not a broken weight", async () => {
  const values = Array.from({ length: 4096 }, (_, i) => (i % 7 === 0 ? lowest : 0));
  const model = attention({ nodes: [], constants: [floats("mask", [64, 64], values)] });
  const scan = async () => ({ count: 4096, overflowed: 586, flushed: 0, maxAbs: -lowest, lostShare: 0 });
  expect(await hazardsOf(folder, model, { scan })).toMatchObject([{ code: "mask-constant", severity: "warning", tensor: "mask" }]);
});

describe("two masks in one sum", () => {
  const two = (value: number): ModelParts =>
    attention({
      nodes: [
        node("Where", ["keep", "nothing", "off"], ["padding"]),
        node("Where", ["causal", "nothing", "future"], ["triangle"]),
        node("Add", ["padding", "triangle"], ["mask"]),
      ],
      constants: [floats("nothing", [], [0]), floats("off", [], [value]), floats("future", [], [value])],
      inputs: [bool("keep"), bool("causal")],
    });
  it("are told when they pass the range together", async () => {
    expect(told(await hazardsOf(folder, two(-65504)))).toEqual(["info mask-sum"]);
    expect(told(await hazardsOf(folder, two(-1e4)))).toEqual([]);
  });
  it("are a warning once measured there, and nothing when they never meet", async () => {
    expect(told(await hazardsOf(folder, two(-65504), { range: { mask: { min: -131008, max: 0 } } }))).toEqual(["warning mask-sum"]);
    expect(await hazardsOf(folder, two(-65504), { range: { mask: { min: -65504, max: 0 } } })).toEqual([]);
  });
});

it("a mask may go into an attention that is one node", async () => {
  const fused = (value: number): ModelParts => ({
    nodes: [
      node("Where", ["keep", "nothing", "off"], ["mask"]),
      node("MultiHeadAttention", ["x", "keys", "values", "", "", "mask"], ["y"], { num_heads: 1 }, "com.microsoft"),
    ],
    inputs: [face("x"), face("keys"), face("values"), bool("keep")],
    outputs: [face("y")],
    initializers: [floats("nothing", [], [0]), floats("off", [], [value])],
    domains: { "com.microsoft": 1 },
    opset: 17,
  });
  const inside = { code: "inner-state", severity: "info" };
  expect(await hazardsOf(folder, fused(lowest))).toMatchObject([{ code: "mask-constant", severity: "warning", tensor: "off" }, inside]);
  expect(await hazardsOf(folder, fused(-1e4))).toMatchObject([inside]);
});
