/** What the addon shows of TensorRT; see native/addon/tensorrt_binding.h. Types of tensors are numbers of TensorProto.DataType, 0 for one that ONNX has not. */
import { loadAddonAlone } from "../../addon-load.js";

export interface NativeModules {
  /** Major versions that halfscope was built for, the newest first, with the version of the headers. */
  modules: { major: number; headers: string; path: string }[];
  /** Modules that are there and cannot be loaded. */
  failures: string[];
}

export interface NativeLibraryInfo {
  version: string;
  path: string;
  major: number;
  headers: string;
  capabilities: {
    weak: boolean;
    typed: boolean;
    debugTensors: boolean;
    unfusedTensors: boolean;
    strictNans: boolean;
    progress: boolean;
  };
  /** Path of the library of plugins; empty where there is none, and then `pluginsMissing` says why. */
  plugins: string;
  pluginsMissing: string;
}

export interface NativeDevice {
  name: string;
  computeCapability: string;
  memoryBytes: number;
  /** Streaming multiprocessors. */
  processors: number;
  /** What the driver serves: "13.0". */
  cuda: string;
  /** Of the driver; empty where the system does not tell. */
  driver: string;
}

export interface NativeMessage {
  severity: "internal-error" | "error" | "warning" | "info";
  text: string;
  count: number;
}

export interface NativeBuildRequest {
  path: string;
  /** ModelProto bytes in the file's place. */
  model?: Uint8Array;
  /** 0 full, 1 typed, 2 weak. */
  precision: number;
  half: number;
  /** 0 none, 1 prefer, 2 obey. */
  constraints: number;
  pins: readonly { node: string; half: boolean }[];
  observe: readonly string[];
  /** 0 outputs, 1 debug, 2 unfused. */
  how: number;
  preferHalf: boolean;
  typeConstants: boolean;
  profiles: readonly (readonly { input: string; min: readonly number[]; opt: readonly number[]; max: readonly number[] }[])[];
  /** Pool 0: workspace, 1: device memory of tactics, 2: shared memory of tactics. Those that are not named keep the library's default. */
  pools: readonly { pool: number; bytes: number }[];
  /** -1: the library's default. */
  optimizationLevel: number;
  strictNans: boolean;
  tf32: boolean;
  timingCache?: Uint8Array;
}

export interface NativeBuild {
  plan: Uint8Array;
  timingCache: Uint8Array;
  /** The model's own. */
  outputs: string[];
  observed: string[];
  notObserved: { tensor: string; reason: string }[];
  pinsNotFound: string[];
  messages: NativeMessage[];
  seconds: number;
}

export interface NativeNetworkTensor {
  name: string;
  type: number;
  /** -1: open. */
  dims: number[];
  shapeTensor: boolean;
  symbols: string[];
}

export interface NativeNetwork {
  inputs: NativeNetworkTensor[];
  outputs: NativeNetworkTensor[];
  /** `node`: the ONNX node that it computes, or a part of; empty for what TensorRT's parser added. */
  layers: { name: string; node: string; type: number; outputs: NativeNetworkTensor[] }[];
  messages: NativeMessage[];
}

/** Long work as seen from outside. */
export interface NativeTask {
  cancel(): void;
  /** Open phases of a build, the outermost first. */
  phases(): { name: string; steps: number; done: number }[];
  count(): number;
}

export interface NativeFeedTensor {
  name: string;
  type: number;
  dims: readonly number[];
  data: Uint8Array;
}

export interface NativeEngineIo {
  name: string;
  type: number;
  dims: number[];
  input: boolean;
  /** Holds sizes. */
  onHost: boolean;
}

export type NativeRequestArguments = [
  profile: number,
  feed: readonly NativeFeedTensor[],
  fetch: readonly string[],
  into: readonly (Uint8Array | undefined)[],
];

export type NativeOutput = Omit<NativeFeedTensor, "data"> & { data?: Uint8Array };

export interface NativeRequest {
  /** The outputs, where they are there within that time. Throws what the request threw; it answers once. */
  poll(microseconds: number): NativeOutput[] | undefined;
}

export interface NativeTensorRtEngine {
  io(): NativeEngineIo[];
  profiles(): number;
  memoryBytes(): number;
  messages(): NativeMessage[];
  /** `into` has memory for the outputs of `fetch`, in their order; one that fits it comes back without data. */
  run(...request: NativeRequestArguments): Promise<NativeOutput[]>;
  /** The same on a thread of the engine's own, for those who ask without sleep. */
  begin(...request: NativeRequestArguments): NativeRequest;
  time(
    options: { profile: number; warmup: number; requests: number; maxMilliseconds: number; contexts: number },
    feed: readonly NativeFeedTensor[],
    fetch: readonly string[],
    task: NativeTask,
  ): Promise<{ milliseconds: Float64Array; deviceMilliseconds: Float64Array; wallMilliseconds: number }>;
  profile(
    profile: number,
    feed: readonly NativeFeedTensor[],
    runs: number,
    task: NativeTask,
  ): Promise<{ name: string; milliseconds: number }[]>;
  inspect(): Promise<string>;
  serialize(): Promise<Uint8Array>;
  dispose(): Promise<void>;
}

export interface NativeComparison {
  names: string[];
  /** One block of statistics per name. */
  stats: Float64Array;
  notCompared: { tensor: string; reason: string }[];
  seconds: number;
}

/** The functions themselves. Errors of all: see `fromNative`. */
export interface NativeTensorRt {
  tensorrtModules(): NativeModules;
  /** `folder` empty: by the system's loader. */
  tensorrtLibrary(folder: string): NativeLibraryInfo;
  cudaDevice(): NativeDevice;
  tensorrtTask(): NativeTask;
  tensorrtDescribe(request: NativeBuildRequest): Promise<NativeNetwork>;
  tensorrtBuild(request: NativeBuildRequest, task: NativeTask): Promise<NativeBuild>;
  tensorrtMergeCaches(one: Uint8Array, other: Uint8Array): Promise<Uint8Array>;
  /** `unfused`: it was built to show tensors where fusion left them. */
  tensorrtLoad(plan: Uint8Array, unfused: boolean): Promise<NativeTensorRtEngine>;
  tensorrtCompare(
    reference: NativeTensorRtEngine,
    referenceProfile: number,
    referenceFeed: readonly NativeFeedTensor[],
    candidate: NativeTensorRtEngine,
    candidateProfile: number,
    candidateFeed: readonly NativeFeedTensor[],
    names: readonly string[],
    task: NativeTask,
  ): Promise<NativeComparison>;
}

/** Throws EngineError ERR_BACKEND_UNAVAILABLE where there is no addon. */
export const nativeTensorRt = (): NativeTensorRt => loadAddonAlone() as unknown as NativeTensorRt;
