import { describe, expect, it } from "vitest";
import { seeded } from "../../../../../test/support/model-file.js";
import { dtypeOfFormat, namesInMetadata, readEngineInformation, withLayerTimes } from "./inspector.js";
import { recordedModels, recordedRegion, recordedText } from "./testing/recorded.js";

describe("readEngineInformation", () => {
  it("reads TensorRT 10: joined type, metadata, kernels", () => {
    const { layers, bindings, problems } = readEngineInformation(recordedText("bert-2x1024"));
    expect(problems).toEqual([]);
    expect(bindings).toEqual(["input_ids", "attention_mask", "token_type_ids", "last_hidden_state"]);
    expect(layers).toHaveLength(18);
    const product = layers.find((l) => l.name === "/encoder/layer_0/attention/output/dense/MatMul_myl0_5");
    expect(product).toMatchObject({
      kind: "gemm",
      nodes: ["/encoder/layer.0/attention/output/dense/MatMul", "/encoder/layer.0/attention/output/dense/Add"],
      computes: "float16",
      tactic: "sm80_xmma_gemm_f16f16_f16f16_f16_nn_n_tilesize32x32x64_stage6_warpsize2x2x1_tensor16x8x16",
    });
    expect(product?.outputs).toEqual([{ name: "__myln_k_arg__bb1_8", dtype: "float16", dims: [1, 128, 1024], format: "Half" }]);
    expect(layers.at(-1)).toMatchObject({ kind: "Reformat", computes: "mixed", nodes: [] });
    expect(layers.at(-1)?.outputs[0]?.dtype).toBe("float32");
  });

  it.each(recordedModels)("reads every layer of %s, and knows what those that compute compute in", (model) => {
    const text = recordedText(model);
    const { layers, problems } = readEngineInformation(text);
    expect(problems).toEqual([]);
    expect(layers).toHaveLength((JSON.parse(text) as { Layers: unknown[] }).Layers.length);
    expect(layers.filter((l) => l.nodes.length > 0 && l.computes === "unknown").map((l) => l.name)).toEqual([]);
    for (const tensor of layers.flatMap((l) => [...l.inputs, ...l.outputs])) expect(tensor.dtype).not.toBe("unknown");
  });

  it("reads what TensorRT 8.6.1 says of a BERT: one layer, in types that nobody is told", () => {
    const { layers, bindings, problems } = readEngineInformation(recordedText(recordedRegion));
    expect(problems).toEqual([]);
    expect(bindings).toEqual(["input_ids", "attention_mask", "token_type_ids", "last_hidden_state"]);
    expect(layers).toMatchObject([
      { kind: "Myelin", computes: "unknown", outputs: [{ dtype: "float16", dims: [1, 128, 512] }] },
      { kind: "Reformat", computes: "mixed", outputs: [{ name: "last_hidden_state", dtype: "float32" }] },
    ]);
  });

  it("reads TensorRT 8.6: long formats, no metadata, a kernel's number where it has no name", () => {
    const text = JSON.stringify({
      Layers: [
        {
          Name: "Conv_0 + Relu_1",
          LayerType: "CaskConvolution",
          Inputs: [{ Name: "x", Dimensions: [1, 3, 8, 8], "Format/Datatype": "Channel major FP16 format where channel % 4 == 0" }],
          Outputs: [{ Name: "y", Dimensions: [1, 8, 8, 8], "Format/Datatype": "Thirty-two wide channel vectorized row major FP16 format" }],
          ParameterType: "Convolution",
          Weights: { Type: "Half", Count: 216 },
          TacticValue: "0xe2222883a6602489",
        },
        {
          Name: "Pool_2",
          LayerType: "TiledPooling",
          Inputs: [{ Name: "y", Dimensions: [1, 8, 8, 8], "Format/Datatype": "Row major linear FP32" }],
          Outputs: [{ Name: "z", Dimensions: [1, 8, 4, 4], "Format/Datatype": "Row major linear FP32" }],
        },
      ],
      Bindings: ["x", "z"],
    });
    const { layers, bindings, problems } = readEngineInformation(text);
    expect(problems).toEqual([]);
    expect(bindings).toEqual(["x", "z"]);
    expect(layers).toMatchObject([
      { name: "Conv_0 + Relu_1", computes: "float16", tactic: "0xe2222883a6602489", nodes: [] },
      { name: "Pool_2", computes: "float32" },
    ]);
    expect(layers[1]).not.toHaveProperty("tactic");
    expect(layers[0]?.inputs[0]?.format).toBe("Channel major FP16 format where channel % 4 == 0");
  });

  it("reads TensorRT 11: type beside format, constants apart, I/O tensors as objects, metadata in other forms", () => {
    const tensor = (Name: string, Datatype: string) => ({
      Name,
      Dimensions: [-1, 16],
      Datatype,
      Format: "LINEAR",
      StrideOrder: [0, 1],
      Strides: [16, 1],
    });
    const text = JSON.stringify({
      ProfilingVerbosity: "DETAILED",
      Layers: [
        {
          Name: "gemm_0",
          LayerType: "gemm",
          Inputs: [tensor("tokens", "Half")],
          Constants: [tensor("weights", "Half")],
          Outputs: [{ ...tensor("out", ""), Datatype: undefined, DataType: "Float" }],
          TacticName: "sm100_xmma_gemm_f16f16_f16f32_f32_tn_n",
          Metadata: ["[ONNX Layer: a]", "[ONNX Layer: b | Local Function: f]"],
        },
        { Name: "n", LayerType: "kgen", Inputs: [], Outputs: [], Metadata: null },
        { Name: "o", LayerType: "kgen", Inputs: [], Outputs: [], Metadata: { x: "[ONNX Layer: c]", y: 3 } },
      ],
      "I/O Tensors": [{ Name: "tokens", IOMode: "Input" }, { Name: "out", IOMode: "Output" }, {}],
      "Engine Metadata": {},
    });
    const { layers, bindings, problems } = readEngineInformation(text);
    expect(problems).toEqual([]);
    expect(bindings).toEqual(["tokens", "out"]);
    expect(layers[0]).toMatchObject({
      nodes: ["a", "b"],
      inputs: [{ name: "tokens", dtype: "float16", dims: [-1, 16], format: "LINEAR Half" }, { name: "weights" }],
      outputs: [{ dtype: "float32" }],
      computes: "float16",
    });
    expect(layers.map((l) => l.nodes)).toEqual([["a", "b"], [], ["c"]]);
  });

  it("takes a bare list of layers, and bare names, which it says are too little", () => {
    const { layers, problems } = readEngineInformation(JSON.stringify(["Conv_0 + Relu_1", "Pool_2"]));
    expect(layers.map((l) => [l.name, l.computes])).toEqual([
      ["Conv_0 + Relu_1", "unknown"],
      ["Pool_2", "unknown"],
    ]);
    expect(problems).toEqual([expect.stringMatching(/without detailed profiling verbosity/)]);
  });

  it("reads text whose control characters are not escaped", () => {
    const { layers, problems } = readEngineInformation(
      '{"Layers": [\n{"Name": "a",\t"Metadata": "[ONNX Layer: a]\u001f[ONNX Layer: b]"}]}',
    );
    expect(problems.filter((p) => !p.includes("verbosity"))).toEqual([]);
    expect(layers[0]?.nodes).toEqual(["a", "b"]);
  });

  it.each([
    ["", /not JSON/],
    ["{", /not JSON/],
    ["3", /no list "Layers"/],
    ["null", /no list "Layers"/],
    ["{}", /no list "Layers"/],
    ['{"Layers": {}}', /no list "Layers"/],
    ['{"__proto__": {"Layers": [{"Name": "a"}]}}', /no list "Layers"/],
    ['{"Layers": [3, null, [], {"LayerType": "x"}, {"Name": 7}]}', /5 of 5 engine layers have no name/],
  ])("says what is wrong with %j", (text, problem) => {
    const { layers, problems } = readEngineInformation(text);
    expect(layers).toEqual([]);
    expect(problems).toContainEqual(expect.stringMatching(problem));
  });

  it("never throws and never invents, whatever is damaged", () => {
    const random = seeded(17);
    const good = recordedText("magika").slice(0, 6000);
    const junk: unknown[] = [null, 3, "x", [], {}, true, [[]], { Name: {} }, -1, "Half"];
    const pick = () => junk[Math.floor(random() * junk.length)];
    for (let i = 0; i < 300; i++) {
      const cut = Math.floor(random() * good.length);
      const { layers } = readEngineInformation(
        good.slice(0, cut) + String.fromCharCode(Math.floor(random() * 128)) + good.slice(cut + Math.floor(random() * 9)),
      );
      expect(Array.isArray(layers)).toBe(true);
    }
    const document = JSON.parse(recordedText("magika")) as { Layers: Record<string, unknown>[] };
    for (let i = 0; i < 300; i++) {
      const copy = structuredClone(document);
      const layer = copy.Layers[Math.floor(random() * copy.Layers.length)] ?? {};
      const keys = Object.keys(layer);
      layer[keys[Math.floor(random() * keys.length)] ?? ""] = pick();
      const { layers } = readEngineInformation(JSON.stringify(copy));
      expect(layers.length).toBeGreaterThanOrEqual(document.Layers.length - 1);
      for (const l of layers) for (const t of [...l.inputs, ...l.outputs]) expect(typeof t.name).toBe("string");
    }
  });
});

describe("namesInMetadata", () => {
  it("takes names with brackets, and drops properties and repetitions", () => {
    expect(namesInMetadata("[ONNX Layer: a[0]]\u001e[ONNX Layer: b | Local Function: f]\u001f[ONNX Layer: a[0]]")).toEqual(["a[0]", "b"]);
  });

  it("takes entries with nothing between them, and none of other text", () => {
    expect(namesInMetadata("[ONNX Layer: a][ONNX Layer: b]")).toEqual(["a", "b"]);
    expect(namesInMetadata("")).toEqual([]);
    expect(namesInMetadata("[Network Layer: a]")).toEqual([]);
  });
});

describe("dtypeOfFormat", () => {
  it.each([
    ["Half", "float16"],
    ["Float", "float32"],
    ["BFloat16", "bfloat16"],
    ["Int64", "int64"],
    ["Bool", "bool"],
    ["UInt8", "uint8"],
    ["FloatComplex", "unknown"],
    ["FP8", "float8e4m3fn"],
    ["FP4E2M1", "float4e2m1"],
    ["Row major linear FP16 format", "float16"],
    ["Row major linear FP32", "float32"],
    ["Row major linear BFloat16 format", "bfloat16"],
    ["Row major linear BOOL", "bool"],
    ["Row major INT8 format where column stride % 64 == 0", "int8"],
    ["Four wide channel vectorized row major Int8 format", "int8"],
    ["Row major linear UInt8 format", "uint8"],
    ["Unknown format", "unknown"],
    ["N/A due to dynamic shapes", "unknown"],
    ["", "unknown"],
  ])("of %j is %s", (format, dtype) => {
    expect(dtypeOfFormat(format)).toBe(dtype);
  });
});

describe("withLayerTimes", () => {
  it("shares the time of one name among its layers, and leaves out what was not timed", () => {
    const { layers } = readEngineInformation(JSON.stringify(["a", "b", "a", "c"]));
    const timed = withLayerTimes(
      layers,
      new Map([
        ["a", 3],
        ["b", 0.5],
        ["z", 9],
      ]),
    );
    expect(timed.map((l) => l.milliseconds)).toEqual([1.5, 0.5, 1.5, undefined]);
  });
});
