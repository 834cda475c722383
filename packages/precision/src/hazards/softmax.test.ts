import { describe, expect, it } from "vitest";
import { face, hazardsOf, told } from "../../../../test/support/hazards-of.js";
import { int64s, type ModelParts, type NodeProto, node, temporaryFolder } from "../../../../test/support/model-file.js";

const folder = temporaryFolder();
const model = (nodes: readonly NodeProto[]): ModelParts => ({
  nodes,
  inputs: [face("x")],
  outputs: [face("y")],
  initializers: [int64s("last", [1], [-1])],
  opset: 13,
});
const bare = model([node("Exp", ["x"], ["e"]), node("ReduceSum", ["e", "last"], ["s"]), node("Div", ["e", "s"], ["y"])]);
const shifted = model([
  node("ReduceMax", ["x"], ["m"], { axes: [-1] }),
  node("Sub", ["x", "m"], ["d"]),
  node("Exp", ["d"], ["e"]),
  node("ReduceSum", ["e", "last"], ["s"]),
  node("Div", ["e", "s"], ["y"]),
]);
const logarithm = model([node("Exp", ["x"], ["e"]), node("ReduceSum", ["e", "last"], ["s"]), node("Log", ["s"], ["y"])]);

describe("a softmax written in single nodes", () => {
  it("is a warning without a maximum subtracted, and known with one", async () => {
    expect(await hazardsOf(folder, bare)).toMatchObject([
      { code: "decomposed-softmax", severity: "warning", tensor: "e", values: { shifted: 0 }, evidence: expect.stringContaining("11.09") },
    ]);
    expect(await hazardsOf(folder, shifted)).toMatchObject([{ code: "decomposed-softmax", severity: "info", values: { shifted: 1 } }]);
    expect(told(await hazardsOf(folder, logarithm))).toEqual(["warning decomposed-softmax"]);
  });

  it.each([
    [5, "info"],
    [11.08, "warning"],
    [11.1, "error"],
  ])("without a maximum subtracted, of arguments up to %d, is %s, and said once", async (max, severity) => {
    const e = { min: 1e-3, max: Math.exp(max) };
    const found = await hazardsOf(folder, bare, { range: { x: { min: -5, max }, e, s: e } });
    expect(told(found)).toEqual([`${severity} decomposed-softmax`]);
    expect(found[0]?.values).toMatchObject({ maxArgument: max });
  });

  it("overflows in its sum before exp does", async () => {
    const range = { x: { min: 0, max: 10.5 }, e: { min: 1, max: 36316 }, s: { min: 1, max: 1e5 } };
    expect(told(await hazardsOf(folder, bare, { range }))).toEqual(["error decomposed-softmax"]);
  });

  it("is none where one node does it, nor is any other use of Exp", async () => {
    expect(await hazardsOf(folder, model([node("Softmax", ["x"], ["y"])]))).toEqual([]);
    expect(await hazardsOf(folder, model([node("Exp", ["x"], ["y"])]))).toEqual([]);
    expect(await hazardsOf(folder, model([node("Exp", ["x"], ["e"]), node("ReduceSum", ["e", "last"], ["y"])]))).toEqual([]);
  });
});
