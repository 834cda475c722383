import { isMainThread } from "node:worker_threads";
import { type DeviceCapabilities, type DeviceEnvironment, EngineError } from "@halfscope/core";
import { fromNative } from "../../addon-errors.js";
import { loadAddon, type NativeLibrary } from "../../addon-load.js";
import type { DeviceBackend } from "../backend.js";
import { tensorRtRemedy } from "../tensorrt/library.js";
import { OrtBackend } from "./ort-backend.js";
import { preloadLibraries } from "./preload.js";
import { gpuBuildHint, probe } from "./probe.js";
import { type OrtBackendName, tf32Variable, typings } from "./provider-options.js";

const titles: Readonly<Record<OrtBackendName, string>> = {
  "ort-cpu": "ONNX Runtime, CPU provider",
  "ort-cuda": "ONNX Runtime, CUDA provider",
  "ort-tensorrt": "ONNX Runtime, TensorRT provider",
};
const providers = { "ort-cuda": "CUDAExecutionProvider", "ort-tensorrt": "TensorrtExecutionProvider" } as const;

const capabilitiesOf = (name: OrtBackendName): DeviceCapabilities => ({
  typings,
  profiles: name === "ort-tensorrt",
  debugTensors: false,
  unfusedTensors: false,
  strictNans: false,
  layerTimes: false,
  realHalf: name !== "ort-cpu",
});

/**
 * ONNX Runtime with an execution provider, found to work: a model of one node has been built with it. Throws EngineError ERR_BACKEND_UNAVAILABLE where it cannot
 * be had; never falls back to another provider. HALFSCOPE_ORT_LIBRARY names a build with CUDA (the package onnxruntime-gpu has one in its folder `capi`);
 * libraries that it asks for come from LD_LIBRARY_PATH or from where `preloadLibraries` looks.
 */
export async function openOrt(name: OrtBackendName): Promise<DeviceBackend> {
  const { library } = loadAddon();
  const environment: DeviceEnvironment = {
    backend: name,
    library: titles[name],
    version: library.version,
    libraryPath: library.library,
    capabilities: capabilitiesOf(name),
  };
  if (name === "ort-cpu") return new OrtBackend(name, environment);
  requireProvider(name, library);
  const inTf32 = name === "ort-tensorrt" ? turnTf32Off(titles[name]) : undefined;
  const gpu = findGpu(titles[name]);
  if (inTf32 !== undefined) throw inTf32;
  cudaLoaded = true;
  const failures = [...preloadLibraries("cuda"), ...(name === "ort-tensorrt" ? preloadLibraries("tensorrt") : [])];
  const backend = new OrtBackend(name, { ...environment, ...gpu });
  await probe(backend, name, titles[name], failures);
  return backend;
}

function requireProvider(name: "ort-cuda" | "ort-tensorrt", library: NativeLibrary): void {
  if (library.providers.includes(providers[name])) return;
  throw new EngineError(
    "ERR_BACKEND_UNAVAILABLE",
    `${titles[name]}: this build of ONNX Runtime ${library.version} has no ${providers[name]}, only ${library.providers.join(", ")} (${library.library}).`,
    {
      hint: gpuBuildHint,
      context: { providers: library.providers },
    },
  );
}

/** CUDA's libraries are in this process, and their threads: they have read the environment, or are reading it. */
let cudaLoaded = false;

/**
 * Before any of CUDA's libraries is loaded: they read the variable when they start, and setting one while other threads read the environment may end the process. The environment
 * of a worker thread is a copy that libraries never see. Where it is too late, the process must have been started with it: the error says so.
 */
export function turnTf32Off(title: string, late = cudaLoaded, mainThread = isMainThread): EngineError | undefined {
  const set = process.env[tf32Variable];
  if (set === "0") return undefined;
  if (set === undefined && mainThread && !late) {
    process.env[tf32Variable] = "0";
    return undefined;
  }
  const why =
    set !== undefined
      ? `it is ${set}`
      : mainThread
        ? "CUDA's libraries were loaded without it, by another backend of this process"
        : "it is not set, and only the main thread could set it";
  return new EngineError("ERR_BACKEND_UNAVAILABLE", `${title}: TF32 cannot be turned off, and a reference in TF32 is none.`, {
    hint: `Start the process with ${tf32Variable}=0; ${why}.`,
  });
}

function findGpu(title: string): Partial<DeviceEnvironment> {
  const { addon } = loadAddon();
  if (addon.cudaDevice === undefined) return {};
  try {
    const { name, computeCapability, driver, cuda, memoryBytes } = addon.cudaDevice();
    return { gpu: name, computeCapability, memoryBytes, ...(driver && { driver }), ...(cuda && { cuda }) };
  } catch (error) {
    const known = fromNative(error, title);
    if (!(known instanceof EngineError)) throw known;
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineError("ERR_BACKEND_UNAVAILABLE", `${title}: ${reason}`, {
      hint: tensorRtRemedy("device"),
      cause: error,
    });
  }
}
