import { describe, expect, it } from "vitest";
import { face, hazardsOf, told } from "../../../../test/support/hazards-of.js";
import { floats, type ModelParts, type NodeProto, node, temporaryFolder } from "../../../../test/support/model-file.js";

const folder = temporaryFolder();
const weights = (values: readonly number[]): ModelParts => ({
  nodes: [node("MatMul", ["x", "w"], ["y"])],
  inputs: [face("x")],
  outputs: [face("y")],
  initializers: [floats("w", [4, values.length / 4], values)],
});
const filled = (count: number, value: (i: number) => number) => Array.from({ length: count }, (_, i) => value(i));

describe("small weights", () => {
  it("are judged by the norm that is lost, not by their number", async () => {
    // 99 of 100 vanish, and nothing is lost: one value carries the norm.
    expect(await hazardsOf(folder, weights(filled(400, (i) => (i % 100 === 0 ? 1 : 1e-9))))).toEqual([]);
    // One in a hundred vanishes and nothing else is there.
    const [found] = await hazardsOf(folder, weights(filled(400, (i) => (i % 100 === 0 ? 1e-8 : 0))));
    expect(found).toMatchObject({ code: "weight-underflow", severity: "error", values: { flushed: 4, count: 400, lostShare: 1 } });
    expect(found?.evidence).toMatch(/100 % of this weight's norm/);
  });

  it.each([
    // Subnormal steps are 2^-24: a value of k and a half steps loses half a step, and ties go to even.
    [100.5, "info"],
    [10.5, "warning"],
    [0.4, "error"],
  ])("of %d subnormal steps are %s", async (steps, severity) => {
    expect(told(await hazardsOf(folder, weights(filled(16, () => steps * 2 ** -24))))).toEqual([`${severity} weight-underflow`]);
  });

  it("that FP16 holds are none, however small", async () => {
    expect(await hazardsOf(folder, weights(filled(16, (i) => (i + 1) * 2 ** -24)))).toEqual([]);
    expect(await hazardsOf(folder, weights(filled(16, () => 0)))).toEqual([]);
  });
});

describe("large weights", () => {
  it.each([
    [65519, []],
    [65520, ["error weight-overflow"]],
  ])("of %d are judged %j", async (value, expected) => {
    expect(told(await hazardsOf(folder, weights(filled(16, () => value))))).toEqual(expected);
  });
});

describe("constants of nodes", () => {
  const constant = (attribute: NodeProto["attribute"], op = "Add"): ModelParts => ({
    nodes: [{ ...node("Constant", [], ["c"]), attribute: attribute ?? [] }, node(op, ["x", "c"], ["y"])],
    inputs: [face("x")],
    outputs: [face("y")],
    opset: 13,
  });
  it("are weights too, in any form", async () => {
    const single = await hazardsOf(folder, constant([{ name: "value_float", type: 1, f: 7e4 }]));
    expect(single).toMatchObject([{ code: "weight-overflow", tensor: "c", values: { overflowed: 1, count: 1 } }]);
    const several = await hazardsOf(folder, constant([{ name: "value_floats", type: 6, floats: [1, 7e4, -8e4, 2] }]));
    expect(several).toMatchObject([{ code: "weight-overflow", tensor: "c", values: { overflowed: 2, count: 4, maxAbs: 8e4 } }]);
  });
  it("that vanish are an error as a factor, and nothing as an addend", async () => {
    const tiny = [{ name: "value_float", type: 1, f: 1e-8 }];
    expect(await hazardsOf(folder, constant(tiny, "Mul"))).toMatchObject([{ code: "weight-underflow", severity: "error", tensor: "c" }]);
    expect(await hazardsOf(folder, constant(tiny, "Add"))).toEqual([]);
    expect(await hazardsOf(folder, constant([{ name: "value_float", type: 1, f: 1e-4 }], "Mul"))).toEqual([]);
  });
});
