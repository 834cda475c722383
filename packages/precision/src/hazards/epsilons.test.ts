import { describe, expect, it } from "vitest";
import { face, hazardsOf, told } from "../../../../test/support/hazards-of.js";
import { floats, type ModelParts, node, temporaryFolder } from "../../../../test/support/model-file.js";

const folder = temporaryFolder();
const model = (nodes: ModelParts["nodes"], epsilon: number): ModelParts => ({
  nodes,
  inputs: [face("x"), face("z")],
  outputs: [face("y")],
  initializers: [floats("epsilon", [], [epsilon])],
  opset: 13,
});
/** x / (z + epsilon) */
const quotient = (epsilon: number) => model([node("Add", ["z", "epsilon"], ["safe"]), node("Div", ["x", "safe"], ["y"])], epsilon);
const logarithm = (epsilon: number) => model([node("Add", ["z", "epsilon"], ["safe"]), node("Log", ["safe"], ["y"])], epsilon);
/** x / max(|x|, epsilon), as PyTorch's normalize writes it. */
const normalize = (epsilon: number) =>
  model(
    [
      node("ReduceL2", ["x"], ["norm"], { axes: [-1] }),
      node("Clip", ["norm", "epsilon"], ["safe"]),
      node("Expand", ["safe", "shape"], ["wide"]),
      node("Div", ["x", "wide"], ["y"]),
    ],
    epsilon,
  );
const rooted = (epsilon: number) =>
  model([node("Max", ["z", "epsilon"], ["safe"]), node("Sqrt", ["safe"], ["root"]), node("Reciprocal", ["root"], ["y"])], epsilon);

describe("an epsilon in front of a division or logarithm", () => {
  it.each([
    ["quotient", quotient, 1e-10, "warning"],
    ["quotient", quotient, 1e-6, "info"],
    ["logarithm", logarithm, 1e-10, "warning"],
    ["L2 normalization", normalize, 1e-12, "warning"],
    ["root", rooted, 1e-9, "warning"],
  ] as const)("of a %s (%j %d) is judged from its value alone before a run: %s", async (_, make, epsilon, severity) => {
    expect(await hazardsOf(folder, make(epsilon))).toMatchObject([{ code: "epsilon-underflow", severity, tensor: "epsilon" }]);
  });

  it.each([quotient, logarithm, normalize, rooted])("is none from 2^-14 on", async (make) => {
    expect(await hazardsOf(folder, make(2 ** -14))).toEqual([]);
  });

  it.each([
    ["zero is in the range", { min: 0, max: 1 }, "error"],
    ["the smallest value becomes zero too", { min: 1e-9, max: 1 }, "error"],
    ["values stay far above", { min: 0.5, max: 1 }, "info"],
  ] as const)("that is lost, where %s, is %s", async (_, z, severity) => {
    const found = await hazardsOf(folder, quotient(1e-10), { range: { z: { ...z, smallest: z.min || 1e-3 } } });
    expect(found[0]).toMatchObject({
      code: "epsilon-underflow",
      severity,
      values: { epsilon: expect.closeTo(1e-10, 15), minMeasured: z.min },
    });
  });

  it("that is subnormal is a warning where FP16 changes what it guards by more than rounding does", async () => {
    expect(told(await hazardsOf(folder, quotient(1e-7), { range: { z: { min: 0, max: 1 } } }))).toEqual(["warning epsilon-underflow"]);
    expect(told(await hazardsOf(folder, quotient(1e-7), { range: { z: { min: 0.1, max: 1 } } }))).toEqual(["info epsilon-underflow"]);
  });
});

describe("a divisor", () => {
  const bare = model([node("Div", ["x", "z"], ["y"])], 1);
  it.each([
    [2 ** -14, []],
    [6e-5, ["warning small-divisor"]],
    [3e-8, ["warning small-divisor"]],
    [2 ** -25, ["error small-divisor"]],
  ])("that goes down to %d is judged %j", async (smallest, expected) => {
    expect(told(await hazardsOf(folder, bare, { range: { z: { min: -1, max: 1, smallest } } }))).toEqual(expected);
  });
  it("under a root is looked at before the root, which makes it larger", async () => {
    const root = model([node("Sqrt", ["z"], ["root"]), node("Div", ["x", "root"], ["y"])], 1);
    const range = { z: { min: 1e-9, max: 1, smallest: 1e-9 }, root: { min: 3e-5, max: 1, smallest: 3e-5 } };
    expect(await hazardsOf(folder, root, { range })).toMatchObject([{ code: "small-divisor", severity: "error", tensor: "z" }]);
  });
  it("of a logarithm makes it -Infinity", async () => {
    const log = model([node("Log", ["z"], ["y"])], 1);
    const [found] = await hazardsOf(folder, log, { range: { z: { min: 1e-9, max: 1, smallest: 1e-9 } } });
    expect(found).toMatchObject({ code: "small-divisor", severity: "error", evidence: expect.stringContaining("-Infinity") });
  });
  it("that holds exact zeros as well, where FP32 divides by zero too, is judged by the others", async () => {
    expect(await hazardsOf(folder, bare, { range: { z: { min: 0, max: 1, smallest: 0.5 } } })).toEqual([]);
    expect(await hazardsOf(folder, bare, { range: { z: { min: 0, max: 1 } } })).toEqual([]);
  });
  it.each([
    [1e-8, "error"],
    [1e-6, "warning"],
  ])("that is the constant %d is %s before any run", async (value, severity) => {
    const constant = model([node("Div", ["x", "epsilon"], ["y"])], value);
    expect(await hazardsOf(folder, constant)).toMatchObject([{ code: "small-divisor", severity, tensor: "epsilon" }]);
  });
  it("that is an ordinary constant is none", async () => {
    expect(await hazardsOf(folder, model([node("Div", ["x", "epsilon"], ["y"])], 8))).toEqual([]);
  });
});
