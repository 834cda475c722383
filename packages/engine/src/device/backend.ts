/**
 * The face of real engines: TensorRT, and ONNX Runtime with one of its execution providers. What differs between them is data (`capabilities`), so that the
 * steps of the main job and `bench` know none of them by name.
 */
import type { DeviceEnvironment, EngineLayer, EngineMessage, ErrorStats, HalfType, Progress, TensorValue } from "@halfscope/core";
import type { IoInfo } from "../addon-session.js";
import type { Feed } from "../feeds/feed.js";

/** Sizes of one input in one optimisation profile; of a shape tensor (one whose values are sizes) its values. All three have the same length. */
export interface ShapeRange {
  min: readonly number[];
  opt: readonly number[];
  max: readonly number[];
}

/** Sizes that one execution context serves, by input. */
export interface OptimizationProfile {
  inputs: Readonly<Record<string, ShapeRange>>;
}

/** One layer's type, for weakly typed networks. `node` is the ONNX node's name, which is the network layer's. */
export interface LayerPin {
  node: string;
  precision: "float32" | "float16";
}

export type EnginePrecision =
  /** The FP32 model, nothing lowered, TF32 off. */
  | { kind: "full" }
  /** Types as the file states them: strongly typed on TensorRT 10 and 11. */
  | { kind: "typed" }
  /** Builder flag and constraints: TensorRT 8.6 and 10. */
  | { kind: "weak"; half: HalfType; pins: readonly LayerPin[]; constraints: "none" | "prefer" | "obey" };

/** Memory of TensorRT's builder beside the workspace. `tactic-dram`: device memory while kernels are tried (8.6, 10, 11); `tactic-shared-memory`: shared memory that a kernel may take (10, 11; less than 1 GiB). */
export const memoryPools = ["tactic-dram", "tactic-shared-memory"] as const;
export type MemoryPool = (typeof memoryPools)[number];

export interface DeviceBuildOptions {
  /** Bytes that kernels may use beside activations. Defaults to the library's. */
  workspaceBytes?: number;
  /** Bytes by pool; those that are not named keep the library's default. */
  memoryPools?: Readonly<Partial<Record<MemoryPool, number>>>;
  /** File of measured kernel times: read if it is there, merged and written when the build is done. */
  timingCache?: string;
  /** 0 to 5, higher builds longer. Defaults to the library's. */
  optimizationLevel?: number;
  /** Folds that hide NaN (0*x, x-x) are left out. Defaults to false. */
  strictNans?: boolean;
  /** In a weakly typed TensorRT network, constants in front of pinned layers are typed too. Defaults to what the version needs: true on 8. */
  typeConstants?: boolean;
  /** TF32 in products of FP32. Defaults to false: a reference in TF32 is none. */
  tf32?: boolean;
  /** Options of the execution provider, as ONNX Runtime names them. */
  providerOptions?: Readonly<Record<string, string>>;
  /** Threads of `ort-cpu`. */
  threads?: number;
}

export interface DeviceBuildRequest {
  /** For progress and errors. */
  label: string;
  /** ONNX file; external data is read from its folder. */
  path: string;
  /** ModelProto bytes to build in the file's place, which need not be there then: `path` only says where external data lies. */
  model?: Uint8Array;
  precision: EnginePrecision;
  /**
   * Tensors to give out besides the model's outputs. `how` defaults to "outputs". `preferHalf`: in a weakly typed network the layers that make them are asked for
   * in the half type (unless pinned to FP32), else the builder may leave marked layers in FP32; it takes effect with the constraints "prefer" or "obey".
   */
  observe?: { tensors: readonly string[]; how?: "outputs" | "debug" | "unfused"; preferHalf?: boolean };
  /** At least one where an input's sizes are open; backends without profiles ignore them. */
  profiles?: readonly OptimizationProfile[];
  options?: DeviceBuildOptions;
}

/** Raw times of requests. */
export interface RequestTimes {
  /** One entry per request: wall milliseconds from handing in the inputs to having the outputs. */
  milliseconds: Float64Array;
  /** The engine alone, between events on its stream. */
  deviceMilliseconds?: Float64Array;
  /** From the first request's start to the last one's end: with several contexts they overlap. */
  wallMilliseconds: number;
}

export interface TimeOptions {
  /** Requests before the clock starts. Defaults to 10. */
  warmup?: number;
  /** Requests that are timed. Defaults to 100. */
  requests?: number;
  /** Stop after so long, with at least 5 requests. Defaults to no limit. */
  maxMilliseconds?: number;
  /** Execution contexts that serve at once, each on a stream and a thread of its own. Defaults to 1. */
  contexts?: number;
  signal?: AbortSignal | undefined;
}

export interface RequestOptions {
  /** Outputs to give out; all by default. */
  fetch?: readonly string[];
  signal?: AbortSignal | undefined;
  /**
   * What an earlier run gave out. Its memory may be written again where an output has the same size, and then holds this run's values: pages that were never touched cost a
   * request more than the copy into them. Nobody else may use it meanwhile. Engines may leave it unused.
   */
  into?: ReadonlyMap<string, TensorValue>;
  /**
   * How the event loop waits for the engine. `sleep` (default): it sleeps when nothing else is to be done, and is woken, which costs a request 50 to 300 microseconds.
   * `spin`: it turns without sleeping until the request is done, and TensorRT's engine has a thread of its own that looks out for the next one for 200 microseconds; a core
   * is busy meanwhile. For servers with cores to spare, whose engine answers in about a millisecond.
   */
  wait?: "sleep" | "spin";
}

/** A built engine, ready for requests. Disposing waits for what is under way. */
export interface DeviceEngine extends AsyncDisposable {
  readonly label: string;
  readonly buildSeconds: number;
  /** Size of the serialised engine, where there is one. */
  readonly planBytes: number | undefined;
  readonly inputs: readonly IoInfo[];
  /** The model's outputs, and behind them what is observed. */
  readonly outputs: readonly IoInfo[];
  readonly messages: readonly EngineMessage[];
  /** Tensors that were to be observed and are not. */
  readonly notObserved: readonly { tensor: string; reason: string }[];
  /** Nodes by what runs them; undefined where everything runs on one device, and before the first request where only a run can tell. */
  readonly placement: readonly { provider: string; nodes: number; operators: Readonly<Record<string, number>> }[] | undefined;
  /** One request. Throws ERR_PROFILE where no profile serves the feed's shapes. */
  run(feed: Pick<Feed, "tensors">, o?: RequestOptions): Promise<Map<string, TensorValue>>;
  /** Times the same request again and again, its outputs included. */
  time(feed: Pick<Feed, "tensors">, o?: TimeOptions): Promise<RequestTimes>;
  /** Engine layers, with times where the backend has them (mean of `runs` profiled requests of `feed`). Undefined where the backend tells nothing. */
  layers(feed?: Pick<Feed, "tensors">, runs?: number): Promise<readonly EngineLayer[] | undefined>;
  /** The serialised engine, where there is one (ERR_OPTION otherwise). */
  serialize(): Promise<Uint8Array>;
}

export interface ComparedTensors {
  stats: Map<string, ErrorStats>;
  /** Asked for and not compared, each with the reason. */
  notCompared: readonly { tensor: string; reason: string }[];
  seconds: number;
}

/** Builds and compares engines of one library on one device. */
export interface DeviceBackend extends AsyncDisposable {
  readonly environment: DeviceEnvironment;
  build(request: DeviceBuildRequest, o?: { signal?: AbortSignal | undefined; progress?: Progress | undefined }): Promise<DeviceEngine>;
  /** Runs both on the feed and folds the named outputs of both into statistics, one after the other: never all of them on the host at once. */
  compare(
    reference: DeviceEngine,
    candidate: DeviceEngine,
    feed: Pick<Feed, "tensors">,
    tensors: readonly string[],
    o?: { signal?: AbortSignal | undefined; progress?: ((done: number) => void) | undefined },
  ): Promise<ComparedTensors>;
}
