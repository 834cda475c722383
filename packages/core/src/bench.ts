import type { BackendName, DeviceEnvironment, EngineMessage, GpuClocks, LatencySummary, Typing } from "./device.js";
import type { ErrorStats } from "./error-stats.js";
import type { HalfType } from "./plan.js";
import type { FeedSummary } from "./result.js";

/** Which of a model's axes hold several requests side by side. */
export interface Batching {
  /** `dynamic`: any number of requests. `static`: the sizes are fixed. `none`: no axis was recognised as the batch. The last two are served one request at a time. */
  kind: "dynamic" | "static" | "none";
  /** What the model calls the axis. */
  symbol?: string;
  /** `axis` is absent for inputs that all requests of a batch share. */
  inputs: readonly { name: string; axis?: number }[];
  /** How that was found, and what to do where nothing was: sentences for people. */
  how: string;
  advice?: string;
}

/** The sizes of one request, without the batch. */
export interface BenchShape {
  /** For people, unique: "sequence=128"; "as declared" where nothing is open. */
  name: string;
  /** Of one request, by input. */
  inputs: Readonly<Record<string, readonly number[]>>;
  /** Requests of this shape that differ from each other. */
  requests: number;
}

export type BenchRole = "reference" | "candidate";

export interface BenchEngine {
  role: BenchRole;
  /** For people: "every layer in FP16". */
  title: string;
  typing: Typing | "full";
  /** Absent for a file that was made for the measurement and is gone. */
  path?: string;
  digest: string;
  sizeBytes: number;
  half?: HalfType;
  /** Layers in FP32, where the file was made from a plan. */
  pins?: readonly string[];
  buildSeconds: number;
  planBytes?: number;
  messages: readonly EngineMessage[];
  placement?: readonly { provider: string; nodes: number; operators: Readonly<Record<string, number>> }[];
}

/** What was not measured, and why: no profile serves the shape or the model's batch is fixed (`refused`), the engine `failed` on it, or a person `stopped` the work before. */
export interface BenchRefusal {
  kind: "refused" | "failed" | "stopped";
  code: string;
  reason: string;
}

/** Requests held against others that should give the same: all requests, output by output. */
export interface BenchDifference {
  requests: number;
  /** Every bit of every output is the same. */
  bitIdentical: boolean;
  /** Of all float outputs. `maxAbs` and `meanAbs` are over pairs that can be compared. */
  maxAbs: number;
  meanAbs: number;
  /** Of the worst output of the worst request; Infinity where a value cannot be compared (NaN, an infinity on one side) or what was expected is all zeros. 0 where no output is a float. */
  relativeL2: number;
  /** Pairs that can never pass. */
  notFinite: number;
  /** Where `relativeL2` is from; requests count from 0. Absent where no output is a float. */
  worst?: { request: number; output: string };
  /** Float outputs, the requests' statistics merged. */
  outputs: Readonly<Record<string, ErrorStats>>;
  /** Integer and boolean outputs: elements that fell otherwise. */
  decisions?: Readonly<Record<string, { count: number; differing: number }>>;
  notCompared?: readonly { output: string; reason: string }[];
}

/** One batch size and shape: what batching does to the numbers. */
export interface BenchComparison {
  shape: string;
  batch: number;
  refusal?: BenchRefusal;
  /** Batched against the same requests sent singly, on the same engine. Of batch 1: against the same once more, what the engine repeats. */
  single?: BenchDifference;
  /**
   * Batched against the reference, each request sent to it singly. Absent where the candidate's FP16 is not real (`BenchVerdict.notRealHalf`), where single requests are not
   * served and nothing else is there to hold batches against, and where the reference fails (`referenceRefusal`).
   */
  reference?: BenchDifference;
  /** Why the reference gave nothing, where the candidate was served. */
  referenceRefusal?: BenchRefusal;
  /** Of batch 1, where several contexts are asked for: the single requests sent at once, against alone. Engines whose requests take turns pass by themselves. */
  atOnce?: BenchDifference;
  /** The same requests in the same places of the batch beside other ones: any difference says that the model or engine mixes requests. */
  neighbours?: BenchDifference;
  /** Requests of different lengths in one batch, padded to the longest. */
  padded?: PaddedComparison;
  /** Why there is none, where padded requests were tried. */
  paddedRefusal?: BenchRefusal;
}

export interface PaddedComparison {
  mask: string;
  /** Of each request; the longest is what all are padded to. */
  lengths: readonly number[];
  /** In the padded batch against alone at its own length: all that a request sees of its neighbours. */
  batched: BenchDifference;
  /** Alone but padded, against alone at its own length: what the padding does by itself. */
  alone: BenchDifference;
}

/** One round of one point. */
export interface BenchRound {
  requests: number;
  p50: number;
  wallMilliseconds: number;
}

/** Time of one engine at one batch size, shape and number of contexts. */
export interface BenchPoint {
  role: BenchRole;
  shape: string;
  batch: number;
  contexts: number;
  refusal?: BenchRefusal;
  /** All rounds together; a request is a whole batch. */
  latency?: LatencySummary;
  /** Single requests per second, all contexts together: batch x requests over wall time. */
  throughput?: number;
  rounds: readonly BenchRound[];
  /** Median of the last round over that of the first, less one: what the clock, heat and other work did meanwhile. */
  drift?: number;
}

export interface BenchMachine {
  platform: string;
  node: string;
  /** As the system names it; empty where it does not. */
  processor: string;
  cores: number;
  memoryBytes: number;
  instructionSet?: string;
  /** Processes that ran or waited, mean of the last minute, before and after; absent where the system does not tell. */
  load?: readonly [before: number, after: number];
}

export interface BenchVerdict {
  /** `not-judged`: the model has no float output, or no batch could be compared. */
  outcome: "within" | "not-within" | "not-finite" | "not-judged";
  /** What requests are held against: the FP32 reference, or the same requests sent singly to the same engine. Absent in earlier documents: the reference where there is a candidate. */
  against?: "reference" | "single";
  /** Where FP16 or bfloat16 is served by an engine that computes it in FP32: the sentence that says so. Then nothing is judged against FP32. */
  notRealHalf?: string;
  tolerance: number;
  /** Relative L2 of the worst output of the worst request, against what `against` says; Infinity where not finite, or where what was expected is all zeros. */
  error: number;
  worst?: { shape: string; batch: number; request: number; output: string };
  /** Largest difference between a batched request and the same sent singly, and whether any differs in a bit. */
  batched?: { maxAbs: number; relativeL2: number; bitIdentical: boolean };
  /** A request's result hangs on the requests beside it. */
  mixes: boolean;
}

/** How far a measurement came that a person stopped: done, of how many. What was not reached has a refusal of kind "stopped". */
export interface BenchStopped {
  /** Shapes and batches compared or refused. */
  comparisons: readonly [done: number, of: number];
  /** Points with times, or refused. */
  points: readonly [done: number, of: number];
  /** Rounds that all of them have. */
  rounds: readonly [done: number, of: number];
}

/** The GPU's clocks right before and right after the timed rounds, or why they were not read. */
export interface BenchClocks {
  before?: GpuClocks;
  after?: GpuClocks;
  reason?: string;
}

/** `bench.json`: batches against single requests on one engine. */
export interface BenchDocument {
  schema: "halfscope/bench/1";
  halfscope: string;
  model: { path: string; digest: string; sizeBytes: number };
  environment: DeviceEnvironment;
  machine: BenchMachine;
  /** Absent in earlier documents. */
  clocks?: BenchClocks;
  /** Absent where everything was measured. */
  stopped?: BenchStopped;
  options: {
    engine: BackendName;
    batches: readonly number[];
    contexts: readonly number[];
    rounds: number;
    /** Per point, at most: slow points get fewer. */
    requests: number;
    warmup: number;
    maxSeconds: number;
    tolerance: number;
    seed: number;
    threads?: number;
    /** How engines are built, where it was said: workspaceBytes, optimizationLevel, strictNans, and options of the provider under their own names. */
    build?: Readonly<Record<string, string | number | boolean>>;
    /** As the command line writes them. */
    profiles?: readonly string[];
    feeds?: readonly string[];
  };
  batching: Batching;
  /** What is fed, by the first request. */
  feeds: readonly FeedSummary[];
  shapes: readonly BenchShape[];
  /** The reference, and the candidate where there is one. */
  engines: readonly BenchEngine[];
  comparisons: readonly BenchComparison[];
  points: readonly BenchPoint[];
  /** Why no batch of padded requests was compared; absent where one was. */
  paddingNotTried?: string;
  verdict: BenchVerdict;
  /** What makes times worth less than they look, and what may not be meant. */
  warnings: readonly string[];
  /** What a reader should know. */
  notes: readonly string[];
}
