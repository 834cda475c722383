import type { DType } from "./dtype.js";
import type { ErrorStats } from "./error-stats.js";
import type { Hazard } from "./layer.js";
import type { HalfType } from "./plan.js";

/** What runs a real engine. `ort-cpu` needs no device: it makes everything but the numbers of a GPU work anywhere. */
export const backendNames = ["tensorrt", "ort-cuda", "ort-tensorrt", "ort-cpu"] as const;
export type BackendName = (typeof backendNames)[number];

/** How a network's precision is said. `typed`: every type as the file states it (strongly typed on TensorRT). `weak`: a builder flag and constraints per layer (TensorRT 8.6 and 10). */
export type Typing = "typed" | "weak";

/** Versions and machine behind every figure of a device. */
export interface DeviceEnvironment {
  backend: BackendName;
  /** For people: "TensorRT", "ONNX Runtime, CUDA provider". */
  library: string;
  /** For instance "10.6.0". */
  version: string;
  libraryPath?: string;
  gpu?: string;
  /** "9.0". */
  computeCapability?: string;
  /** Of the NVIDIA driver: "580.95.05". */
  driver?: string;
  /** What the driver serves: "13.0". */
  cuda?: string;
  memoryBytes?: number;
  capabilities: DeviceCapabilities;
}

/** The GPU as it runs at one moment: latencies mean little without it. */
export interface GpuClocks {
  /** Streaming multiprocessors, MHz. */
  smMHz: number;
  memoryMHz: number;
  powerWatts?: number;
  temperatureC?: number;
  /** Why it runs slower than it could, in words: "power limit", "heat" ... Empty when nothing holds it back, or when the driver does not say. An idle GPU is "idle". */
  throttle: readonly string[];
}

export interface DeviceCapabilities {
  typings: readonly Typing[];
  /** Optimisation profiles: dynamic shapes are served between their bounds only. */
  profiles: boolean;
  /** Tensors observed without being outputs. */
  debugTensors: boolean;
  /** Tensors observed where fusion left them, without changing it. */
  unfusedTensors: boolean;
  strictNans: boolean;
  /** Times of single engine layers. */
  layerTimes: boolean;
  /** Real FP16 arithmetic. False for `ort-cpu`, which computes FP16 operators in FP32: its errors say nothing about a GPU. */
  realHalf: boolean;
}

/** What kinds of messages halfscope recognises in an engine's log. */
export type MessageKind =
  | "layer-norm-overflow" // decomposed normalization in FP16 may overflow
  | "weight-subnormal"
  | "weight-underflow"
  | "weight-overflow"
  | "constant-clamped"
  | "precision-fallback" // a layer has no implementation in the type that was asked for
  | "cpu-fallback" // nodes that the device does not run
  | "type-cast" // int64 or double narrowed
  | "no-implementation"
  | "memory"
  | "other";

/** One thing that an engine's library said, however often it said it. */
export interface EngineMessage {
  severity: "internal-error" | "error" | "warning" | "info";
  text: string;
  count: number;
  kind: MessageKind;
  /** Layers or weights that it names. */
  names?: readonly string[];
}

/** A tensor at the border of an engine layer. */
export interface EngineTensor {
  name: string;
  /** "float16" ...; "unknown" where the inspector's format is not understood. */
  dtype: DType | "unknown";
  dims: readonly number[];
  /** As the inspector words it: "Row major linear FP16 format". */
  format: string;
}

/** One layer of a built engine. */
export interface EngineLayer {
  name: string;
  /** The inspector's: "gemm", "kgen", "fusion", "Reformat" ... */
  kind: string;
  /** ONNX node names (or names of network layers where no node is known) that it computes. Empty for what the builder added. */
  nodes: readonly string[];
  inputs: readonly EngineTensor[];
  outputs: readonly EngineTensor[];
  tactic?: string;
  /** What it computes in, as far as its kernel and borders tell. */
  computes: "float32" | "float16" | "bfloat16" | "mixed" | "integer" | "unknown";
  /** Mean of the profiled runs. */
  milliseconds?: number;
}

/** Whether a pin is in the engine that was built. */
export interface PinProof {
  layer: string;
  nodes: readonly string[];
  /**
   * `moved`: computed in FP32 inside an engine layer that holds nodes which were not pinned too. `ignored`: computed in FP16 all the same. `unknown`: an engine layer
   * with its nodes does not say what it computes in, so that the error alone shows the pin. `not-found`: in no engine layer.
   */
  outcome: "took-effect" | "moved" | "ignored" | "unknown" | "not-found";
  /** Engine layers, their types and kernels: one sentence. */
  evidence: string;
}

/** Times of requests, milliseconds. One request: inputs copied in, the engine run, outputs copied out, and waited for. */
export interface LatencySummary {
  requests: number;
  warmup: number;
  mean: number;
  p50: number;
  p95: number;
  p99: number;
  min: number;
  max: number;
  /** Standard deviation over mean. */
  variation: number;
  /** Median of the engine alone, between events on its stream; absent where the backend has no events. */
  deviceP50?: number;
}

/** Of several samples, those in which a tensor could be compared. */
export interface SampleCoverage {
  compared: number;
  of: number;
  /** Why not in the others. */
  reason: string;
}

/** What an engine is for. */
export type EngineRole = "reference" | "all-half" | "recommended" | "guides" | "trial";

/** One engine that was built and what came of it. */
export interface EngineRecord {
  role: EngineRole;
  /** For people: "all FP16, strongly typed". */
  title: string;
  typing: Typing | "full";
  half?: HalfType;
  /** Pinned layers. */
  pins: readonly string[];
  /** Tensors marked besides the model's outputs. */
  marked: number;
  /** Of a build that failed: until it did. */
  buildSeconds: number;
  /** Why there is no such engine, as the end of a sentence: "could not be built: ..." with the last line of the log. No other figure is there then. */
  failed?: string;
  planBytes?: number;
  messages: readonly EngineMessage[];
  /** Final outputs against the reference engine's, worst over samples; absent for the reference. */
  error?: number;
  outcome?: "within" | "not-within" | "not-finite";
  /** Final outputs against the reference engine's, all samples; of the reference against the CPU's. */
  outputs?: Readonly<Record<string, ErrorStats>>;
  /** Final outputs that some sample could not be compared in: they are missing on one side, or the sizes differ. `outputs` tells of the other samples, if any. */
  notCompared?: readonly ({ output: string } & SampleCoverage)[];
  latency?: LatencySummary;
  /** Share of the profiled time in engine layers that compute in FP16. */
  halfTimeShare?: number;
  layers?: readonly EngineLayer[];
  /** Attentions that a single kernel computes, scores and Softmax included; absent where the library does not show its layers or kernels. Pins inside of one take it apart. */
  fusedAttentions?: number;
  proofs?: readonly PinProof[];
  /** Nodes by what ran them: execution providers of ONNX Runtime. */
  placement?: readonly { provider: string; nodes: number; operators: Readonly<Record<string, number>> }[];
}

/** A tensor on the engine beside what was predicted of it. */
export interface DeviceTensor {
  tensor: string;
  layer: string;
  measured: ErrorStats;
  /** Absent where every sample was compared. */
  coverage?: SampleCoverage;
  /** Mean absolute error and relative L2 predicted on the CPU, and the band of the mean error over kernels the library may choose. */
  predicted?: { meanAbs: number; relativeL2: number; band?: readonly [number, number] };
}

/** Prediction against engine. */
export interface Agreement {
  /** Outcome at the tolerance, all FP16 and recommended. */
  verdicts: readonly {
    role: EngineRole;
    predicted: "within" | "not-within" | "not-finite";
    measured: "within" | "not-within" | "not-finite";
    predictedError: number;
    measuredError: number;
  }[];
  /** Predicted over measured mean error, tensors with an error on both sides. */
  ratio?: { tensors: number; median: number; p5: number; p95: number };
  /** Spearman of error over the tensor's RMS; `null` predicts by magnitude and depth alone. */
  order?: { tensors: number; spearman: number; nullSpearman: number };
  /** The worst layers by either: how many of `of` are in both lists. */
  worst?: { of: number; shared: number };
}

/** What marking tensors did to the final outputs of one engine: max and mean difference, marked against unmarked. */
export interface MarkingChange {
  output: string;
  difference: ErrorStats;
  markedError: number;
  unmarkedError: number;
}

/**
 * The part of `result.json` that a real engine fills. Latencies, build times and errors are measurements: a second run that does not go on from the first one's journal
 * differs in them, and kernels that a builder chooses by timing may differ too.
 */
export interface DeviceResult {
  environment: DeviceEnvironment;
  /** What was asked for: typing, profiles, workspace ... as text for people and machines. */
  options: Readonly<Record<string, string | number | boolean>>;
  engines: readonly EngineRecord[];
  /** All-FP16 engine with tensors marked, in graph order. */
  tensors?: readonly DeviceTensor[];
  /** Tensors that were compared in no sample. */
  notObserved?: readonly { tensor: string; reason: string }[];
  marking?: readonly MarkingChange[];
  agreement?: Agreement;
  /** From the engine's own messages. */
  hazards?: readonly Hazard[];
  /** Pins on the engine: what was tried, in order. `failed` as that of an engine; the error is infinite then. */
  trials?: readonly { pins: readonly string[]; error: number; milliseconds?: number; why: string; failed?: string }[];
  /** What the trials ended with, where that is another set than the recommended one: pins that meet the tolerance on the engine. */
  refined?: { pins: readonly string[]; error: number };
  /** Of all engines: error against latency. */
  front?: readonly { role: EngineRole; pins: readonly string[]; error: number; milliseconds: number }[];
}
