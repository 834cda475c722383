import { EngineError, type EngineLayer, type EngineMessage, type TensorValue, UsageError } from "@halfscope/core";
import type { Node } from "@halfscope/onnx";
import type { IoInfo } from "../../addon-session.js";
import type { Feed } from "../../feeds/feed.js";
import type { DeviceEngine, OptimizationProfile, RequestOptions, RequestTimes, TimeOptions } from "../backend.js";
import { keepTurning } from "../keep-turning.js";
import type { ProfileInput } from "../profiles.js";
import { selectProfile } from "../select-profile.js";
import { type DeviceSession, disposed } from "./device-session.js";
import { messagesOf } from "./log-messages.js";
import { type Placement, placementOf } from "./placement.js";
import type { ProfileFile } from "./profile-file.js";

/** Sizes that an engine was built for. */
export interface Served {
  profiles: readonly OptimizationProfile[];
  inputs: readonly ProfileInput[];
}

export interface OrtEngineParts {
  label: string;
  session: DeviceSession;
  buildSeconds: number;
  notObserved: DeviceEngine["notObserved"];
  /** What halfscope has to say itself. */
  notes: readonly EngineMessage[];
  /** Nodes of the file's main graph. */
  nodes: readonly Pick<Node, "index" | "name" | "opType">[];
  profile: ProfileFile;
  /** Undefined where every size is served. */
  served: Served | undefined;
}

/** A session of ONNX Runtime. */
export class OrtEngine implements DeviceEngine {
  readonly planBytes = undefined;
  readonly #parts: OrtEngineParts;
  #placement: Placement | undefined;
  #placing: Promise<void> | undefined;
  #lastMessages: readonly EngineMessage[] | undefined;
  #underWay = new Set<Promise<unknown>>();
  #disposing: Promise<void> | undefined;

  constructor(parts: OrtEngineParts) {
    this.#parts = parts;
  }

  get label(): string {
    return this.#parts.label;
  }
  get buildSeconds(): number {
    return this.#parts.buildSeconds;
  }
  get inputs(): readonly IoInfo[] {
    return this.#parts.session.inputs;
  }
  get outputs(): readonly IoInfo[] {
    return this.#parts.session.outputs;
  }
  get notObserved(): DeviceEngine["notObserved"] {
    return this.#parts.notObserved;
  }
  /** Grows: providers speak while they run too. */
  get messages(): readonly EngineMessage[] {
    return this.#lastMessages ?? [...this.#parts.notes, ...messagesOf(this.#parts.session.log())];
  }
  /** Undefined until the first request has been run: ONNX Runtime tells of what ran, not of what would. */
  get placement(): Placement | undefined {
    return this.#placement;
  }

  async run(feed: Pick<Feed, "tensors">, o: RequestOptions = {}): Promise<Map<string, TensorValue>> {
    const names = o.fetch ?? this.outputs.filter((i) => i.dtype !== "unknown").map((i) => i.name);
    this.#requireOutputs(names);
    if (names.length === 0) return new Map();
    const running = this.serve(feed, o.signal, (session) => session.run(feed, names, o.signal));
    const { outputs, notFetched } = await (o.wait === "spin" ? keepTurning(running) : running);
    if (notFetched.length === 0) return outputs;
    throw new EngineError(
      "ERR_ENGINE_RUN",
      `${this.label}: ${notFetched.join(", ")} cannot be fetched; expected tensors, found sequences or maps.`,
    );
  }

  async time(feed: Pick<Feed, "tensors">, o: TimeOptions = {}): Promise<RequestTimes> {
    for (const [name, least] of [
      ["requests", 1],
      ["contexts", 1],
      ["warmup", 0],
    ] as const) {
      const value = o[name];
      if (value !== undefined && !(Number.isSafeInteger(value) && value >= least))
        throw new UsageError("ERR_OPTION", `Expected ${name} to be a whole number from ${least}, found ${value}.`);
    }
    const names = this.outputs.map((i) => i.name);
    return this.serve(feed, o.signal, (session) => session.time(feed, names, o));
  }

  /** ONNX Runtime's nodes are no engine layers: nothing is known of kernels and borders. What runs where is `placement`. */
  async layers(): Promise<readonly EngineLayer[] | undefined> {
    return undefined;
  }

  async serialize(): Promise<Uint8Array> {
    throw new UsageError(
      "ERR_OPTION",
      `${this.label}: sessions of ONNX Runtime cannot be saved; the ONNX file is what they are made from.`,
    );
  }

  /** Does work with the session while it lives; the first time, learns what ran where. */
  async serve<T>(feed: Pick<Feed, "tensors">, signal: AbortSignal | undefined, work: (session: DeviceSession) => Promise<T>): Promise<T> {
    if (this.#disposing !== undefined) throw disposed();
    // The provider would build another engine for sizes outside of its profiles, in the middle of a request.
    const { served } = this.#parts;
    if (served !== undefined) selectProfile(served.profiles, served.inputs, feed);
    const serving = (async () => {
      await this.#place(feed, signal);
      return work(this.#parts.session);
    })();
    const settled = serving.catch(() => undefined);
    this.#underWay.add(settled);
    settled.finally(() => this.#underWay.delete(settled));
    return serving;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= (async () => {
      await Promise.all(this.#underWay);
      this.#lastMessages = this.messages;
      await this.#parts.session.dispose();
      this.#parts.profile.remove();
    })();
    return this.#disposing;
  }

  /** The first request runs once more, with the profile on, and alone: a profile costs time, and later requests are to cost none. */
  async #place(feed: Pick<Feed, "tensors">, signal: AbortSignal | undefined): Promise<void> {
    // A request that fails or is stopped takes no other with it: the next one tries with its own sample.
    while (this.#placing !== undefined) await this.#placing.catch(() => undefined);
    if (this.#placement !== undefined) return;
    const placing = this.#profiledRun(feed, signal);
    this.#placing = placing;
    try {
      await placing;
    } finally {
      this.#placing = undefined;
    }
  }

  async #profiledRun(feed: Pick<Feed, "tensors">, signal: AbortSignal | undefined): Promise<void> {
    const { session, profile, nodes } = this.#parts;
    const [first] = this.outputs;
    if (first === undefined) return;
    await session.run(feed, [first.name], signal);
    this.#placement = placementOf(profile.read(await session.endProfiling()), nodes);
  }

  #requireOutputs(names: readonly string[]): void {
    const known = new Set(this.outputs.map((o) => o.name));
    const missing = names.filter((n) => !known.has(n));
    if (missing.length === 0) return;
    throw new UsageError(
      "ERR_OPTION",
      `${this.label} has no output ${missing.slice(0, 5).join(", ")}${missing.length > 5 ? " ..." : ""}.`,
      {
        hint: "Name it in `observe` when the engine is built.",
      },
    );
  }
}
