import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { EngineError } from "@halfscope/core";
import { type AddonInfo, addonInfo } from "../../addon.js";
import { loadAddonAlone } from "../../addon-load.js";
import { neededLibraries } from "./needed-libraries.js";
import { preloadLibraries } from "./preload.js";
import { gpuBuildHint } from "./probe.js";

/** An execution provider for GPUs. */
export interface ProviderExamination {
  /** For people: "CUDA", "TensorRT". */
  title: string;
  /** As ONNX Runtime names it. */
  name: string;
  file: string;
  /** Whether this build knows of it: a build says so whether or not the provider's library was installed beside it. */
  known: boolean;
  installed: boolean;
  /** TensorRT's libraries that it is linked with. */
  tensorRt: readonly LinkedLibrary[];
}

/** A library that a provider asks for by its name; `failure`: why it does not load. */
export interface LinkedLibrary {
  name: string;
  failure?: string;
}

/** What of ONNX Runtime is on this machine. */
export interface OrtExamination {
  library: AddonInfo | EngineError;
  providers: readonly ProviderExamination[];
  /** Libraries of CUDA and cuDNN that installed providers are linked with. */
  cudaLibraries: readonly LinkedLibrary[];
}

/** What to do where a provider is not installed. */
export const providerRemedy = gpuBuildHint;

const gpuProviders = [
  { title: "CUDA", name: "CUDAExecutionProvider", library: "libonnxruntime_providers_cuda.so" },
  { title: "TensorRT", name: "TensorrtExecutionProvider", library: "libonnxruntime_providers_tensorrt.so" },
] as const;
/** Opened when a model asks for it, so that no provider need be linked with it. Of all builds since 1.18.1. */
const cudnn = "libcudnn.so.9";
const ofCuda = /^lib(cudart|nvrtc|cublas|cublasLt|cufft|curand|cudnn)\b/;
const ofTensorRt = /^libnv(infer|infer_plugin|onnxparser)\b/;

/** Looks without making a session; loads the libraries that it looks for. Throws only where there is no addon. */
export function examineOrt(): OrtExamination {
  loadAddonAlone();
  let info: AddonInfo;
  try {
    info = addonInfo();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { library: error, providers: [], cudaLibraries: [] };
  }
  const providers = gpuProviders.map(({ title, name, library }) => {
    const file = join(dirname(info.library), library);
    const known = info.providers.includes(name);
    const installed = known && existsSync(file);
    return { title, name, file, known, installed, tensorRt: installed ? tensorRtLibraries(file) : [] };
  });
  return { library: info, providers, cudaLibraries: cudaLibraries(providers.filter((p) => p.installed).map((p) => p.file)) };
}

function cudaLibraries(files: readonly string[]): LinkedLibrary[] {
  if (files.length === 0) return [];
  const linked = files.flatMap((file) => neededLibraries(file) ?? []).filter((name) => ofCuda.test(name));
  const names = linked.some((name) => name.startsWith("libcudnn.")) ? linked : [...linked, cudnn];
  preloadLibraries("cuda");
  return [...new Set(names)].sort().map(lookFor);
}

function tensorRtLibraries(file: string): LinkedLibrary[] {
  const names = (neededLibraries(file) ?? []).filter((name) => ofTensorRt.test(name));
  if (names.length > 0) preloadLibraries("tensorrt");
  return names.map(lookFor);
}

function lookFor(name: string): LinkedLibrary {
  const failure = loadAddonAlone().preload(name);
  return failure === "" ? { name } : { name, failure };
}
