import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EngineError } from "@halfscope/core";
import type { NativeDevices } from "./device/ort/native-session.js";

/** What halfscope.node exports. Arguments are checked on this side; see addon.ts for their meaning. */
export interface NativeAddon extends NativeDevices {
  load(library: string): NativeLibrary;
  createSession(options: object): Promise<NativeSession>;
  terminateAll(): void;
  /** Element types by their number in TensorProto.DataType: float32, float16, bfloat16, float64. */
  compareTensors(reference: Uint8Array, candidate: Uint8Array, referenceType: number, candidateType: number): Promise<Float64Array>;
  convertToHalf(source: Uint8Array, finite: boolean): Promise<HalfConversion>;
  convertToBfloat16(source: Uint8Array, finite: boolean): Promise<Bfloat16Conversion>;
  convertFromHalf(source: Uint8Array): Promise<Uint8Array>;
}

export interface NativeLibrary {
  version: string;
  library: string;
  providers: string[];
  instructionSet: string;
  apiVersion: number;
}

/** Element types by their number in TensorProto.DataType; 0 is not a tensor. */
export interface NativeIo {
  name: string;
  type: number;
  dims: (number | string | undefined)[];
}

export interface NativeRun {
  outputs: { name: string; type: number; dims: number[]; data: Uint8Array }[];
  outputStats: { name: string; block: Float64Array }[];
  sequences: { name: string; elements: { type: number; dims: number[]; data: Uint8Array }[] }[];
  /** Outputs that were asked for and cannot be handed out. */
  notFetched: string[];
  stats: Float64Array;
  executions: Float64Array;
  decisions: Float64Array;
  seconds: number;
}

export interface NativeSession {
  inputs(): NativeIo[];
  outputs(): NativeIo[];
  setFeed(name: string, type: number, dims: readonly number[], data: Uint8Array): void;
  /** Feeds the only output of a model without inputs: ModelProto bytes. */
  setMadeFeed(name: string, model: Uint8Array): void;
  /** An optional input without a feed is absent. */
  clearFeed(name: string): void;
  setReference(name: string, type: number, dims: readonly number[], data: Uint8Array): void;
  run(switches: Uint8Array | undefined, fetch: readonly string[], compareOutputs: boolean): Promise<NativeRun>;
  terminate(): void;
  comparesDone(): number;
  dispose(): Promise<void>;
}

/** What a conversion to a narrower float type lost. */
export interface ConversionLosses {
  /** Finite values that became infinite, or the largest finite number when asked to stay finite. */
  overflowed: number;
  /** Non-zero values that became zero. */
  flushed: number;
  /** Values that became subnormal. */
  subnormal: number;
  nan: number;
  /** Infinite before the conversion. */
  inf: number;
}

/** FP16 values and what the conversion lost; see `convertToHalf`. */
export interface HalfConversion extends ConversionLosses {
  /** Little-endian FP16, two bytes per value. */
  half: Uint8Array;
}

/** Bfloat16 values and what the conversion lost; see `convertToBfloat16`. */
export interface Bfloat16Conversion extends ConversionLosses {
  /** Little-endian bfloat16, two bytes per value. */
  bfloat16: Uint8Array;
}

const require = createRequire(import.meta.url);

/** The repository: the nearest folder above this file with native/CMakeLists.txt. */
function findRepository(): string | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, "native", "CMakeLists.txt"))) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** Where halfscope.node may lie: HALFSCOPE_ADDON alone if it is set, else the build in the repository. */
function addonCandidates(): string[] {
  const forced = process.env.HALFSCOPE_ADDON;
  if (forced) return [forced];
  const repository = findRepository();
  return repository === undefined ? [] : [join(repository, "native", "build", "Release", "halfscope.node")];
}

/** Where ONNX Runtime may lie: HALFSCOPE_ORT_LIBRARY alone if it is set, else what the package onnxruntime-node ships. */
function libraryCandidates(): string[] {
  const forced = process.env.HALFSCOPE_ORT_LIBRARY;
  if (forced) return [forced];
  const bin = join(dirname(require.resolve("onnxruntime-node/package.json")), "bin");
  const file = process.platform === "darwin" ? /^libonnxruntime.*\.dylib$/ : /^libonnxruntime\.so/;
  return readdirSync(bin)
    .sort()
    .reverse()
    .map((version) => join(bin, version, process.platform, process.arch))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => file.test(name))
        .map((name) => join(folder, name)),
    );
}

interface Failure {
  /** The file that was tried. */
  path: string;
  reason: string;
}

/** Node appends its require stack to a message. */
const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";

/** Tries each candidate; returns the first result, or collects why every one failed. */
function firstThatLoads<T>(candidates: readonly string[], load: (path: string) => T, failures: Failure[]): T | undefined {
  for (const path of candidates) {
    try {
      return load(path);
    } catch (error) {
      failures.push({ path, reason: firstLine(error) });
    }
  }
  return undefined;
}

function unavailable(what: string, hint: string, failures: readonly Failure[]): EngineError {
  const told = ({ path, reason }: Failure) => (reason.startsWith(path) ? reason : `${path}: ${reason}`);
  const tried = failures.length === 0 ? "no file to try was found" : failures.map((f) => told(f).replace(/\.$/, "")).join("; ");
  return new EngineError("ERR_BACKEND_UNAVAILABLE", `${what} could not be loaded (${tried}).`, {
    hint,
    context: { failures: [...failures] },
  });
}

function openAddon(): NativeAddon {
  const failures: Failure[] = [];
  const addon = firstThatLoads(addonCandidates(), (path) => require(path) as NativeAddon, failures);
  if (addon === undefined) {
    const hint = "Build it with `npm run build:native` (or `node native/build.mjs`) in the repository; HALFSCOPE_ADDON names a built one.";
    throw unavailable("halfscope's native addon", hint, failures);
  }
  // process.exit() joins the threads of runs that are under way; without this it would wait for their end.
  process.once("exit", () => addon.terminateAll());
  return addon;
}

function open(): { addon: NativeAddon; library: NativeLibrary } {
  const addon = loadAddonAlone();
  const failures: Failure[] = [];
  let candidates: string[] = [];
  try {
    candidates = libraryCandidates();
  } catch (error) {
    failures.push({ path: "onnxruntime-node", reason: firstLine(error) });
  }
  const library = firstThatLoads(candidates, (path) => addon.load(path), failures);
  if (library === undefined) {
    const hint =
      "Install the workspace's dependencies (package onnxruntime-node), or name a libonnxruntime of 1.20 or newer in HALFSCOPE_ORT_LIBRARY.";
    throw unavailable("ONNX Runtime", hint, failures);
  }
  return { addon, library };
}

let addonAlone: NativeAddon | undefined;
let loaded: ReturnType<typeof open> | undefined;

/** The addon, whether or not there is an ONNX Runtime that it can load: TensorRT and the GPU need none. Throws as `loadAddon`. */
export function loadAddonAlone(): NativeAddon {
  addonAlone ??= openAddon();
  return addonAlone;
}

/**
 * Loads the addon and ONNX Runtime on the first call; later calls return the same.
 * Throws EngineError ERR_BACKEND_UNAVAILABLE with every reason and what to do; the next call tries again.
 */
export function loadAddon(): ReturnType<typeof open> {
  loaded ??= open();
  return loaded;
}
