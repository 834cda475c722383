/** Normalizations in single nodes, as exporters write them, become one node or stay in range; what is none, or is looked into from outside, is refused. */
import { join } from "node:path";
import { readModel } from "@halfscope/onnx";
import { type FixOptions, fixModel } from "halfscope";
import { describe, expect, it } from "vitest";
import { sharedModel } from "../shared-models.js";
import {
  floats,
  int64s,
  type ModelParts,
  type NodeProto,
  node,
  normal,
  seeded,
  temporaryFolder,
  writeModel,
} from "../support/model-file.js";

const folder = temporaryFolder();
const common: FixOptions = { samples: 1, threads: 2 };
const depth = 8;
const random = seeded(7);
const vector = (): number[] => Array.from({ length: depth }, () => 1 + 0.3 * normal(random));
const [gain, shift] = [vector(), vector()];

interface Form {
  nodes: readonly NodeProto[];
  /** First opset in which it is written so. */
  opset?: number;
  kind?: "layer" | "rms";
}
const last = { axes: [-1] };
const scaled = (normalised: string): NodeProto[] => [node("Mul", [normalised, "gain"], ["z"]), node("Add", ["z", "shift"], ["y"])];
const variance: readonly NodeProto[] = [
  node("ReduceMean", ["x"], ["mean"], last),
  node("Sub", ["x", "mean"], ["d"]),
  node("Mul", ["d", "d"], ["square"]),
  node("ReduceMean", ["square"], ["variance"], last),
];
const guarded: readonly NodeProto[] = [node("Add", ["variance", "epsilon"], ["safe"]), node("Sqrt", ["safe"], ["deviation"])];

const forms: Readonly<Record<string, Form>> = {
  "PyTorch 1: Pow, ReduceMean, Sqrt, Div": {
    nodes: [
      node("ReduceMean", ["x"], ["mean"], last),
      node("Sub", ["x", "mean"], ["d"]),
      node("Pow", ["d", "two"], ["square"]),
      node("ReduceMean", ["square"], ["variance"], last),
      ...guarded,
      node("Div", ["d", "deviation"], ["n"]),
      ...scaled("n"),
    ],
  },
  "axes on an input, as from opset 18 on": {
    opset: 18,
    nodes: [
      node("ReduceMean", ["x", "axes"], ["mean"]),
      node("Sub", ["x", "mean"], ["d"]),
      node("Pow", ["d", "two"], ["square"]),
      node("ReduceMean", ["square", "axes"], ["variance"]),
      ...guarded,
      node("Div", ["d", "deviation"], ["n"]),
      ...scaled("n"),
    ],
  },
  "Keras: x * f + (shift - mean * f)": {
    nodes: [
      ...variance,
      ...guarded,
      node("Reciprocal", ["deviation"], ["r"]),
      node("Mul", ["r", "gain"], ["f"]),
      node("Mul", ["x", "f"], ["xf"]),
      node("Mul", ["mean", "f"], ["mf"]),
      node("Sub", ["shift", "mf"], ["rest"]),
      node("Add", ["xf", "rest"], ["y"]),
    ],
  },
  "JAX: the mean of squares less the square of the mean, clamped": {
    nodes: [
      node("ReduceMean", ["x"], ["mean"], last),
      node("Mul", ["x", "x"], ["square"]),
      node("ReduceMean", ["square"], ["meanOfSquares"], last),
      node("Mul", ["mean", "mean"], ["squareOfMean"]),
      node("Sub", ["meanOfSquares", "squareOfMean"], ["difference"]),
      node("Max", ["difference", "zero"], ["variance"]),
      ...guarded,
      node("Sub", ["x", "mean"], ["d"]),
      node("Reciprocal", ["deviation"], ["r"]),
      node("Mul", ["r", "gain"], ["f"]),
      node("Mul", ["d", "f"], ["z"]),
      node("Add", ["z", "shift"], ["y"]),
    ],
  },
  "sums times a constant": {
    opset: 13,
    nodes: [
      node("ReduceSum", ["x", "axes"], ["sum"]),
      node("Mul", ["sum", "share"], ["mean"]),
      node("Sub", ["x", "mean"], ["d"]),
      node("Mul", ["d", "d"], ["square"]),
      node("ReduceSum", ["square", "axes"], ["squares"]),
      node("Mul", ["squares", "share"], ["variance"]),
      ...guarded,
      node("Div", ["d", "deviation"], ["n"]),
      ...scaled("n"),
    ],
  },
  "no scale, no bias": { nodes: [...variance, ...guarded, node("Div", ["d", "deviation"], ["y"])] },
  "a scale with leading ones": {
    nodes: [...variance, ...guarded, node("Div", ["d", "deviation"], ["n"]), node("Mul", ["n", "gain3"], ["y"])],
  },
  "RMS: x / sqrt(mean(x^2))": {
    kind: "rms",
    nodes: [
      node("Pow", ["x", "two"], ["square"]),
      node("ReduceMean", ["square"], ["variance"], last),
      ...guarded,
      node("Div", ["one", "deviation"], ["r"]),
      node("Mul", ["x", "r"], ["n"]),
      node("Mul", ["gain", "n"], ["y"]),
    ],
  },
};

/** Attributes `axes` became an input in opset 18. */
const modern = (nodes: readonly NodeProto[]): NodeProto[] =>
  nodes.map((n) => (n.opType === "ReduceMean" && n.input?.length === 1 ? node("ReduceMean", [n.input[0]!, "axes"], n.output!) : n));

/** x is the input times 500: its squares are beyond the range of FP16. */
function model(nodes: readonly NodeProto[], opset: number, more: Partial<ModelParts> = {}): ModelParts {
  return {
    nodes: [node("Mul", ["input", "large"], ["x"]), ...(opset >= 18 ? modern(nodes) : nodes)],
    inputs: [{ name: "input", dims: [2, 3, depth] }],
    outputs: [{ name: "y", dims: [2, 3, depth] }],
    initializers: [
      floats("large", [], [500]),
      floats("zero", [], [0]),
      floats("one", [], [1]),
      floats("two", [], [2]),
      floats("share", [], [1 / depth]),
      floats("epsilon", [], [1e-5]),
      floats("gain", [depth], gain),
      floats("gain3", [1, 1, depth], gain),
      floats("shift", [depth], shift),
      int64s("axes", [1], [-1]),
    ],
    opset,
    ...more,
  };
}
const operators = async (path: string) => (await readModel(path)).graph.nodes.map((n) => n.opType);

describe.each(Object.entries(forms))("%s", (name, { nodes, opset = 13, kind = "layer" }) => {
  const fusing = kind === "rms" ? 23 : Math.max(17, opset);
  if (opset < fusing)
    it(`is scaled before opset ${fusing}: FP32 results stay bit for bit`, async () => {
      const path = writeModel(folder, model(nodes, opset));
      const out = join(folder, `scaled-${name.length}.onnx`);
      const report = await fixModel(path, { ...common, out });
      expect(report).toMatchObject({ outcome: "fixed", fixes: [{ kind: "scale-norm" }], fp32Change: 0 });
      expect(report.allHalfBefore).toBeGreaterThan(0.1);
      expect(report.allHalfAfter).toBeLessThan(0.005);
      expect(await operators(out)).toHaveLength((await operators(path)).length + 3);
      expect(await fixModel(out, common)).toMatchObject({ outcome: "nothing-to-fix", fixes: [] });
    });

  it(`is fused from opset ${fusing} on`, async () => {
    const path = writeModel(folder, model(nodes, fusing));
    const out = join(folder, `fused-${name.length}.onnx`);
    const report = await fixModel(path, { ...common, out });
    expect(report).toMatchObject({ outcome: "fixed", fixes: [{ kind: "fuse-norm" }] });
    expect(report.fp32Change).toBeLessThan(1e-6);
    expect(report.outputs?.y?.relativeL2).toBe(report.fp32Change);
    expect(report.allHalfAfter).toBeLessThan(0.005);
    const left = (await operators(out)).filter((o) => o !== "Constant");
    expect(left).toEqual(["Mul", kind === "rms" ? "RMSNormalization" : "LayerNormalization"]);
    expect(await fixModel(out, common)).toMatchObject({ outcome: "nothing-to-fix", fixes: [] });
  });
});

it("statistics over the last two axes are fused with their scale of two axes", async () => {
  const both = { axes: [-2, -1] };
  const size = 3 * depth;
  const nodes = [
    node("ReduceMean", ["x"], ["mean"], both),
    node("Sub", ["x", "mean"], ["d"]),
    node("Mul", ["d", "d"], ["square"]),
    node("ReduceMean", ["square"], ["variance"], both),
    ...guarded,
    node("Div", ["d", "deviation"], ["n"]),
    node("Mul", ["n", "plane"], ["y"]),
  ];
  const parts = model(nodes, 17);
  const plane = floats(
    "plane",
    [3, depth],
    Array.from({ length: size }, (_, i) => 1 + i / size),
  );
  const path = writeModel(folder, { ...parts, initializers: [...parts.initializers!, plane] });
  const report = await fixModel(path, common);
  expect(report).toMatchObject({ outcome: "fixed", fixes: [{ kind: "fuse-norm" }] });
  expect(report.fp32Change).toBeLessThan(1e-6);
});

describe("is not fused", () => {
  const pytorch = forms["PyTorch 1: Pow, ReduceMean, Sqrt, Div"]!.nodes;
  const reasons = async (parts: ModelParts) => {
    const report = await fixModel(writeModel(folder, parts), common);
    expect(report.fixes.filter((f) => f.kind === "fuse-norm")).toEqual([]);
    return report;
  };

  it("where the variance is the unbiased one; scaling needs no formula by name", async () => {
    const nodes = forms["sums times a constant"]!.nodes.map((n) =>
      n.output?.[0] === "variance" ? node("Mul", ["squares", "unbiased"], ["variance"]) : n,
    );
    const parts = model(nodes, 17);
    const report = await reasons({ ...parts, initializers: [...parts.initializers!, floats("unbiased", [], [1 / (depth - 1)])] });
    expect(report.none).toEqual([
      expect.objectContaining({ kind: "fuse-norm", reason: expect.stringContaining("what the operator computes") }),
    ]);
    expect(report).toMatchObject({ fixes: [{ kind: "scale-norm" }], fp32Change: 0 });
  });

  it("where the variance is clamped: neither is it scaled, as the clamp is no power of the input", async () => {
    const nodes = forms["JAX: the mean of squares less the square of the mean, clamped"]!.nodes;
    const parts = model(nodes, 17);
    const initializers = parts.initializers!.map((i) => (i.name === "zero" ? floats("zero", [], [0.5]) : i));
    const { none, fixes } = await reasons({ ...parts, initializers });
    expect(fixes.map((f) => f.kind)).toEqual(["raise-epsilon"]);
    expect(none.map((n) => n.kind)).toEqual(["fuse-norm", "scale-norm"]);
  });

  it("where somebody asks for the shape of what lies inside", async () => {
    const shaped = [
      ...pytorch,
      node("Shape", ["square"], ["sizes"]),
      node("ConstantOfShape", ["sizes"], ["zeros"]),
      node("Add", ["y", "zeros"], ["w"]),
    ];
    const { none } = await reasons(model(shaped, 17, { outputs: [{ name: "w", dims: [2, 3, depth] }] }));
    expect(none).toContainEqual(expect.objectContaining({ kind: "fuse-norm", reason: expect.stringContaining("read from outside") }));
  });

  it("where it does not normalise over the last axis", async () => {
    const nodes = pytorch.map((n) => (n.opType === "ReduceMean" ? node("ReduceMean", n.input!, n.output!, { axes: [1] }) : n));
    const { none } = await reasons(model(nodes, 17));
    expect(none).toContainEqual(expect.objectContaining({ kind: "fuse-norm", reason: expect.stringContaining("last axes") }));
  });
});

it("kinds and layers can be chosen, and a list tries nothing", async () => {
  const path = writeModel(folder, model(forms["PyTorch 1: Pow, ReduceMean, Sqrt, Div"]!.nodes, 17));
  expect((await fixModel(path, { ...common, only: ["scale-norm"] })).fixes.map((f) => f.kind)).toEqual(["scale-norm"]);
  const listed = await fixModel(path, { ...common, listOnly: true });
  expect(listed.fixes).toHaveLength(1);
  expect(listed.allHalfAfter).toBeUndefined();
  const [layer] = listed.fixes[0]!.layers;
  expect((await fixModel(path, { ...common, listOnly: true, layers: [layer!] })).fixes).toEqual(listed.fixes);
  await expect(fixModel(path, { ...common, layers: ["nowhere"] })).rejects.toMatchObject({ code: "ERR_OPTION" });
  const each = await fixModel(path, { ...common, each: true });
  expect(each.fixes[0]).toMatchObject({ fp32Change: each.fp32Change, allHalfAfter: each.allHalfAfter });
});

it("Magika, whose sum overflows inside a normalization, needs no pin once it is scaled", async (context) => {
  const path = sharedModel(context, "magika-v3_3-op15", "model.onnx");
  const report = await fixModel(path, common);
  expect(report).toMatchObject({ outcome: "fixed", fixes: [{ kind: "scale-norm", layers: ["MagikaV2/LayerNorm_1"] }], fp32Change: 0 });
  expect(report.allHalfBefore).toBeGreaterThan(0.5);
  expect(report.allHalfAfter).toBeLessThan(0.01);
});
