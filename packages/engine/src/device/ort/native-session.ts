/** What the addon's sessions for serving look like from here; see native/addon/device_wrap.h. */
import type { GpuClocks } from "@halfscope/core";
import type { NativeIo } from "../../addon-load.js";

export interface NativeFeed {
  name: string;
  type?: number;
  dims?: readonly number[];
  data?: Uint8Array;
  /** In place of the three: a model that makes the value. */
  model?: Uint8Array;
}

export interface NativeTensor {
  name: string;
  type: number;
  dims: number[];
  data: Uint8Array;
}

/** Severity as ONNX Runtime counts it: 2 warning, 3 error, 4 fatal. `dropped`: lines behind the last one that was kept. */
export interface NativeLog {
  lines: { severity: number; text: string }[];
  dropped: number;
}

/** Ends the requests that it was given to. */
export interface NativeCancellation {
  cancel(): void;
}

export interface NativeDeviceSession {
  inputs(): NativeIo[];
  outputs(): NativeIo[];
  log(): NativeLog;
  run(
    feeds: readonly NativeFeed[],
    fetch: readonly string[],
    c: NativeCancellation,
  ): Promise<{ outputs: NativeTensor[]; notFetched: string[] }>;
  time(
    feeds: readonly NativeFeed[],
    options: { fetch: readonly string[]; warmup: number; requests: number; contexts: number; maxMilliseconds: number },
    c: NativeCancellation,
  ): Promise<{ milliseconds: Float64Array; wallMilliseconds: number }>;
  /** Path of the profile; "" without one. */
  endProfiling(): Promise<string>;
  dispose(): Promise<void>;
}

/** The part of halfscope.node that serves. */
export interface NativeDevices {
  /** The first GPU that CUDA's driver shows. Throws ERR_BACKEND_UNAVAILABLE: no driver, no GPU. Missing in addons without CUDA. */
  cudaDevice?(): { name: string; computeCapability: string; memoryBytes: number; processors: number; cuda: string; driver: string };
  /** Of that GPU; undefined where the driver's management library does not tell. Throws as cudaDevice does. Missing in addons without CUDA. */
  cudaClocks?(): Promise<GpuClocks | undefined>;
  createDeviceSession(options: {
    model: Uint8Array;
    folder: string;
    threads: number;
    optimization: number;
    providers: readonly { name: string; options: Readonly<Record<string, string>> }[];
    config: Readonly<Record<string, string>>;
    profile: string;
  }): Promise<NativeDeviceSession>;
  compareDeviceSessions(
    reference: NativeDeviceSession,
    referenceFeeds: readonly NativeFeed[],
    candidate: NativeDeviceSession,
    candidateFeeds: readonly NativeFeed[],
    names: readonly string[],
    c: NativeCancellation,
  ): Promise<{ name: string; block?: Float64Array; reason?: string }[]>;
  Cancellation: new () => NativeCancellation;
  /** Loads a library for the whole process; why it did not load, "" where it did. */
  preload(path: string): string;
}
