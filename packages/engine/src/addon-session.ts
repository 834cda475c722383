import {
  CancelledError,
  type DType,
  dtypeFromNumber,
  EngineError,
  type ErrorStats,
  type FeedValue,
  numberFromDtype,
  type SequenceValue,
  statsFromBlock,
  type TensorValue,
} from "@halfscope/core";
import { fromNative } from "./addon-errors.js";
import { loadAddon, type NativeIo, type NativeSession } from "./addon-load.js";
import { onAbort } from "./on-abort.js";
import { isPlainTensor, valueModel } from "./value-model.js";

/** A graph input that is fed from a file: float32, little-endian, at any offset and alignment. */
export interface WeightInput {
  name: string;
  path: string;
  /** Bytes from the start of the file. */
  offset: number;
  lengthBytes: number;
  dims: readonly number[];
  /** Index of the switch that rounds it; -1 leaves it as it is in the file. */
  switch: number;
}

export interface SessionOptions {
  /** ModelProto bytes, usually a skeleton. */
  model: Uint8Array;
  /** Where the model's external data lies; empty when it has none. */
  folder: string;
  /** Threads inside one operator; operators run one after the other. */
  threads: number;
  /** `basic` runs without constant folding, so that the bits of both branches compare. */
  optimization: "disabled" | "basic" | "all";
  prepacking: boolean;
  /** Switches that `halfscope.Round` nodes and weights name. */
  switchCount: number;
  /** Places in the collector that `halfscope.Compare` nodes name. */
  slotCount: number;
  /** Places in the collector that `halfscope.Differs` nodes name. Defaults to 0. */
  decisionCount?: number;
  weights?: readonly WeightInput[];
  provider?: "cpu";
}

export interface IoInfo {
  name: string;
  /** "unknown" for anything that is not a tensor. */
  dtype: DType;
  /** A string names a symbolic dimension; undefined is a dimension without a name. */
  dims: readonly (number | string | undefined)[];
}

export interface RunOptions {
  /** One value per switch, as `Placement` of core has them: 0 off, 1 and 2 to FP16, 3 and 4 to bfloat16. Default: all off. */
  switches?: Uint8Array;
  /** Graph outputs whose values come back. Default: none. */
  fetch?: readonly string[];
  /** Compare the outputs that have a reference (`setReference`). Default: false. */
  compareOutputs?: boolean;
  signal?: AbortSignal;
}

/**
 * The executions of one comparison within a run: more than one in a loop. Their statistics are merged as `mergeStats` does, one behind the other.
 * In the order of the native block.
 */
const executionFields = ["count", "worst", "firstBroken", "shapeMismatches", "worstError"] as const;
export type Executions = Record<(typeof executionFields)[number], number>;

/**
 * Integers or booleans of the candidate against the reference's. `firstIndex` is the flat index of the first pair that differs, over all executions one
 * behind the other, and -1 where none differs; `reference` and `candidate` are the values there. Of an execution with two shapes (`shapeMismatches`) each
 * element of the larger side, at least one, counts as differing. In the order of the native block.
 */
const decisionFields = ["count", "differing", "firstIndex", "reference", "candidate", "shapeMismatches", "executions"] as const;
export type Decision = Record<(typeof decisionFields)[number], number>;

export interface RunResult {
  outputs: Map<string, TensorValue>;
  /** Outputs that are sequences of tensors. */
  sequences: Map<string, SequenceValue>;
  /** One per slot. */
  stats: ErrorStats[];
  /** Outputs that were asked for and are neither tensors nor sequences of them: maps, optionals without a value, types that are not known. */
  notFetched: string[];
  /** Whether a Compare node filled the slot in this run. */
  executed: boolean[];
  /**
   * One per slot. `worst` is the 0-based execution that holds the first pair that cannot pass, else the one with the largest relative L2 (`worstError`);
   * `firstBroken` the first in which the candidate overflowed or had a NaN of its own, -1 for none.
   */
  executions: Executions[];
  /** One per Differs node. */
  decisions: Decision[];
  /** By graph output, for those that have a reference. */
  outputStats: Map<string, ErrorStats>;
  /** Weights switched, graph run, outputs compared: without the way to and from the event loop. */
  seconds: number;
}

const levels = { disabled: 0, basic: 1, all: 99 } as const;
/** As the addon lists inputs and outputs. */
export const toIo = (io: NativeIo): IoInfo => ({
  name: io.name,
  dtype: io.type === 0 ? "unknown" : dtypeFromNumber(io.type),
  dims: io.dims,
});

/**
 * One ONNX Runtime session with halfscope's operators. All work happens off the event loop; one run at a time, several sessions side by side.
 * After dispose() every call but dispose() throws EngineError ERR_DISPOSED.
 */
export class OrtSession implements AsyncDisposable, Disposable {
  readonly inputs: readonly IoInfo[];
  readonly outputs: readonly IoInfo[];
  readonly #native: NativeSession;
  #disposed: Promise<void> | undefined;

  private constructor(native: NativeSession) {
    this.#native = native;
    this.inputs = native.inputs().map(toIo);
    this.outputs = native.outputs().map(toIo);
  }

  /** Throws EngineError: ERR_BACKEND_UNAVAILABLE when there is no addon, ERR_ENGINE_BUILD with ONNX Runtime's reason. */
  static async create(options: SessionOptions): Promise<OrtSession> {
    const { addon } = loadAddon();
    try {
      const { model, folder, threads, prepacking, switchCount, slotCount, decisionCount = 0 } = options;
      const weights = (options.weights ?? []).map((weight) => ({ ...weight, dims: [...weight.dims] }));
      const native = await addon.createSession({
        model,
        folder,
        threads,
        prepacking,
        switchCount,
        slotCount,
        decisionCount,
        weights,
        optimization: levels[options.optimization],
      });
      return new OrtSession(native);
    } catch (error) {
      throw fromNative(error, "Building the session");
    }
  }

  /** Copied; persists over runs. Throws InputError ERR_FEED when name, type or size do not fit the graph. */
  setFeed(name: string, value: FeedValue): void {
    this.#live();
    try {
      if (isPlainTensor(value)) this.#native.setFeed(name, numberFromDtype(value.dtype), [...value.dims], value.data);
      else {
        const model = valueModel(value);
        if (model === undefined) this.#native.clearFeed(name);
        else this.#native.setMadeFeed(name, model);
      }
    } catch (error) {
      throw fromNative(error, `Feeding '${name}'`);
    }
  }

  /** What runs with `compareOutputs` compare this output to; float32, copied, persists over runs. */
  setReference(output: string, tensor: TensorValue): void {
    this.#live();
    try {
      this.#native.setReference(output, numberFromDtype(tensor.dtype), [...tensor.dims], tensor.data);
    } catch (error) {
      throw fromNative(error, `Setting the reference of '${output}'`);
    }
  }

  /**
   * One run. Every graph output that ends in `#cmp` is computed when the session has slots, though nobody fetches it.
   * Throws EngineError ERR_ENGINE_RUN (also when a run of this session is under way), CancelledError when `signal` aborts.
   */
  async run(options: RunOptions = {}): Promise<RunResult> {
    this.#live();
    const { signal } = options;
    if (signal?.aborted) throw new CancelledError();
    const stop = () => this.#native.terminate();
    let waiting: Disposable | undefined;
    try {
      const running = this.#native.run(options.switches, [...(options.fetch ?? [])], options.compareOutputs ?? false);
      waiting = onAbort(signal, stop);
      const run = await running;
      const executions = records(run.executions, executionFields);
      return {
        outputs: new Map(run.outputs.map((o) => [o.name, toTensor(o)])),
        sequences: new Map(run.sequences.map(({ name, elements }) => [name, toSequence(elements.map(toTensor))])),
        notFetched: run.notFetched,
        stats: executions.map((_, slot) => statsFromBlock(run.stats, slot)),
        executed: executions.map((e) => e.count > 0),
        executions,
        decisions: records(run.decisions, decisionFields),
        outputStats: new Map(run.outputStats.map((o) => [o.name, statsFromBlock(o.block, 0)])),
        seconds: run.seconds,
      };
    } catch (error) {
      throw fromNative(error, "Running the session");
    } finally {
      waiting?.[Symbol.dispose]();
    }
  }

  /** Slots that a Compare node has filled so far in the run that is under way, or in the last one: for progress. */
  comparesDone(): number {
    this.#live();
    return this.#native.comparesDone();
  }

  /** Gives the memory back; during a run, when that run ends. May be called again. */
  dispose(): void {
    this.#disposed ??= this.#native.dispose();
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
    await this.#disposed;
  }

  #live(): void {
    if (this.#disposed === undefined) return;
    throw new EngineError("ERR_DISPOSED", "The session has been disposed.", { hint: "Create a new session." });
  }
}

export const toTensor = (o: { type: number; dims: number[]; data: Uint8Array }): TensorValue => ({
  dtype: dtypeFromNumber(o.type),
  dims: o.dims,
  data: o.data,
});
const toSequence = (elements: TensorValue[]): SequenceValue => ({ kind: "sequence", dtype: elements[0]?.dtype ?? "undefined", elements });

/** A flat block of FP64 as records of these fields. */
const records = <F extends string>(block: Float64Array, fields: readonly F[]): Record<F, number>[] =>
  Array.from(
    { length: block.length / fields.length },
    (_, i) => Object.fromEntries(fields.map((f, k) => [f, block[i * fields.length + k] ?? Number.NaN])) as Record<F, number>,
  );
