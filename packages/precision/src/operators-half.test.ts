import { readModel } from "@halfscope/onnx";
import { describe, expect, it } from "vitest";
import { floats, node, temporaryFolder, writeModel } from "../../../test/support/model-file.js";
import { halfForm, isFixedInput, isFixedOutput, mustStayFull, type Opsets } from "./operators.js";

const folder = temporaryFolder();
type NodeParts = Parameters<typeof node>;
async function read(...args: NodeParts) {
  const model = { nodes: [node(...args)], inputs: [{ name: "x", dims: [1] }], outputs: [{ name: "y", dims: [1] }] };
  return (await readModel(writeModel(folder, model))).graph.nodes[0]!;
}
const inputs = (count: number) => Array.from({ length: count }, (_, i) => `x${i}`);
const outputs = (count: number) => Array.from({ length: count }, (_, i) => `y${i}`);
/** Inputs and outputs of a node in FP16: h half, f still FP32, - never a float. */
async function form(op: string, opset: number, counts: [number, number], attributes: NodeParts[3] = {}, domain = ""): Promise<string> {
  const found = halfForm(await read(op, inputs(counts[0]), outputs(counts[1]), attributes, domain), opset);
  if (found === undefined) return "unknown";
  const letters = { half: "h", full: "f", none: "-" } as const;
  return `${found.inputs.map((p) => letters[p]).join("")}>${found.outputs.map((p) => letters[p]).join("")}`;
}
const reason = async (op: string, opset: Opsets = 17, counts: [number, number] = [1, 1], attributes: NodeParts[3] = {}, domain = "") =>
  mustStayFull(await read(op, inputs(counts[0]), outputs(counts[1]), attributes, domain), new Set(), opset);

describe("a node in FP16", () => {
  it.each<[string, number, [number, number], string]>([
    ["Add", 7, [2, 1], "hh>h"],
    ["Conv", 11, [3, 1], "hhh>h"],
    ["Gather", 13, [2, 1], "h->h"],
    ["Concat", 13, [4, 1], "hhhh>h"],
    ["Split", 13, [2, 3], "h->hhh"],
    ["Where", 9, [3, 1], "-hh>h"],
    ["TopK", 11, [2, 2], "h->h-"],
    ["Resize", 10, [2, 1], "hf>h"],
    ["Resize", 13, [4, 1], "hff->h"],
    ["Upsample", 9, [2, 1], "hf>h"],
    ["LayerNormalization", 17, [3, 3], "hhh>hff"],
    ["GroupNormalization", 21, [3, 1], "hhh>h"],
    ["BatchNormalization", 15, [5, 3], "hhhhh>hhh"],
    ["SoftmaxCrossEntropyLoss", 13, [3, 2], "h-h>hh"],
    ["LSTM", 14, [8, 3], "hhhh-hhh>hhh"],
    ["OneHot", 11, [3, 1], "hhh>h"],
    ["Cast", 13, [1, 1], "h>h"],
    ["CastLike", 15, [2, 1], "hh>h"],
    ["Max", 8, [3, 1], "hhh>h"],
    ["QuantizeLinear", 13, [3, 1], "ff->-"],
    ["QuantizeLinear", 19, [3, 1], "hh->-"],
    ["DequantizeLinear", 13, [3, 1], "-f->f"],
    ["DequantizeLinear", 21, [3, 1], "-h->h"],
    ["DynamicQuantizeLinear", 11, [1, 3], "f>-f-"],
    ["NonMaxSuppression", 11, [5, 1], "ff-ff>-"],
    ["Range", 11, [3, 1], "fff>f"],
    ["Range", 27, [3, 1], "hhh>h"],
    ["CumSum", 11, [2, 1], "f->f"],
    ["CumSum", 14, [2, 1], "h->h"],
    ["Celu", 12, [1, 1], "f>f"],
    ["Celu", 28, [1, 1], "h>h"],
    ["IsInf", 10, [1, 1], "f>-"],
    ["Attention", 23, [6, 4], "hhhhhh>hhhh"],
    ["LayerNormalization", 12, [3, 3], "hhh>hff"], // ONNX Runtime's own, before ONNX had one
    ["Swish", 23, [1, 1], "unknown"],
    ["Swish", 99, [1, 1], "h>h"],
  ])("%s of opset %d with %j inputs and outputs is %s", async (op, opset, counts, expected) =>
    expect(await form(op, opset, counts)).toBe(expected),
  );

  it.each<[string, [number, number], string]>([
    ["SkipLayerNormalization", [5, 4], "hhhhh>hffh"],
    ["GroupNorm", [3, 1], "hff>h"],
    ["EmbedLayerNormalization", [9, 3], "--hhhhh-->h-h"],
    ["GroupQueryAttention", [7, 3], "hhhhh-->hhh"],
    ["CDist", [2, 1], "ff>f"],
  ])("com.microsoft:%s with %j inputs and outputs is %s", async (op, counts, expected) =>
    expect(await form(op, 17, counts, {}, "com.microsoft")).toBe(expected),
  );

  it("has no type for inputs and outputs that are left out", async () => {
    const found = halfForm(await read("Clip", ["x", "", "high"], ["y"]), 13);
    expect(found?.inputs).toEqual(["half", "none", "half"]);
  });

  it("keeps a result in FP32 whose type an attribute names, unless that attribute is rewritten", async () => {
    expect(await form("MelWeightMatrix", 17, [5, 1])).toBe("---hh>f");
    expect(await form("DequantizeLinear", 23, [2, 1], { output_dtype: 1 })).toBe("-h>f");
    expect(await form("EyeLike", 9, [1, 1], { dtype: 1 })).toBe("h>f");
    expect(await form("Cast", 13, [1, 1], { to: 1 })).toBe("h>h");
  });

  it("is another question for BF16", async () => {
    const layerNorm = await read("LayerNormalization", inputs(3), outputs(3));
    expect(halfForm(layerNorm, 17, "bfloat16")?.outputs).toEqual(["half", "half", "half"]);
    expect(halfForm(await read("Add", inputs(2), outputs(1)), 7, "bfloat16")?.inputs).toEqual(["full", "full"]);
    expect(mustStayFull(await read("Add", inputs(2), outputs(1)), new Set(), 7, "bfloat16")).toMatch(/BF16 for Add from opset 13 on/);
  });

  it("asks the version of its own domain, and the newest where that is not given", async () => {
    const cumSum = await read("CumSum", inputs(2), outputs(1));
    expect(isFixedInput(cumSum, 0, new Map([["", 11]]))).toBe(true);
    expect(isFixedInput(cumSum, 0, new Map([["com.example", 1]]))).toBe(false);
    expect(isFixedInput(cumSum, 0)).toBe(false);
    expect(isFixedOutput(cumSum, 0, 11)).toBe(true);
    const foreign = await read("CumSum", inputs(2), outputs(1), {}, "com.example");
    expect([isFixedInput(foreign, 0), isFixedOutput(foreign, 0)]).toEqual([false, false]);
  });
});

describe("operators that stay in FP32", () => {
  it("are those whose schema has no FP16, with the version and its types", async () => {
    expect(await reason("MatMul")).toBeUndefined();
    expect(await reason("NonMaxSuppression", 17, [5, 1])).toBe("ONNX defines no FP16 form of NonMaxSuppression (version 11 allows FP32)");
    expect(await reason("CumSum", 13, [2, 1])).toBe("ONNX defines FP16 for CumSum from opset 14 on (version 11 allows FP32 and FP64)");
    expect(await reason("CumSum", 14, [2, 1])).toBeUndefined();
    expect(await reason("Range", 17, [3, 1])).toMatch(/from opset 27 on/);
    expect(await reason("CDist", 17, [2, 1], {}, "com.microsoft")).toMatch(/^ONNX Runtime defines no FP16 form of CDist/);
    expect(await reason("Scaler", 17, [1, 1], {}, "ai.onnx.ml")).toMatch(/no FP16 form of Scaler/);
    expect(await reason("HannWindow", 17)).toBe("its attribute output_datatype says FP32");
  });

  it("are those that nobody knows", async () => {
    expect(await reason("Unheard", 17, [1, 1], {}, "com.microsoft")).toMatch(/does not know the types of Unheard/);
    expect(await reason("Unheard")).toMatch(/does not know Unheard in opset 17/);
    expect(await reason("Swish", 23)).toMatch(/does not know Swish in opset 23/);
    for (const domain of ["com.example", "toString", "__proto__"])
      expect(await reason("MatMul", 17, [2, 1], {}, domain)).toMatch(/custom domain/);
    const call = await read("MatMul", ["x"], ["y"], {}, "local");
    expect(mustStayFull(call, new Set(["local:MatMul"]), 17)).toMatch(/local function/);
  });

  it("are those for which rounding what goes in and comes out means nothing", async () => {
    expect(await reason("QLinearMatMul", 21, [8, 1])).toMatch(/quantised/);
    for (const op of ["MatMulNBits", "QLinearAdd", "QAttention", "QMoE", "DynamicQuantizeLSTM", "MatMulBnb4", "QOrderedGelu"])
      expect(await reason(op, 17, [3, 1], {}, "com.microsoft"), op).toMatch(/quantised or packed/);
    expect(await reason("DequantizeLinear", 19, [3, 1])).toBeUndefined();
    expect(await reason("RandomNormalLike")).toMatch(/random/);
    expect(await reason("MeanVarianceNormalization", 13)).toMatch(/body .* FP32 constants/);
    expect(await reason("EyeLike", 9)).toMatch(/zeros and ones/);
    expect(await reason("BitCast", 26, [1, 1], { to: 6 })).toMatch(/bits/);
    expect(await reason("SequenceAt", 11, [2, 1])).toMatch(/sequence/);
    expect(await reason("SplitToSequence", 11, [2, 1])).toMatch(/sequence/);
  });

  it("are those that hold FP32 numbers in attributes", async () => {
    const value = { tensor: floats("", [1], [0.5]) };
    expect(await reason("TreeEnsemble", 17, [1, 1], { nodes_splits: value }, "ai.onnx.ml")).toBe(
      "its attribute nodes_splits holds FP32 numbers",
    );
    expect(await reason("Constant", 17, [0, 1], { value })).toBeUndefined();
  });
});
