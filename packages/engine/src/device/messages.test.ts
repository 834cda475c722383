import { describe, expect, it } from "vitest";
import { mergeMessages, type RawMessage, readMessages, recognise } from "./messages.js";

const warnings = (...texts: string[]): RawMessage[] => texts.map((text) => ({ severity: "warning", text }));

describe("recognise", () => {
  it.each([
    // nvinfer, as libnvinfer 10.6 holds them.
    [
      "Running layernorm after self-attention with FP16 Reduce or Pow may cause overflow. Forcing Reduce or Pow Layers in FP32 precision, or exporting the model to use INormalizationLayer (available with ONNX opset >= 17) can help preserving accuracy.",
      "layer-norm-overflow",
      [],
    ],
    // 8.6.1, as an H200 said it.
    [
      "Running layernorm after self-attention in FP16 may cause overflow. Exporting the model to the latest available ONNX opset (later than opset 17) to use the INormalizationLayer, or forcing layernorm layers to run in FP32 precision can help with preserving accuracy.",
      "layer-norm-overflow",
      [],
    ],
    ["Detected layernorm nodes in FP16.", "layer-norm-overflow", []],
    ["Detected layernorm nodes in FP16: /a/ReduceMean, /a/Pow", "layer-norm-overflow", ["/a/ReduceMean", "/a/Pow"]],
    ["240 weights are affected by this issue: Detected subnormal FP16 values.", "weight-subnormal", []],
    [
      "201 weights are affected by this issue: Detected values less than smallest positive FP16 subnormal value and converted them to the FP16 minimum subnormalized value.",
      "weight-underflow",
      [],
    ],
    [
      "1 weights are affected by this issue: Detected finite FP32 values which would overflow in FP16 and converted them to the closest finite FP16 value.",
      "weight-overflow",
      [],
    ],
    [
      "1 weights are affected by this issue: Detected FP32 infinity values and converted them to corresponding FP16 infinity.",
      "weight-overflow",
      [],
    ],
    ["3 weights are affected by this issue: Detected subnormal BF16 values.", "weight-subnormal", []],
    [
      "No implementation of layer /a/Softmax obeys the requested constraints. I.e. no conforming implementation was found for requested layer computation precision and output precision. Using fastest implementation instead.",
      "precision-fallback",
      ["/a/Softmax"],
    ],
    [
      "No valid obedient candidate choices for node /b + /c that meet the preferred precision. The remaining candidate choices will be profiled.",
      "precision-fallback",
      ["/b + /c"],
    ],
    [
      "IBuilder::buildSerializedNetwork: Error Code 10: Internal Error (Could not find any implementation for node {ForeignNode[ONNXTRT_Broadcast_8.../layer.1/Add_1]}. In computeCosts at optimizer/common/tactic/optimizer.cpp:4132)",
      "no-implementation",
      ["{ForeignNode[ONNXTRT_Broadcast_8.../layer.1/Add_1]}"],
    ],
    [
      "10: [optimizer.cpp::computeCosts::3869] Error Code 10: Internal Error (Could not find any implementation for node Conv_12.)",
      "no-implementation",
      ["Conv_12"],
    ],
    [
      "Could not find any implementation for node a.b due to insufficient workspace. See verbose log for requested sizes.",
      "no-implementation",
      ["a.b"],
    ],
    [
      "Some tactics do not have sufficient workspace memory to run. Increasing workspace size will enable more tactics, please check verbose output for requested sizes.",
      "memory",
      [],
    ],
    ["Tactic Device request: 448MB Available: 425MB. Device memory is insufficient to use tactic.", "memory", []],
    ["Skipping tactic 3 due to insuficient memory on requested size of 449 detected for tactic 4.", "memory", []],
    [
      "UNSUPPORTED_STATE: Skipping tactic 33 due to insufficient memory on requested size of 629145600 detected for tactic 0xa5a46bfbd719d757.",
      "memory",
      [],
    ],
    [
      "Requested amount of GPU memory (8589934592 bytes) could not be allocated. There may not be enough free memory for allocation to succeed.",
      "memory",
      [],
    ],
    // parser
    [
      "onnx2trt_utils.cpp:374: Your ONNX model has been generated with INT64 weights, while TensorRT does not natively support INT64. Attempting to cast down to INT32.",
      "type-cast",
      [],
    ],
    [
      "Your ONNX model has been generated with double-typed weights, while TensorRT does not natively support double. Attempting to cast down to float.",
      "type-cast",
      [],
    ],
    ["ModelImporter.cpp:420: Make sure input position_ids has Int64 binding.", "type-cast", ["position_ids"]],
    ["Make sure output indices has Int64 binding.", "type-cast", ["indices"]],
    ["Weight at index 0: -9223372036854775807 is out of range. Clamping to: -2147483648", "constant-clamped", []],
    ["One or more weights outside the range of FLOAT was clamped", "constant-clamped", []],
    // ort
    [
      "Some nodes were not assigned to the preferred execution providers which may or may not have an negative impact on performance. e.g. ORT explicitly assigns shape related ops to CPU to improve perf.",
      "cpu-fallback",
      [],
    ],
    [
      "10 Memcpy nodes are added to the graph main_graph for CUDAExecutionProvider. It might have negative impact on performance (including unable to run CUDA graph).",
      "cpu-fallback",
      [],
    ],
    ["Force fallback to CPU execution for node: Slice_63", "cpu-fallback", ["Slice_63"]],
    [
      "Force fallback to CPU execution for node: Slice_63 because the CPU execution path is deemed faster than overhead involved with execution on other EPs",
      "cpu-fallback",
      ["Slice_63"],
    ],
    [
      "CUDA kernel not supported. Fallback to CPU execution provider for Op type: Conv node name: a/b c/conv",
      "cpu-fallback",
      ["a/b c/conv"],
    ],
    ["CUDAExecutionProvider kernel not found in registries for Op type: NonZero node name: /NonZero", "cpu-fallback", ["/NonZero"]],
    ["CUDA failure 2: out of memory ; GPU=0", "memory", []],
    // none of these
    ["Using default for use_dla: off", "other", []],
    ["", "other", []],
  ] as const)("%j is %s", (text, kind, names) => {
    expect(recognise(text)).toEqual({ kind, names });
  });
});

describe("readMessages", () => {
  it("takes off what loggers put in front", () => {
    const texts = readMessages(
      warnings(
        "2025-05-07 09:14:14.906816010 [W:onnxruntime:, transformer_memcpy.cc:83 ApplyImpl] 10 Memcpy nodes are added to the graph main_graph for CUDAExecutionProvider.",
        "[03/02/2023-11:38:41] [W] [TRT] Weight at index 0: 1 is out of range. Clamping to: 0",
        "[03/02/2023-11:38:41] [TRT] [W]  - 7 weights are affected by this issue: Detected subnormal FP16 values.",
      ),
    ).map((m) => m.text);
    expect(texts).toEqual([
      "10 Memcpy nodes are added to the graph main_graph for CUDAExecutionProvider.",
      "Weight at index 0: 1 is out of range. Clamping to: 0",
      "7 weights are affected by this issue: Detected subnormal FP16 values.",
    ]);
  });

  it("keeps what was said once, with how often, in order; other severities apart", () => {
    const said = readMessages([...warnings("b", "a", "b", "b"), { severity: "error", text: "b" }]);
    expect(said).toEqual([
      { severity: "warning", kind: "other", text: "b", count: 3 },
      { severity: "warning", kind: "other", text: "a", count: 1 },
      { severity: "error", kind: "other", text: "b", count: 1 },
    ]);
  });

  it("counts lines that differ in amounts of memory as one", () => {
    const [message, ...rest] = readMessages(
      warnings(
        "Tactic Device request: 448MB Available: 425MB. Device memory is insufficient to use tactic.",
        "Tactic Device request: 461MB Available: 427MB. Device memory is insufficient to use tactic.",
      ),
    );
    expect(rest).toEqual([]);
    expect(message).toMatchObject({ count: 2, kind: "memory", text: expect.stringContaining("448MB") });
  });

  it("gathers the nodes that run on the CPU", () => {
    expect(
      readMessages(
        warnings(
          "Force fallback to CPU execution for node: a",
          "Force fallback to CPU execution for node: b",
          "Force fallback to CPU execution for node: a",
        ),
      ),
    ).toEqual([
      {
        severity: "warning",
        kind: "cpu-fallback",
        text: "Force fallback to CPU execution for node: a",
        count: 3,
        names: ["a", "b"],
      },
    ]);
  });

  it("gives the weights of TensorRT 8.5 to their issues, line by line", () => {
    const lines = (name: string, ...issues: string[]) => [
      `Weights [name=${name}] had the following issues when converted to FP16:`,
      ...issues,
      "If this is not the desired behavior, please modify the weights or retrain with regularization to reduce the magnitude of the weights.",
    ];
    const subnormal = " - Subnormal FP16 values detected. ";
    const under = " - Values less than smallest positive FP16 Subnormal value detected. Converting to FP16 minimum subnormalized value. ";
    expect(readMessages(warnings(...lines("Conv_1.weight", subnormal, under), ...lines("Conv_2 + PWN(a, b).weight", subnormal)))).toEqual([
      {
        severity: "warning",
        kind: "weight-subnormal",
        text: "Subnormal FP16 values detected.",
        count: 2,
        names: ["Conv_1.weight", "Conv_2 + PWN(a, b).weight"],
      },
      {
        severity: "warning",
        kind: "weight-underflow",
        text: "Values less than smallest positive FP16 Subnormal value detected. Converting to FP16 minimum subnormalized value.",
        count: 1,
        names: ["Conv_1.weight"],
      },
    ]);
  });

  it("gives the list of affected weights, which TensorRT 10 says in verbose lines only, to the issue in front of it", () => {
    const said = readMessages([
      ...warnings(
        "TensorRT encountered issues when converting weights between types and that could affect accuracy.",
        "If this is not the desired behavior, please modify the weights or retrain with regularization to adjust the magnitude of the weights.",
        "Check verbose logs for the list of affected weights.",
        "- 2 weights are affected by this issue: Detected subnormal FP16 values.",
      ),
      { severity: "verbose", text: "  List of affected weights: a.weight, b.weight" },
      ...warnings(
        "- 1 weights are affected by this issue: Detected finite FP32 values which would overflow in FP16 and converted them to the closest finite FP16 value.",
      ),
      { severity: "verbose", text: "  List of affected weights: mask" },
    ]);
    expect(said.map(({ kind, names, count }) => ({ kind, names, count }))).toEqual([
      { kind: "weight-subnormal", names: ["a.weight", "b.weight"], count: 1 },
      { kind: "weight-overflow", names: ["mask"], count: 1 },
    ]);
  });

  it("leaves verbose lines out, unless they name something recognised", () => {
    expect(
      readMessages([
        { severity: "verbose", text: "Registering layer: Conv_1 for ONNX node: Conv_1" },
        { severity: "verbose", text: "Tactic Device request: 1MB Available: 2MB." },
        { severity: "verbose", text: "Force fallback to CPU execution for node: a" },
      ]),
    ).toEqual([{ severity: "info", kind: "cpu-fallback", text: "Force fallback to CPU execution for node: a", count: 1, names: ["a"] }]);
  });

  it("cuts texts that never end, and still reads the names in them", () => {
    const name = `{ForeignNode[${"x".repeat(5000)}...b]}`;
    const [message] = readMessages(warnings(`Could not find any implementation for node ${name}.`));
    expect(message?.names).toEqual([name]);
    expect(message?.text.length).toBeLessThan(2100);
  });

  it("gets through hostile text, where patterns could go back and forth", () => {
    const hostile = [
      "No implementation of layer ".repeat(4000),
      `Make sure input ${"a ".repeat(50_000)}`,
      `Skipping tactic ${"due to ".repeat(20_000)}`,
      ": ".repeat(50_000),
    ];
    expect(readMessages(warnings(...hostile))).toHaveLength(hostile.length);
  });
});

describe("mergeMessages", () => {
  it("adds counts and names of several builds", () => {
    const once = readMessages(warnings("a", "Force fallback to CPU execution for node: x"));
    const again = readMessages(warnings("Force fallback to CPU execution for node: y", "a", "a", "c"));
    expect(mergeMessages([once, again])).toEqual([
      { severity: "warning", kind: "other", text: "a", count: 3 },
      { severity: "warning", kind: "cpu-fallback", text: "Force fallback to CPU execution for node: x", count: 2, names: ["x", "y"] },
      { severity: "warning", kind: "other", text: "c", count: 1 },
    ]);
  });
});
