import type { MessageKind } from "@halfscope/core";

export interface MessageRule {
  pattern: RegExp;
  kind: MessageKind;
  /** What the first group holds: one name, or several apart by commas. */
  names?: "one" | "list";
}

/**
 * What engines are known to say. The first rule that fits counts. Origins: "nvinfer" are texts in the library itself (libnvinfer 10.6; those of 8.x and later
 * ones as users quote them), "parser" is onnx-tensorrt (8.6 `onnx2trt_utils.cpp`, 10 `ModelImporter.cpp`, `WeightsContext.cpp`), "ort" is ONNX Runtime.
 */
export const messageRules: readonly MessageRule[] = [
  // nvinfer, 8.5 to 10: decomposed normalizations in a network with FP16 allowed. Some versions list the nodes.
  { pattern: /^Detected layernorm nodes in FP16(?::\s*(.*?))?\.?$/s, kind: "layer-norm-overflow", names: "list" },
  {
    pattern: /Running layernorm after self-attention (?:in FP16|with FP16 Reduce or Pow) may cause overflow/i,
    kind: "layer-norm-overflow",
  },
  // ort, TensorRT provider with trt_layer_norm_fp32_fallback.
  { pattern: /Force Pow \+ Reduce ops in layer norm to run in FP32/i, kind: "layer-norm-overflow" },

  // nvinfer, weights as they are stored: "- 12 weights are affected by this issue: Detected ..." since 8.5, "- Subnormal FP16 values detected." before. In this
  // order: the text of the second holds the word of the first.
  { pattern: /values? less than smallest positive (?:FP|BF)16 subnormal values?/i, kind: "weight-underflow" },
  { pattern: /Detected subnormal (?:FP|BF)16 values|Subnormal (?:FP|BF)16 values detected/i, kind: "weight-subnormal" },
  { pattern: /finite FP32 values which would overflow in (?:FP|BF)16|FP32 infinity values and converted/i, kind: "weight-overflow" },
  { pattern: /Values? (?:larger|greater) than largest finite (?:FP|BF)16|outside of? (?:the )?FP16 range/i, kind: "weight-overflow" },

  // parser: integers and doubles that its types do not hold.
  { pattern: /Weight at index \d+: \S+ is out of range\. Clamping to/i, kind: "constant-clamped" },
  { pattern: /One or more weights outside the range of \w+ was clamped/i, kind: "constant-clamped" },
  { pattern: /generated with (?:INT64|double-typed) weights/i, kind: "type-cast" },
  { pattern: /^(?:.*: )?Make sure (?:input|output) (.*?) has Int64 binding/is, kind: "type-cast", names: "one" },
  { pattern: /doesn't support INT64 for inputs, will cast to INT32/i, kind: "type-cast" },

  // nvinfer: what was asked for and cannot be had.
  { pattern: /No implementation of layer (.*?) obeys the requested constraints/s, kind: "precision-fallback", names: "one" },
  {
    pattern: /No valid obedient candidate choices for node (.*?) that meet the preferred precision/s,
    kind: "precision-fallback",
    names: "one",
  },
  { pattern: /No IAlgorithm obeys the requested constraints for (.*?) in strict mode/s, kind: "precision-fallback", names: "one" },
  { pattern: /Could not find any implementation for node (\{ForeignNode\[.*?\]\})/s, kind: "no-implementation", names: "one" },
  {
    pattern: /Could not find any implementation for node (.*?)(?: due to insufficient workspace|\.\)|\. In \S+ at|\.?\s*$|\. See )/s,
    kind: "no-implementation",
    names: "one",
  },

  // nvinfer and CUDA: memory. "insuficient" is 8's spelling.
  { pattern: /Skipping tactic .* due to insuff?icient memory/is, kind: "memory" },
  { pattern: /Tactic Device request: .*Available:/i, kind: "memory" },
  { pattern: /Some tactics do not have sufficient workspace memory to run/i, kind: "memory" },
  { pattern: /Requested amount of GPU memory \(\d+ bytes\) could not be allocated/i, kind: "memory" },
  { pattern: /out of memory|Failed to allocate memory for requested buffer/i, kind: "memory" },

  // ort: nodes that its CPU provider runs.
  { pattern: /Force fallback to CPU execution for node: ?(.*?)(?: because .*)?$/is, kind: "cpu-fallback", names: "one" },
  { pattern: /Fallback to CPU execution provider for Op type: ?\S* node name: ?(.*)$/is, kind: "cpu-fallback", names: "one" },
  { pattern: /kernel not found in registries for Op type: ?\S* node name: ?(.*)$/is, kind: "cpu-fallback", names: "one" },
  { pattern: /Some nodes were not assigned to the preferred execution providers/i, kind: "cpu-fallback" },
  { pattern: /\d+ Memcpy nodes are added to the graph/i, kind: "cpu-fallback" },
];
