import { listLayers, readModel, viewGraph } from "@halfscope/onnx";
import { describe, expect, it } from "vitest";
import { floats, type ModelParts, node, temporaryFolder, writeModel } from "../../../../test/support/model-file.js";
import { buildFloatGraph } from "../float-graph.js";
import { roundToHalf } from "../half.js";
import { findHazards, type HalfLoss, type Range, type WeightScan } from "./index.js";

const folder = temporaryFolder();

/** The obvious implementation of a scan, of values in memory. */
const scan: WeightScan = async (source) => {
  if (!(source instanceof Uint8Array)) throw new Error("these weights are small enough to be in memory");
  const values = new Float32Array(Uint8Array.from(source).buffer);
  const loss: HalfLoss = { count: values.length, overflowed: 0, flushed: 0, maxAbs: 0 };
  for (const x of values) {
    if (Number.isFinite(x)) loss.maxAbs = Math.max(loss.maxAbs, Math.abs(x));
    if (Number.isFinite(x) && !Number.isFinite(roundToHalf(x))) loss.overflowed++;
    if (x !== 0 && roundToHalf(x) === 0) loss.flushed++;
  }
  return loss;
};
async function hazardsOf(model: ModelParts, range?: Record<string, { min: number; max: number }>) {
  const read = await readModel(writeModel(folder, model));
  const view = viewGraph(read.graph);
  const layers = listLayers(read);
  const names = [...view.producer.keys(), ...view.graphInputs, ...view.initializers.keys()];
  const types = new Map(names.map((n) => [n, { dtype: view.initializers.get(n)?.dtype ?? ("float32" as const), dims: [2, 4] }]));
  const measured: Range = (t) => range?.[t];
  return findHazards({ view, layers, floats: buildFloatGraph(read, view, types, layers), scan, ...(range && { range: measured }) });
}
const face = (name: string) => ({ name, dims: [2, 4] });

/** LayerNormalization as PyTorch writes it for opset 13. */
const norm = (epsilon: number): ModelParts => ({
  nodes: [
    node("ReduceMean", ["x"], ["mean"], { axes: [-1] }),
    node("Sub", ["x", "mean"], ["centred"]),
    node("Pow", ["centred", "two"], ["square"]),
    node("ReduceMean", ["square"], ["variance"], { axes: [-1] }),
    node("Add", ["variance", "epsilon"], ["safe"]),
    node("Sqrt", ["safe"], ["deviation"]),
    node("Div", ["centred", "deviation"], ["normal"]),
    node("Mul", ["normal", "gain"], ["scaled"]),
    node("Add", ["scaled", "bias"], ["y"]),
  ],
  inputs: [face("x")],
  outputs: [face("y")],
  initializers: [
    floats("two", [], [2]),
    floats("epsilon", [], [epsilon]),
    floats("gain", [4], [1, 1, 1, 1]),
    floats("bias", [4], [0, 0, 0, 0]),
  ],
  opset: 13,
});
const masked = (value: number): ModelParts => ({
  nodes: [
    node("Sub", ["one", "mask"], ["inverted"]),
    node("Mul", ["inverted", "minus"], ["bias"]),
    // Two layers read the one mask.
    ...["a", "b"].flatMap((n) => [
      node("MatMul", [n === "a" ? "x" : "a", "keys"], [`${n} scores`]),
      node("Add", [`${n} scores`, "bias"], [`${n} masked`]),
      node("Softmax", [`${n} masked`], [n], { axis: -1 }),
    ]),
  ],
  inputs: [face("x"), face("mask"), face("keys")],
  outputs: [face("b")],
  initializers: [floats("one", [], [1]), floats("minus", [], [value])],
  opset: 13,
});
const weights = (values: readonly number[]): ModelParts => ({
  nodes: [node("MatMul", ["x", "w"], ["y"])],
  inputs: [face("x")],
  outputs: [face("y")],
  initializers: [floats("w", [4, values.length / 4], values)],
});
const filled = (count: number, value: (i: number) => number) => Array.from({ length: count }, (_, i) => value(i));

describe("a decomposed LayerNormalization", () => {
  it.each([
    ["nothing when its range is not known", undefined, "info"],
    ["nothing when its squares stay far below the range", 1000, "info"],
    ["a warning when they come near", 30_000, "warning"],
    ["an error when they overflow", 70_000, "error"],
  ] as const)("is %s", async (_, max, severity) => {
    const found = await hazardsOf(norm(1e-3), max === undefined ? undefined : { square: { min: 0, max } });
    expect(found.map((h) => h.code)).toEqual(["decomposed-layer-norm"]);
    expect(found[0]).toMatchObject({ severity, tensor: "square" });
    if (max !== undefined) expect(found[0]?.values).toEqual({ maxSquare: max });
  });

  it.each([
    [1e-12, undefined, "warning", /becomes 0 in FP16/],
    [1e-6, undefined, "warning", /subnormal/],
    [1e-12, 0.5, "info", /far above/],
    [1e-12, 1e-10, "error", /division by zero/],
    [1e-6, 0, "warning", /changes the sum by 1.33 %/],
    // RMSNorm of Llama: a variance of 300 times epsilon, of which FP16 loses no more than of any other number.
    [1e-6, 3e-4, "info", /far above/],
  ] as const)("with an epsilon of %d and a smallest variance of %s is judged: %s", async (epsilon, min, severity, evidence) => {
    const found = await hazardsOf(norm(epsilon), min === undefined ? undefined : { variance: { min, max: 1 }, square: { min: 0, max: 1 } });
    expect(found.find((h) => h.code === "epsilon-underflow")).toMatchObject({
      severity,
      tensor: "epsilon",
      evidence: expect.stringMatching(evidence),
    });
  });

  it("with an epsilon that FP16 keeps is not named for it", async () => {
    expect((await hazardsOf(norm(1e-4))).map((h) => h.code)).toEqual(["decomposed-layer-norm"]);
  });
});

describe("a mask constant", () => {
  it("beyond the range is said once for all layers, and not again as a weight", async () => {
    const found = await hazardsOf(masked(-3.4028234663852886e38));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ code: "mask-constant", severity: "error", tensor: "minus", fix: expect.stringContaining("-65504") });
  });
  it.each([-1e4, -65504, -1])("of %d is none", async (value) => expect(await hazardsOf(masked(value))).toEqual([]));
  it("of -Infinity is a warning: a row that is masked as a whole is NaN in FP32 too", async () => {
    expect(await hazardsOf(masked(Number.NEGATIVE_INFINITY))).toMatchObject([{ code: "mask-constant", severity: "warning" }]);
  });
});

describe("weights", () => {
  it("beyond the range are an error with their number and the largest", async () => {
    const found = await hazardsOf(weights(filled(16, (i) => (i < 2 ? 7e4 : 65519))));
    expect(found).toMatchObject([
      { code: "weight-overflow", severity: "error", tensor: "w", values: { overflowed: 2, count: 16, maxAbs: 7e4 } },
    ]);
  });
  it("that vanish are worth a word from one in a hundred on", async () => {
    expect(await hazardsOf(weights(filled(200, (i) => (i < 2 ? 1e-9 : 1))))).toMatchObject([
      { code: "weight-underflow", severity: "info", values: { flushed: 2 } },
    ]);
    expect(await hazardsOf(weights(filled(200, (i) => (i < 1 ? 1e-9 : 1))))).toEqual([]);
  });
});

it("the worst comes first", async () => {
  const { nodes, initializers = [], ...rest } = norm(1e-12);
  const model = {
    ...rest,
    nodes: [...nodes, node("MatMul", ["y", "w"], ["z"])],
    initializers: [
      ...initializers,
      floats(
        "w",
        [4, 4],
        filled(16, () => 1e5),
      ),
    ],
  };
  const found = await hazardsOf(model);
  expect(found.map((h) => h.severity)).toEqual(["error", "warning", "info"]);
});
