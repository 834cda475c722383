import { CancelledError, EngineError, type ErrorStats, statsFromBlock, type TensorValue, UsageError } from "@halfscope/core";
import { fromNative } from "../../addon-errors.js";
import { loadAddon } from "../../addon-load.js";
import { type IoInfo, toIo, toTensor } from "../../addon-session.js";
import type { Feed } from "../../feeds/feed.js";
import { onAbort } from "../../on-abort.js";
import type { RequestTimes, TimeOptions } from "../backend.js";
import { nativeFeeds } from "./native-feeds.js";
import type { NativeCancellation, NativeDeviceSession, NativeLog } from "./native-session.js";

/** Graph optimisations of ONNX Runtime: none, folding and eliminations, fusions too, layouts too. */
export const optimizationLevels = { disabled: 0, basic: 1, extended: 2, all: 99 } as const;
export type OptimizationLevel = keyof typeof optimizationLevels;

export interface ProviderChoice {
  /** "CUDA", "TensorRT". */
  name: string;
  options: Readonly<Record<string, string>>;
}

export interface DeviceSessionOptions {
  /** ModelProto bytes. */
  model: Uint8Array;
  /** Where the model's external data lies. */
  folder: string;
  /** Threads inside one operator on the CPU; 0 leaves it to ONNX Runtime (one per core). */
  threads: number;
  optimization: OptimizationLevel;
  /** In the order in which they choose nodes; what none takes, the CPU's provider runs. */
  providers: readonly ProviderChoice[];
  /** Session configuration entries, as ONNX Runtime names them. */
  config: Readonly<Record<string, string>>;
  /** Start of the path of a profile; none when empty. */
  profile: string;
}

type Tensors = Pick<Feed, "tensors">;
type Signal = AbortSignal | undefined;

/** One session of ONNX Runtime as its users have it, for any number of requests at once. Native errors come out as halfscope's. */
export class DeviceSession {
  readonly inputs: readonly IoInfo[];
  readonly outputs: readonly IoInfo[];

  private constructor(private readonly native: NativeDeviceSession) {
    this.inputs = native.inputs().map(toIo);
    this.outputs = native.outputs().map(toIo);
  }

  /** Throws EngineError: ERR_BACKEND_UNAVAILABLE where a provider cannot be loaded, ERR_ENGINE_BUILD with ONNX Runtime's reason; UsageError ERR_OPTION for options that a provider lacks. */
  static async create(options: DeviceSessionOptions): Promise<DeviceSession> {
    const { addon } = loadAddon();
    try {
      return new DeviceSession(await addon.createDeviceSession({ ...options, optimization: optimizationLevels[options.optimization] }));
    } catch (error) {
      const said = error instanceof Error ? error.message : "";
      const refused = /^(options of the \S+ execution provider): (?:.*\[ONNXRuntimeError\] : \d+ : \w+ : )?(.*)$/s.exec(said);
      if (refused !== null)
        throw new UsageError("ERR_OPTION", `ONNX Runtime refuses ${refused[1]}: ${refused[2]?.trim()}`, { cause: error });
      throw fromNative(error, "Building the session");
    }
  }

  /** What ONNX Runtime and its providers have said so far: warnings and worse. */
  log(): NativeLog {
    return this.native.log();
  }

  async run(
    feed: Tensors,
    fetch: readonly string[],
    signal?: Signal,
  ): Promise<{ outputs: Map<string, TensorValue>; notFetched: string[] }> {
    const feeds = nativeFeeds(feed, this.inputs);
    const { outputs, notFetched } = await cancellable(signal, "Running the engine", (c) => this.native.run(feeds, fetch, c));
    return { outputs: new Map(outputs.map((o) => [o.name, toTensor(o)])), notFetched };
  }

  async time(feed: Tensors, fetch: readonly string[], o: TimeOptions): Promise<RequestTimes> {
    const feeds = nativeFeeds(feed, this.inputs);
    const { warmup = 10, requests = 100, maxMilliseconds = 0, contexts = 1, signal } = o;
    return cancellable(signal, "Timing the engine", (c) =>
      this.native.time(feeds, { fetch, warmup, requests, contexts, maxMilliseconds }, c),
    );
  }

  /** Outputs of both by name, folded natively: nothing of them reaches JavaScript. An entry without statistics has the reason. */
  static async compare(
    reference: DeviceSession,
    candidate: DeviceSession,
    feed: Tensors,
    names: readonly string[],
    signal?: Signal,
  ): Promise<{ name: string; stats?: ErrorStats; reason?: string }[]> {
    const [left, right] = [nativeFeeds(feed, reference.inputs), nativeFeeds(feed, candidate.inputs)];
    const { addon } = loadAddon();
    const compared = await cancellable(signal, "Comparing the engines", (c) =>
      addon.compareDeviceSessions(reference.native, left, candidate.native, right, names, c),
    );
    return compared.map(({ name, block, reason }) => ({
      name,
      ...(block && { stats: statsFromBlock(block, 0) }),
      ...(reason && { reason }),
    }));
  }

  /** Writes the profile and stops profiling: its path, "" without one. Not while requests are under way. */
  async endProfiling(): Promise<string> {
    return this.native.endProfiling();
  }

  /** Gives the memory back, at the end of the last request that is under way. */
  async dispose(): Promise<void> {
    await this.native.dispose();
  }
}

async function cancellable<T>(signal: Signal, doing: string, work: (c: NativeCancellation) => Promise<T>): Promise<T> {
  if (signal?.aborted) throw new CancelledError();
  const cancellation = new (loadAddon().addon.Cancellation)();
  const waiting = onAbort(signal, () => cancellation.cancel());
  try {
    return await work(cancellation);
  } catch (error) {
    throw disposedOr(error, doing);
  } finally {
    waiting[Symbol.dispose]();
  }
}

const disposedOr = (error: unknown, doing: string): Error => {
  const known = fromNative(error, doing);
  return known instanceof EngineError && known.code === "ERR_DISPOSED" ? disposed() : known;
};

export const disposed = (): EngineError =>
  new EngineError("ERR_DISPOSED", "The engine has been disposed.", { hint: "Build a new engine." });
