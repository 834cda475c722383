import type { DeviceResult, EngineMessage, EngineRecord, EngineTensor, LatencySummary, PinProof } from "@halfscope/core";
import { deviceTensors, type RecordedErrors } from "./example-device-tensors.js";
import { stats } from "./example-stats.js";
import { randomFrom } from "./random.js";

export interface ExampleDeviceOptions {
  /** Per-tensor errors that an H200 measured; a handful of made-up ones when absent. */
  recorded?: RecordedErrors;
  /** Defaults to 0.01. */
  tolerance?: number;
  /** Pinned layers of the recommended set. */
  pins?: readonly string[];
  /** Applied to every name and text: hostile ones for tests. */
  rename?: (name: string) => string;
  /** "agrees": engine and prediction say the same; "refuted": the recommended pins fail on the engine, one is ignored, nodes fall back. Defaults to "agrees". */
  story?: "agrees" | "refuted";
}

/**
 * What TensorRT 10.6 on an H200 might leave in a result of BERT-large. Errors of tensors are the recorded ones, build times and latencies those that were measured there;
 * predictions are made up, with the spread that they have. For tests and for looking at a report. Deterministic.
 */
export function exampleDevice(options: ExampleDeviceOptions = {}): DeviceResult {
  const { recorded, tolerance = 0.01, pins = [], rename = (n: string) => n, story = "agrees" } = options;
  const refuted = story === "refuted";
  const random = randomFrom(7);
  const output = rename(recorded?.outputsUnmarked[0]?.[0] ?? "last_hidden_state");
  const engine = (
    about: Pick<EngineRecord, "role" | "title" | "typing" | "buildSeconds"> & { error?: number; p50?: number },
    more: Partial<EngineRecord> = {},
  ): EngineRecord => {
    const { error, p50, title, ...rest } = about;
    return {
      ...rest,
      title: rename(title),
      ...(rest.typing !== "full" && { half: "float16" }),
      pins: [],
      marked: 0,
      planBytes: rest.typing === "full" ? 1_341_000_000 : 672_400_000,
      messages: [],
      ...(error !== undefined && {
        error,
        outcome: Number.isFinite(error) ? (error <= tolerance ? "within" : "not-within") : "not-finite",
        outputs: { [output]: stats(Number.isFinite(error) ? error : 1, 4, Number.isFinite(error) ? 0 : 128, random) },
      }),
      ...(p50 !== undefined && { latency: latency(p50) }),
      ...more,
    };
  };
  const half = refuted ? 0.71 : 0.00301;
  const chosen = refuted ? 0.0141 : pins.length === 0 ? half : 0.00214;
  const engines: EngineRecord[] = [
    engine(
      { role: "reference", title: "FP32, TF32 off", typing: "full", buildSeconds: 9.2, p50: 4.08 },
      { halfTimeShare: 0, outputs: { [output]: stats(2e-6, 4, 0, random) } },
    ),
    engine({ role: "reference", title: "FP32, tensors observed", typing: "full", buildSeconds: 11.1, p50: 6.55 }, { marked: 1217 }),
    engine(
      { role: "all-half", title: "all FP16, strongly typed", typing: "typed", buildSeconds: 52.2, error: half, p50: 1.22 },
      { halfTimeShare: 0.985, messages: messages(rename), layers: layers(rename) },
    ),
    engine(
      { role: "all-half", title: "all FP16, tensors observed", typing: "typed", buildSeconds: 29.4, error: 1.04 * half, p50: 4.74 },
      { marked: 1217, messages: messages(rename).slice(0, 1) },
    ),
    engine(
      {
        role: "recommended",
        title: `recommended, ${pins.length} pins, strongly typed`,
        typing: "typed",
        buildSeconds: 54.9,
        error: chosen,
        p50: 1.24,
      },
      { pins, halfTimeShare: 0.952, proofs: proofs(pins, rename, refuted), ...(refuted && { placement: placement(rename) }) },
    ),
    engine(
      {
        role: "guides",
        title: "LayerNormalization in FP32",
        typing: "typed",
        buildSeconds: 57.3,
        error: refuted ? 0.032 : 0.0026,
        p50: 1.24,
      },
      { pins: ["a", "b"].map((p) => rename(`norm ${p}`)) },
    ),
    engine(
      {
        role: "guides",
        title: "scores and Softmax in FP32",
        typing: "typed",
        buildSeconds: 61.8,
        error: refuted ? Number.NaN : 0.00293,
        p50: 1.47,
      },
      { pins: ["a", "b", "c"].map((p) => rename(`softmax ${p}`)) },
    ),
  ];
  const trials = refuted
    ? [
        { pins, error: chosen, milliseconds: 1.24, why: rename("recommended on the CPU") },
        {
          pins: [...pins, rename("bert/pooler/dense")],
          error: 0.0083,
          milliseconds: 1.27,
          why: rename("the layer that differs most from its prediction"),
        },
      ]
    : [{ pins, error: chosen, milliseconds: 1.24, why: rename("recommended on the CPU") }];
  const tensors = deviceTensors(recorded, rename, random, refuted);
  return {
    environment: {
      backend: "tensorrt",
      library: rename("TensorRT"),
      version: "10.6.0",
      libraryPath: rename("/opt/tensorrt/lib/libnvinfer.so.10"),
      gpu: rename("NVIDIA H200"),
      computeCapability: "9.0",
      driver: "580.159.04",
      cuda: "13.0",
      memoryBytes: 149_700_000_000,
      capabilities: {
        typings: ["typed", "weak"],
        profiles: true,
        debugTensors: true,
        unfusedTensors: false,
        strictNans: true,
        layerTimes: true,
        realHalf: true,
      },
    },
    options: { typing: "typed", workspace: "4 GiB", "timing cache": rename("trt.cache"), "engine trials": 4, tf32: false },
    engines,
    tensors,
    notObserved: [
      ...Array.from({ length: 9 }, (_, i) => ({
        tensor: rename(`/Constant_${i}_output_0`),
        reason: rename("a constant: the builder folds it away"),
      })),
      { tensor: rename("input_ids"), reason: rename("an input of the network") },
    ],
    marking: [
      { output, difference: stats(refuted ? 0.4 : 0.0009, 4, 0, random), markedError: refuted ? 1.3 : 0.00312, unmarkedError: half },
    ],
    agreement: {
      verdicts: [
        {
          role: "all-half",
          predicted: half <= tolerance ? "within" : "not-within",
          measured: half <= tolerance ? "within" : "not-within",
          predictedError: refuted ? 0.661 : 0.00309,
          measuredError: half,
        },
        {
          role: "recommended",
          predicted: "within",
          measured: chosen <= tolerance ? "within" : "not-within",
          predictedError: 0.00215,
          measuredError: chosen,
        },
      ],
      ratio: { tensors: tensors.length, median: 0.986, p5: 0.949, p95: 1.12 },
      order: { tensors: tensors.length, spearman: 0.9972, nullSpearman: 0.6613 },
      worst: { of: 10, shared: refuted ? 4 : 8 },
    },
    hazards: [
      {
        code: "decomposed-layer-norm",
        severity: "warning",
        layer: rename("bert/encoder/layer.8/output/LayerNorm"),
        tensor: rename("/encoder/layer.8/output/LayerNorm/Pow_output_0"),
        evidence: rename("TensorRT's own warning: Reduce or Pow in FP16 may overflow."),
        fix: "Export with opset 17 or newer, or pin this layer.",
        values: {},
      },
    ],
    trials,
    ...(refuted && { refined: { pins: [...pins, rename("bert/pooler/dense")], error: 0.0083 } }),
    front: [
      { role: "all-half", pins: [], error: half, milliseconds: 1.22 },
      { role: "recommended", pins, error: chosen, milliseconds: 1.24 },
    ],
  };
}

/** An engine of which next to nothing is known. */
export const minimalDevice = (): DeviceResult => ({
  environment: {
    backend: "ort-cpu",
    library: "ONNX Runtime, CPU provider",
    version: "1.30.0",
    capabilities: {
      typings: ["typed"],
      profiles: false,
      debugTensors: false,
      unfusedTensors: false,
      strictNans: false,
      layerTimes: false,
      realHalf: false,
    },
  },
  options: {},
  engines: [],
});

const latency = (p50: number): LatencySummary => ({
  requests: 100,
  warmup: 10,
  mean: 1.01 * p50,
  p50,
  p95: 1.05 * p50,
  p99: 1.09 * p50,
  min: 0.98 * p50,
  max: 1.31 * p50,
  variation: 0.031,
  deviceP50: 0.96 * p50,
});

const warning =
  "Running layernorm after self-attention with FP16 Reduce or Pow may cause overflow. Forcing Reduce or Pow Layers in FP32 precision, or exporting the model to use INormalizationLayer (available with ONNX opset >= 17) can help preserving accuracy.";

const messages = (rename: (n: string) => string): EngineMessage[] => [
  { severity: "warning", text: rename(warning), count: 1, kind: "layer-norm-overflow" },
  {
    severity: "warning",
    text: rename(
      "If this is not the desired behavior, please modify the weights or retrain with regularization to adjust the magnitude of the weights: 12 weights are subnormal in FP16.",
    ),
    count: 4,
    kind: "weight-subnormal",
    names: ["query", "key", "value", "dense"].map((n) => rename(`encoder.layer.3.${n}.weight`)),
  },
  {
    severity: "warning",
    text: rename("Your ONNX model has been generated with INT64 weights: casting down to INT32."),
    count: 1,
    kind: "type-cast",
  },
  { severity: "info", text: rename("Total Activation Memory: 17 MiB"), count: 2, kind: "memory" },
];

const tensorAt = (name: string): EngineTensor => ({ name, dims: [1, 128, 1024], dtype: "float16", format: "Row major linear FP16 format" });

const layers = (rename: (n: string) => string): NonNullable<EngineRecord["layers"]> =>
  Array.from({ length: 24 }, (_, i) => [
    {
      name: rename(
        `/encoder/layer.${i}/attention/self/value/MatMul + /encoder/layer.${i}/attention/self/key/MatMul + /encoder/layer.${i}/attention/self/query/MatMul`,
      ),
      kind: "gemm",
      nodes: ["value", "key", "query"].map((n) => rename(`/encoder/layer.${i}/attention/self/${n}/MatMul`)),
      inputs: [tensorAt(rename(`x${i}`))],
      outputs: [tensorAt(rename(`qkv${i}`))],
      tactic: rename("sm90_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize64x64x64_cgasize2x2x1"),
      computes: "float16" as const,
      milliseconds: 0.011 + 0.0001 * i,
    },
    {
      name: rename(`__myl_MeanSubMulMean_${i}`),
      kind: "kgen",
      nodes: [],
      inputs: [],
      outputs: [],
      computes: i % 7 === 0 ? ("mixed" as const) : ("float16" as const),
      milliseconds: 0.004,
    },
  ]).flat();

function proofs(pins: readonly string[], rename: (n: string) => string, refuted: boolean): PinProof[] {
  return pins.map((layer, i): PinProof => {
    const outcome = refuted && i === 1 ? "ignored" : i % 3 === 2 ? "moved" : "took-effect";
    const evidence = {
      "took-effect": "Engine layer `__myl_MeanSubMulMean_8` (kgen) computes all its nodes, with FP32 at every border.",
      moved: "Engine layer `__myl_CastMulAdd_3` computes it in FP32 together with 4 nodes that are not pinned.",
      ignored: "Engine layer `sm80_xmma_gemm_f16f16_f16f16_f16_tn_n` computes it; its inputs and outputs are FP16.",
      "not-found": "No engine layer names its nodes.",
    };
    return { layer, nodes: Array.from({ length: 9 }, (_, k) => `${layer}/node ${k}`), outcome, evidence: rename(evidence[outcome]) };
  });
}

const placement = (rename: (n: string) => string): NonNullable<EngineRecord["placement"]> => [
  { provider: "CUDAExecutionProvider", nodes: 1180, operators: { MatMul: 170, Add: 312, [rename("LayerNormalization")]: 49 } },
  { provider: "CPUExecutionProvider", nodes: 37, operators: { [rename("Gather")]: 20, Shape: 12, Pow: 5 } },
];
