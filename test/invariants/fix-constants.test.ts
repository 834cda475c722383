/** Constants that FP16 cannot hold are given values that it can, for those who mean them; whoever else reads them keeps the old ones. */
import { join } from "node:path";
import { readModel } from "@halfscope/onnx";
import { type FixOptions, fixModel } from "halfscope";
import { describe, expect, it } from "vitest";
import { floats, int64s, type ModelParts, type NodeProto, node, temporaryFolder, writeModel } from "../support/model-file.js";
import * as build from "../torture/build.js";

const folder = temporaryFolder();
const common: FixOptions = { samples: 1, threads: 2 };
const lowest = -3.4028234663852886e38;
const face = (name: string) => ({ name, dims: [2, 4] });

/** Softmax of masked products; `masking` makes "masked" of "scores". */
const attention = (masking: readonly NodeProto[], more: Partial<ModelParts> = {}): ModelParts => ({
  nodes: [
    node("MatMul", ["x", "keys"], ["scores"]),
    ...masking,
    node("Softmax", ["masked"], ["p"], { axis: -1 }),
    node("MatMul", ["p", "values"], ["y"]),
  ],
  inputs: [face("x"), ...["keys", "values"].map((name) => ({ name, dims: [4, 4] }))],
  outputs: [face("y")],
  initializers: [
    floats("off", [], [lowest]),
    floats("keep", [1, 4], [1, 1, 0, 1]),
    floats("one", [], [1]),
    floats("zero", [], [0]),
    int64s("sizes", [2], [2, 4]),
  ],
  opset: 13,
  ...more,
});
/** (1 - keep) * off, added to the scores: Infinity times 0 where FP16 cannot hold it. */
const product = (off = "off") => [
  node("Sub", ["one", "keep"], ["hidden"]),
  node("Mul", ["hidden", off], ["mask"]),
  node("Add", ["scores", "mask"], ["masked"]),
];
const constant = (attribute: Parameters<typeof node>[3]) => [node("Constant", [], ["made"], attribute), ...product("made")];

describe("a mask constant becomes -1e4", () => {
  it.each<[string, ModelParts]>([
    ["as an initializer", attention(product())],
    ["as a Constant's tensor", attention(constant({ value: { tensor: floats("", [], [lowest]) } }))],
    ["as a Constant's value_float", attention(constant({ value_float: { float: lowest } }))],
    ["behind a Cast", attention([node("Cast", ["off"], ["made"], { to: 1 }), ...product("made")])],
    [
      "as a ConstantOfShape",
      attention([node("ConstantOfShape", ["sizes"], ["made"], { value: { tensor: floats("", [1], [lowest]) } }), ...product("made")]),
    ],
  ])("%s", async (_, parts) => {
    const path = writeModel(folder, parts);
    const out = join(folder, "masked.onnx");
    const report = await fixModel(path, { ...common, out });
    expect(report).toMatchObject({
      outcome: "fixed",
      fixes: [{ kind: "clamp-mask", title: expect.stringContaining("to -10000") }],
      fp32Change: 0,
    });
    expect((await readModel(out)).graph.nodes.map((n) => n.opType)).toEqual(parts.nodes.map((n) => n.opType));
    expect(await fixModel(out, common)).toMatchObject({ outcome: "nothing-to-fix" });
  });

  it("for the mask alone, where somebody else reads the constant for something else", async () => {
    const parts = attention([...product(), node("Max", ["scores", "off"], ["bounded"])], {
      outputs: [face("y"), face("bounded")],
    });
    const path = writeModel(folder, parts);
    const out = join(folder, "shared.onnx");
    const report = await fixModel(path, { ...common, out, only: ["clamp-mask"] });
    expect(report).toMatchObject({ outcome: "fixed", fp32Change: 0 });
    const before = await readModel(path);
    const after = await readModel(out);
    const reading = (opType: string) => after.graph.nodes.find((n) => n.opType === opType)?.inputs[1];
    expect(reading("Max")).toBe("off");
    expect(reading("Mul")).toBe("off_fixed");
    // The constant itself, and all nodes but the one that reads another, are byte for byte as they were.
    expect(Buffer.from(after.graph.initializers[0]!.field.payload as Uint8Array)).toEqual(
      Buffer.from(before.graph.initializers[0]!.field.payload as Uint8Array),
    );
    const old = new Set(before.graph.nodes.map((n) => Buffer.from(n.bytes).toString("hex")));
    expect(after.graph.nodes.filter((n) => !old.has(Buffer.from(n.bytes).toString("hex"))).map((n) => n.opType)).toEqual([
      "Constant",
      "Mul",
    ]);
  });

  it("and is stronger where scores lie far apart", async () => {
    const parts = attention([node("Mul", ["scores", "large"], ["far"]), ...product().with(2, node("Add", ["far", "mask"], ["masked"]))]);
    const path = writeModel(folder, { ...parts, initializers: [...parts.initializers!, floats("large", [], [6000])] });
    const [fix] = (await fixModel(path, { ...common, listOnly: true, only: ["clamp-mask"] })).fixes;
    expect(fix?.title).toMatch(/to -30000$/);
  });

  it("in a branch of an If", async () => {
    const body = (off: number) =>
      build.graph({
        nodes: [
          build.node("MatMul", ["x", "keys"], [`scores${off}`]),
          build.node("Sub", ["one", "keep"], [`hidden${off}`]),
          build.node("Mul", [`hidden${off}`, `off${off}`], [`mask${off}`]),
          build.node("Add", [`scores${off}`, `mask${off}`], [`masked${off}`]),
          build.node("Softmax", [`masked${off}`], [`p${off}`], { axis: -1 }),
          build.node("MatMul", [`p${off}`, "values"], [`y${off}`]),
        ],
        initializers: [build.floats(`off${off}`, [], [off === 1 ? lowest : -100])],
        outputs: [build.float(`y${off}`, [2, 4])],
      });
    const path = writeModel(
      folder,
      build.model({
        nodes: [build.node("If", ["choice"], ["y"], { then_branch: body(1), else_branch: body(2) })],
        inputs: [build.float("x", [2, 4]), build.float("keys", [4, 4]), build.float("values", [4, 4])],
        outputs: [build.float("y", [2, 4])],
        initializers: [build.floats("keep", [1, 4], [1, 1, 0, 1]), build.floats("one", [], [1]), build.bools("choice", [], [true])],
        opsets: { "": 13 },
      }),
    );
    const out = join(folder, "branch.onnx");
    const report = await fixModel(path, { ...common, out });
    expect(report).toMatchObject({ outcome: "fixed", fixes: [{ id: "clamp-mask:off1" }], fp32Change: 0 });
    expect(await fixModel(out, common)).toMatchObject({ outcome: "nothing-to-fix" });
  });
});

describe("an epsilon", () => {
  /** x / (x^2 + epsilon), where x is zero for one row and small otherwise. */
  const quotient = (factor: number, more: readonly NodeProto[] = [], outputs = [face("y")]): ModelParts => ({
    nodes: [
      node("Mul", ["x", "factors"], ["small"]),
      node("Mul", ["small", "small"], ["square"]),
      node("Add", ["square", "epsilon"], ["safe"]),
      node("Div", ["small", "safe"], ["y"]),
      ...more,
    ],
    inputs: [face("x")],
    outputs,
    initializers: [floats("epsilon", [], [1e-12]), floats("factors", [2, 1], [factor, 0])],
    opset: 13,
  });

  it("is raised to the smallest normal FP16 number where that changes little", async () => {
    const report = await fixModel(writeModel(folder, quotient(100)), { ...common, tolerance: 1e-2, only: ["raise-epsilon"] });
    expect(report).toMatchObject({ outcome: "fixed", fixes: [{ title: expect.stringContaining("0.00006104") }] });
    expect(report.allHalfBefore).toBe(Number.POSITIVE_INFINITY);
    expect(report.allHalfAfter).toBeLessThan(0.01);
  });

  it("is raised less where that would change FP32 results, and is said to be a subnormal number then", async () => {
    const report = await fixModel(writeModel(folder, quotient(0.05)), { ...common, tolerance: 2e-2, only: ["raise-epsilon"] });
    expect(report).toMatchObject({ outcome: "fixed", leftOut: [] });
    expect(report.fixes[0]?.title).toMatch(/to (9\.537e-7|5\.96e-8), a number that FP16 holds as a subnormal one/);
    expect(report.fp32Change).toBeLessThanOrEqual(2e-2);
  });

  it("that somebody multiplies with keeps its value for them", async () => {
    const parts = quotient(100, [node("Mul", ["x", "epsilon"], ["tiny"])], [face("y"), face("tiny")]);
    const out = join(folder, "epsilon.onnx");
    const report = await fixModel(writeModel(folder, parts), { ...common, tolerance: 1e-2, only: ["raise-epsilon"], out });
    expect(report.outputs?.tiny?.maxAbs).toBe(0);
    expect((await readModel(out)).graph.nodes.find((n) => n.opType === "Add")?.inputs).toContain("epsilon_fixed");
  });
});
