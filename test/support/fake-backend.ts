/** A backend without a library: its engines are functions and its times follow from an injected clock, so that tests of what is built on backends are exact. */
import type { BackendName, DeviceEnvironment, ErrorStats, FeedValue, TensorValue } from "@halfscope/core";
import {
  type DeviceBackend,
  type DeviceBuildRequest,
  type DeviceEngine,
  type IoInfo,
  type OptimizationProfile,
  selectProfile,
  type TimeOptions,
} from "@halfscope/engine";
import { statsOf } from "./stats.js";

/** Outputs of one call. */
export type FakeModel = (feed: ReadonlyMap<string, FeedValue>, request: DeviceBuildRequest) => ReadonlyMap<string, TensorValue>;

export interface FakeBackendOptions {
  inputs: readonly IoInfo[];
  outputs: readonly IoInfo[];
  model: FakeModel;
  /** Milliseconds of a call; `call` counts those of the whole backend from 0. One constant millisecond by default. */
  milliseconds?: (feed: ReadonlyMap<string, FeedValue>, at: { call: number; contexts: number; label: string }) => number;
  name?: BackendName;
  capabilities?: Partial<DeviceEnvironment["capabilities"]>;
}

/** What was asked of a fake backend, in order. */
export interface FakeLog {
  built: DeviceBuildRequest[];
  /** Calls that were timed or warmed up. */
  timed: { label: string; warmup: number; requests: number; contexts: number }[];
  runs: number;
  disposed: string[];
}

export function fakeBackend(o: FakeBackendOptions): DeviceBackend & { log: FakeLog } {
  const log: FakeLog = { built: [], timed: [], runs: 0, disposed: [] };
  let calls = 0;
  const capabilities = {
    typings: ["typed"] as const,
    profiles: false,
    debugTensors: false,
    unfusedTensors: false,
    strictNans: false,
    layerTimes: false,
    realHalf: true,
    ...o.capabilities,
  };
  const engine = (request: DeviceBuildRequest): DeviceEngine => {
    const profiles: readonly OptimizationProfile[] = capabilities.profiles ? (request.profiles ?? []) : [];
    const served = (feed: { tensors: Map<string, FeedValue> }) => selectProfile(profiles, o.inputs, feed);
    return {
      label: request.label,
      buildSeconds: 1,
      planBytes: undefined,
      inputs: o.inputs,
      outputs: o.outputs,
      messages: [],
      notObserved: [],
      placement: undefined,
      async run(feed, { fetch, signal } = {}) {
        signal?.throwIfAborted();
        served(feed);
        log.runs++;
        const all = o.model(feed.tensors, request);
        return new Map([...all].filter(([name]) => fetch === undefined || fetch.includes(name)));
      },
      async time(feed, t: TimeOptions = {}) {
        t.signal?.throwIfAborted();
        served(feed);
        const { warmup = 10, requests = 100, contexts = 1 } = t;
        log.timed.push({ label: request.label, warmup, requests, contexts });
        calls += warmup;
        const one = () => o.milliseconds?.(feed.tensors, { call: calls++, contexts, label: request.label }) ?? 1;
        const milliseconds = Float64Array.from({ length: requests }, one);
        return { milliseconds, wallMilliseconds: milliseconds.reduce((a, b) => a + b, 0) / contexts };
      },
      layers: async () => undefined,
      serialize: async () => new Uint8Array(),
      async [Symbol.asyncDispose]() {
        log.disposed.push(request.label);
      },
    };
  };
  return {
    log,
    environment: { backend: o.name ?? "ort-cpu", library: "fake library", version: "1.0", capabilities },
    async build(request) {
      log.built.push(request);
      return engine(request);
    },
    compare: () => Promise.reject(new Error("not needed")),
    async [Symbol.asyncDispose]() {
      log.disposed.push("backend");
    },
  };
}

/** The parts of what `compareTensors` of the addon gives that differences are made of, without the addon. */
export async function plainCompare(reference: TensorValue, candidate: TensorValue): Promise<ErrorStats> {
  const [r, c] = [floatsOf(reference), floatsOf(candidate)];
  const s = statsOf({ count: r.length, maxIndex: -1, sumSquaredReference: 0 });
  r.forEach((expected, i) => {
    const found = c[i] ?? Number.NaN;
    const error = expected === found ? 0 : Math.abs(expected - found);
    if (!Number.isFinite(error)) {
      s.nonFiniteMismatch++;
      return;
    }
    if (error > s.maxAbs || s.maxIndex < 0) [s.maxAbs, s.maxIndex] = [error, i];
    s.sumAbs += error;
    s.sumSquaredError += error * error;
    if (Number.isFinite(expected)) s.sumSquaredReference += expected * expected;
  });
  return s;
}
const floatsOf = ({ data }: TensorValue): Float32Array => new Float32Array(data.slice().buffer);
