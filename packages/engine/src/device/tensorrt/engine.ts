import {
  CancelledError,
  dtypeFromNumber,
  EngineError,
  type EngineLayer,
  type EngineMessage,
  type TensorValue,
  UsageError,
} from "@halfscope/core";
import type { IoInfo } from "../../addon-session.js";
import type { Feed } from "../../feeds/feed.js";
import { onAbort } from "../../on-abort.js";
import type { DeviceEngine, OptimizationProfile, RequestOptions, RequestTimes, TimeOptions } from "../backend.js";
import { mergeMessages } from "../messages.js";
import type { ProfileInput } from "../profiles.js";
import { selectProfile } from "../select-profile.js";
import { answerOf } from "./answer.js";
import { logOf } from "./builder.js";
import { fromTensorRt } from "./errors.js";
import { engineFeed } from "./feeds.js";
import { readEngineInformation, withLayerTimes } from "./inspector.js";
import type { NativeEngineIo, NativeFeedTensor, NativeTask, NativeTensorRt, NativeTensorRtEngine } from "./native.js";

export interface TensorRtEngineParts {
  label: string;
  native: NativeTensorRtEngine;
  buildSeconds: number;
  planBytes: number;
  messages: readonly EngineMessage[];
  notObserved: DeviceEngine["notObserved"];
  inputs: readonly ProfileInput[];
  profiles: readonly OptimizationProfile[];
  /** Names of the model's own outputs; the others are observed. */
  modelOutputs: readonly string[];
}

/** One request, ready for the addon. */
export interface PreparedRequest {
  profile: number;
  feed: NativeFeedTensor[];
}

/** An engine of TensorRT. Requests of one engine take turns; different engines run side by side. */
export class TensorRtEngine implements DeviceEngine {
  readonly placement = undefined;
  readonly inputs: readonly IoInfo[];
  readonly outputs: readonly IoInfo[];
  readonly #api: NativeTensorRt;
  readonly #parts: TensorRtEngineParts;
  readonly #io: readonly NativeEngineIo[];
  readonly #underWay = new Set<Promise<unknown>>();
  #disposing: Promise<void> | undefined;

  constructor(api: NativeTensorRt, parts: TensorRtEngineParts) {
    this.#api = api;
    this.#parts = parts;
    this.#io = parts.native.io();
    const declared = new Map(parts.inputs.map((i) => [i.name, i.dims]));
    const info = ({ name, type, dims }: NativeEngineIo): IoInfo => ({
      name,
      dtype: dtypeFromNumber(type),
      dims: dims.map((d, axis) => (d >= 0 ? d : openSize(declared.get(name)?.[axis]))),
    });
    this.inputs = this.#io.filter((io) => io.input).map(info);
    const outputs = this.#io.filter((io) => !io.input).map(info);
    const own = new Map(parts.modelOutputs.map((name, index) => [name, index]));
    const rank = ({ name }: IoInfo) => own.get(name) ?? own.size;
    this.outputs = outputs.sort((a, b) => rank(a) - rank(b));
  }

  get label(): string {
    return this.#parts.label;
  }
  get buildSeconds(): number {
    return this.#parts.buildSeconds;
  }
  get planBytes(): number {
    return this.#parts.planBytes;
  }
  get notObserved(): DeviceEngine["notObserved"] {
    return this.#parts.notObserved;
  }
  /** Of the build, and what TensorRT said since. */
  get messages(): readonly EngineMessage[] {
    if (this.#disposing !== undefined) return this.#parts.messages;
    return mergeMessages([this.#parts.messages, logOf(this.#parts.native.messages())]);
  }
  /** Bytes of the GPU's memory that activations of one context need. */
  get contextBytes(): number {
    return this.#parts.native.memoryBytes();
  }

  async run(feed: Pick<Feed, "tensors">, o: RequestOptions = {}): Promise<Map<string, TensorValue>> {
    const fetch = o.fetch ?? this.outputs.map((i) => i.name);
    this.#requireOutputs(fetch);
    if (o.signal?.aborted) throw new CancelledError();
    const { profile, feed: fed } = this.prepare(feed);
    const into = fetch.map((name) => o.into?.get(name)?.data);
    const values = await this.use("Running", async (native) =>
      o.wait === "spin" ? answerOf(native.begin(profile, fed, fetch, into)) : native.run(profile, fed, fetch, into),
    );
    return new Map(
      values.map(({ name, type, dims, data = into[fetch.indexOf(name)] ?? new Uint8Array() }) => [
        name,
        { dtype: dtypeFromNumber(type), dims, data },
      ]),
    );
  }

  /** Outputs that are copied out: the model's own, which a request is about; what is observed stays on the device. */
  async time(feed: Pick<Feed, "tensors">, o: TimeOptions = {}): Promise<RequestTimes> {
    const { warmup = 10, requests = 100, contexts = 1, maxMilliseconds = 0 } = o;
    for (const [name, value, least] of [
      ["requests", requests, 1],
      ["contexts", contexts, 1],
      ["warmup", warmup, 0],
    ] as const) {
      if (!(Number.isSafeInteger(value) && value >= least))
        throw new UsageError("ERR_OPTION", `Expected ${name} to be a whole number from ${least}, found ${value}.`);
    }
    const { profile, feed: fed } = this.prepare(feed);
    const options = { profile, warmup, requests, maxMilliseconds, contexts };
    return this.#cancellable(o.signal, "Timing", (native, task) => native.time(options, fed, this.#parts.modelOutputs, task));
  }

  async layers(feed?: Pick<Feed, "tensors">, runs = 10): Promise<readonly EngineLayer[]> {
    const { layers } = readEngineInformation(await this.use("Inspecting", (native) => native.inspect()));
    if (feed === undefined) return layers;
    const { profile, feed: fed } = this.prepare(feed);
    const times = await this.#cancellable(undefined, "Profiling", (native, task) => native.profile(profile, fed, runs, task));
    const byName = new Map<string, number>();
    for (const { name, milliseconds } of times) byName.set(name, (byName.get(name) ?? 0) + milliseconds);
    return withLayerTimes(layers, byName);
  }

  /** The inspector's JSON as TensorRT words it. */
  inspect(): Promise<string> {
    return this.use("Inspecting", (native) => native.inspect());
  }

  serialize(): Promise<Uint8Array> {
    return this.use("Serialising", (native) => native.serialize());
  }

  /** Which profile serves the feed, and the feed in the engine's types. Throws InputError ERR_PROFILE, ERR_FEED. */
  prepare(feed: Pick<Feed, "tensors">): PreparedRequest {
    const { inputs, profiles } = this.#parts;
    return { profile: selectProfile(profiles, inputs, feed), feed: engineFeed(feed, this.#io) };
  }

  /** Does work with the native engine while it lives. */
  async use<T>(doing: string, work: (native: NativeTensorRtEngine) => Promise<T>): Promise<T> {
    if (this.#disposing !== undefined) throw new EngineError("ERR_DISPOSED", `${this.label}: the engine has been disposed.`);
    const working = work(this.#parts.native);
    const settled = working.catch(() => undefined);
    this.#underWay.add(settled);
    settled.finally(() => this.#underWay.delete(settled));
    try {
      return await working;
    } catch (error) {
      throw fromTensorRt(error, `${doing} ${this.label}`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= (async () => {
      await Promise.all(this.#underWay);
      await this.#parts.native.dispose();
    })();
    return this.#disposing;
  }

  async #cancellable<T>(
    signal: AbortSignal | undefined,
    doing: string,
    work: (native: NativeTensorRtEngine, task: NativeTask) => Promise<T>,
  ): Promise<T> {
    const task = this.#api.tensorrtTask();
    if (signal?.aborted) task.cancel();
    const waiting = onAbort(signal, () => task.cancel());
    try {
      return await this.use(doing, (native) => work(native, task));
    } finally {
      waiting[Symbol.dispose]();
    }
  }

  #requireOutputs(names: readonly string[]): void {
    const known = new Set(this.outputs.map((o) => o.name));
    const missing = names.filter((n) => !known.has(n));
    if (missing.length === 0) return;
    const list = `${missing.slice(0, 5).join(", ")}${missing.length > 5 ? " ..." : ""}`;
    throw new UsageError("ERR_OPTION", `${this.label} has no output ${list}.`, { hint: "Name it in `observe` when the engine is built." });
  }
}

const openSize = (declared: number | string | undefined): string | undefined => (typeof declared === "string" ? declared : undefined);
