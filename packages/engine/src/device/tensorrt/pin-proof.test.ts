import type { DType, EngineLayer, EngineTensor } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { computesOf } from "./computes.js";
import { readEngineInformation } from "./inspector.js";
import { mapLayers } from "./layer-map.js";
import type { MapGraph } from "./map-graph.js";
import { halfTimeShare, provePins } from "./pin-proof.js";
import { recordedGraph, recordedRegion, recordedText } from "./testing/recorded.js";

const tensors = (which: string, types: readonly DType[]): EngineTensor[] =>
  types.map((dtype, i) => ({ name: `${which}${i}`, dtype, dims: [1], format: dtype }));

function engineLayer(
  name: string,
  nodes: readonly string[],
  inputs: readonly DType[],
  outputs: readonly DType[],
  kernel?: string,
): EngineLayer {
  const facts = { name, kernel, inputs: tensors("in", inputs), outputs: tensors("out", outputs) };
  return {
    name,
    kind: "kgen",
    nodes,
    inputs: facts.inputs,
    outputs: facts.outputs,
    ...(kernel !== undefined && { tactic: kernel }),
    computes: computesOf(facts),
  };
}

const graphOf = (nodes: Readonly<Record<string, string>>): MapGraph => {
  const names = Object.keys(nodes);
  return {
    inputs: new Set(["x"]),
    outputs: [`${names.at(-1)}:0`],
    nodes: names.map((name, i) => ({
      name,
      opType: nodes[name] ?? "",
      inputs: [i === 0 ? "x" : `${names[i - 1]}:0`],
      outputs: [`${name}:0`],
    })),
  };
};

const half16 = "sm80_xmma_gemm_f16f16_f16f16_f16_nn_n";
const half32 = "sm90_xmma_gemm_f16f16_f16f32_f32_nn_n";
const full = "sm80_xmma_gemm_f32f32_f32f32_f32_nn_n";

describe("provePins", () => {
  const graph = graphOf({
    before: "Mul",
    up: "Cast",
    mean: "ReduceMean",
    square: "Pow",
    down: "Cast",
    product: "MatMul",
    bias: "Add",
    move: "Transpose",
  });
  const prove = (layers: readonly EngineLayer[], nodes: readonly string[], typing: "typed" | "weak" = "typed") => {
    const [proof] = provePins([{ layer: "pinned", nodes }], mapLayers(layers, graph), graph, typing);
    return proof ?? { outcome: "nothing", evidence: "" };
  };

  it("took effect where the kernel multiplies in FP32", () => {
    const proof = prove([engineLayer("product", ["product", "bias"], ["float32"], ["float32"], full)], ["product", "bias"]);
    expect(proof).toEqual({
      layer: "pinned",
      nodes: ["product", "bias"],
      outcome: "took-effect",
      evidence: `"product" (kgen, kernel ${full} in FP32) computes its nodes in FP32.`,
    });
  });

  it("is ignored where the kernel multiplies in FP16, whatever it sums in, and says what it sums in", () => {
    expect(prove([engineLayer("product", ["product", "bias"], ["float16"], ["float16"], half32)], ["product", "bias"])).toMatchObject({
      outcome: "ignored",
      evidence: expect.stringContaining("in FP16, sums in FP32) computes its nodes in FP16."),
    });
    expect(prove([engineLayer("product", ["up", "product", "down"], ["float32"], ["float32"], half16)], ["product"])).toMatchObject({
      outcome: "ignored",
    });
  });

  it("moved where nodes that were not pinned share the FP32 layer", () => {
    expect(prove([engineLayer("fused", ["mean", "square", "bias"], ["float32"], ["float32"])], ["mean", "square"])).toMatchObject({
      outcome: "moved",
      evidence: expect.stringContaining("together with 1 node that was not pinned (bias)"),
    });
  });

  it("took effect where the others in the layer are casts and movements, or pinned by another pin", () => {
    const layers = [engineLayer("fused", ["mean", "square", "move", "up", "bias"], ["float32"], ["float32"])];
    const proofs = provePins(
      [
        { layer: "norm", nodes: ["mean", "square"] },
        { layer: "bias", nodes: ["bias"] },
      ],
      mapLayers(layers, graph),
      graph,
      "typed",
    );
    expect(proofs.map((p) => p.outcome)).toEqual(["took-effect", "took-effect"]);
  });

  it("took effect in a strongly typed kernel with FP16 borders that has the graph's casts inside", () => {
    const kernel = "__myl_CasMeaMulCas_0x12";
    const fused = engineLayer("__myl_CasMeaMulCas_myl0_1", ["up", "mean", "square", "down"], ["float16"], ["float16"], kernel);
    expect(fused.computes).toBe("mixed");
    expect(prove([fused], ["mean", "square"])).toMatchObject({
      outcome: "took-effect",
      evidence: expect.stringContaining("borders in FP16, 1 cast inside"),
    });
  });

  it("takes no cast for proof that has nothing to do with the pin", () => {
    const fused = engineLayer("PWN(x)", ["up", "product", "bias"], ["float16"], ["float16"]);
    expect(prove([fused], ["bias"])).toMatchObject({ outcome: "ignored" });
    expect(prove([engineLayer("PWN(x)", ["up", "mean"], ["float16"], ["float16"])], ["mean"])).toMatchObject({ outcome: "took-effect" });
    expect(prove([engineLayer("PWN(x)", ["up", "mean"], ["float16"], ["float16"])], ["mean"], "weak")).toMatchObject({
      outcome: "ignored",
    });
  });

  it("is ignored in a kernel with FP16 borders and no cast", () => {
    const fused = engineLayer("__myl_MeaMul_myl0_1", ["mean", "square"], ["float16"], ["float16"], "__myl_MeaMul_0x12");
    for (const typing of ["typed", "weak"] as const)
      expect(prove([fused], ["mean", "square"], typing)).toMatchObject({ outcome: "ignored" });
  });

  it("looks at what is between casts in a weakly typed kernel", () => {
    const fused = (ops: string) =>
      engineLayer(`__myl_${ops}_myl0_1`, ["before", "mean", "square"], ["float16"], ["float16"], `__myl_${ops}_0x12`);
    expect(prove([fused("MulCasMeaMulCas")], ["mean", "square"], "weak")).toMatchObject({ outcome: "moved" });
    expect(prove([fused("MulMeaCasMulCas")], ["mean", "square"], "weak")).toMatchObject({ outcome: "ignored" });
    // The casts at the end convert outputs: nothing runs in FP32 there.
    expect(prove([fused("MulMeaMulCasCas")], ["mean", "square"], "weak")).toMatchObject({ outcome: "ignored" });
  });

  it("holds a kernel that only casts a product's input in front of it against nobody", () => {
    // As TensorRT 10.6 told of a pinned MatMul on an H200: the normalization in front of it casts its output.
    const norm = engineLayer(
      "__myl_AddMeaMulAddCas_myl0_143",
      ["before", "mean", "square", "product"],
      ["float16"],
      ["float16", "float32"],
      "__myl_AddMeaMulAddCas_0xd17e",
    );
    const gemm = engineLayer("product_myl0_144", ["product", "bias"], ["float32"], ["float32"], full);
    expect(prove([norm, gemm], ["product", "bias"])).toMatchObject({ outcome: "took-effect" });
    expect(prove([norm], ["product"])).toMatchObject({ outcome: "ignored" });
    const half = engineLayer("product_myl0_144", ["product", "bias"], ["float16"], ["float16"], half16);
    expect(prove([norm, half], ["product", "bias"])).toMatchObject({ outcome: "ignored" });
    // Nor does the node that only reads its cast share the layer of a pinned normalization.
    const inFull = engineLayer(
      "__myl_CasMeaMulCas_myl0_1",
      ["up", "mean", "square", "down", "product"],
      ["float16"],
      ["float16"],
      "__myl_CasMeaMulCas_0x12",
    );
    expect(prove([inFull, half], ["mean", "square"])).toMatchObject({ outcome: "took-effect" });
  });

  it("is unknown where nothing tells the type, and says so instead of guessing", () => {
    const unknown = engineLayer("_gemm_mha_v2", ["product"], ["float16", "float32"], ["float16"], "_gemm_mha_v2_0x3d");
    expect(prove([unknown], ["product"], "weak")).toMatchObject({
      outcome: "unknown",
      evidence: expect.stringContaining("does not say what 1 engine layer"),
    });
    const bare = engineLayer("product", ["product"], [], []);
    expect(prove([bare], ["product"])).toMatchObject({ outcome: "unknown" });
    // One layer that proves its part does not speak for another one, but one in FP16 does.
    const norm = engineLayer("norm", ["mean", "square"], ["float32"], ["float32"]);
    expect(prove([norm, bare], ["product", "mean", "square"])).toMatchObject({ outcome: "unknown" });
    const integers = engineLayer("index", ["product"], ["int32"], ["int32"]);
    expect(prove([norm, integers], ["product", "mean", "square"])).toMatchObject({ outcome: "took-effect" });
    expect(prove([integers], ["product"])).toMatchObject({ outcome: "unknown" });
    const half = engineLayer("bias", ["bias"], ["float16"], ["float16"]);
    expect(prove([half, bare], ["product", "bias"])).toMatchObject({ outcome: "ignored" });
  });

  it("is unknown in a region that was compiled as one, whatever its borders hold", () => {
    const name = "{ForeignNode[product...down]}";
    for (const border of ["float16", "float32"] as const) {
      const proof = prove([engineLayer(name, ["product", "bias"], [border], [border])], ["product", "bias"], "weak");
      expect(proof).toMatchObject({ outcome: "unknown", evidence: expect.stringContaining(`"${name}" (`) });
      expect(proof?.evidence).toMatch(/2 nodes compiled as one\)\. What the pin is worth shows in the error\.$/);
    }
  });

  it("is not found where no layer holds its nodes, with the reasons", () => {
    const layers = [engineLayer("product", ["product"], ["float32"], ["float32"], full)];
    expect(prove(layers, ["mean", "square"])).toMatchObject({
      outcome: "not-found",
      evidence: "No engine layer holds any of its 2 nodes: fused or folded, and named by no engine layer.",
    });
    expect(prove(layers, ["nowhere"])).toMatchObject({ evidence: expect.stringContaining("not in the graph that was built") });
  });

  it("is ignored as soon as one of its nodes runs in FP16, and counts those that are nowhere", () => {
    const layers = [engineLayer("a", ["mean"], ["float32"], ["float32"]), engineLayer("b", ["square"], ["float16"], ["float16"])];
    const proof = prove(layers, ["mean", "square", "bias"]);
    expect(proof).toMatchObject({ outcome: "ignored", evidence: expect.stringMatching(/^"b" .* 1 node of it is in no engine layer\.$/) });
  });

  it("does not hold a Transpose in FP16 against a pin that computes in FP32", () => {
    const layers = [engineLayer("a", ["mean"], ["float32"], ["float32"]), engineLayer("b", ["move"], ["float16"], ["float16"])];
    expect(prove(layers, ["mean", "move"])).toMatchObject({ outcome: "took-effect" });
    expect(prove(layers, ["move"])).toMatchObject({ outcome: "ignored" });
  });

  it("finds no pin in the all-FP16 engines that an H200 ran", () => {
    for (const model of ["bert-2x1024", "yolox-nano"] as const) {
      const recorded = recordedGraph(model);
      const map = mapLayers(readEngineInformation(recordedText(model)).layers, recorded);
      const pins = recorded.nodes
        .filter((n) => /MatMul|Conv|ReduceMean|Sqrt|Pow/.test(n.opType))
        .map((n) => ({ layer: n.name, nodes: [n.name] }));
      const outcomes = new Map<string, number>();
      for (const { outcome } of provePins(pins, map, recorded, "weak")) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      expect(Object.fromEntries(outcomes)).toEqual({ ignored: pins.length });
    }
  });

  it("knows of no pin in the one layer that TensorRT 8.6.1 made of a BERT, and of no time in FP16", () => {
    const recorded = recordedGraph(recordedRegion);
    const map = mapLayers(readEngineInformation(recordedText(recordedRegion)).layers, recorded);
    const pins = recorded.nodes.filter((n) => /MatMul|ReduceMean|Pow/.test(n.opType)).map((n) => ({ layer: n.name, nodes: [n.name] }));
    expect(pins.length).toBeGreaterThan(50);
    const proofs = provePins(pins, map, recorded, "weak");
    expect(proofs.filter((p) => p.outcome !== "unknown")).toEqual([]);
    expect(proofs[0]?.evidence).toContain("318 nodes compiled as one");
    expect(halfTimeShare(map.layers.map((l) => ({ ...l, milliseconds: 1 })))).toBeUndefined();
  });

  it("finds what TensorRT left in FP32 by itself", () => {
    const recorded = recordedGraph("magika");
    const map = mapLayers(readEngineInformation(recordedText("magika")).layers, recorded);
    const node = "jax2tf_get_logits_/pjit_get_logits_/MagikaV2/Dense_1/MatMul";
    const [alone] = provePins([{ layer: "dense", nodes: [node] }], map, recorded, "weak");
    expect(alone).toMatchObject({ outcome: "moved", evidence: expect.stringContaining("Dense_1/AddV2") });
    const [both] = provePins([{ layer: "dense", nodes: [node, node.replace("MatMul", "AddV2")] }], map, recorded, "weak");
    expect(both).toMatchObject({ outcome: "took-effect", evidence: expect.stringContaining("in FP32") });
  });
});

describe("halfTimeShare", () => {
  const timed = (computes: EngineLayer["computes"], milliseconds?: number): EngineLayer => ({
    name: "",
    kind: "",
    nodes: [],
    inputs: [],
    outputs: [],
    computes,
    ...(milliseconds !== undefined && { milliseconds }),
  });

  it("is the share of time, not of layers; mixed layers count as not", () => {
    expect(
      halfTimeShare([timed("float16", 6), timed("bfloat16", 1), timed("float32", 2), timed("mixed", 1), timed("float16")]),
    ).toBeCloseTo(0.7, 12);
  });

  it("is undefined where a region that was compiled as one takes time, but not for copies beside it", () => {
    const region = { ...timed("unknown", 5), name: "{ForeignNode[a...b]}" };
    expect(halfTimeShare([timed("float16", 6), region])).toBeUndefined();
    expect(halfTimeShare([timed("float16", 99), { ...region, milliseconds: 1 }])).toBe(0.99);
    expect(halfTimeShare([timed("float16", 6), { ...timed("mixed", 2), name: `Reformatting CopyNode for ${region.name}` }])).toBe(0.75);
  });

  it("is undefined without times, and leaves out what is no time", () => {
    expect(halfTimeShare([timed("float16")])).toBeUndefined();
    expect(halfTimeShare([timed("float16", Number.NaN), timed("float32", 2)])).toBe(0);
  });
});
