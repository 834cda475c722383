import { type DeviceEnvironment, EngineError, HalfscopeError } from "@halfscope/core";
import { fromNative } from "../../addon-errors.js";
import { type NativeDevice, type NativeLibraryInfo, type NativeModules, nativeTensorRt } from "./native.js";

/** What of TensorRT is on this machine: each part, or one line that says why it is not. */
export interface TensorRtExamination {
  /** For which major versions halfscope was built. */
  modules: NativeModules;
  library: NativeLibraryInfo | string;
  device: NativeDevice | string;
}

/** HALFSCOPE_TENSORRT_LIBRARY: the folder of libnvinfer and libnvonnxparser. Empty: the system's loader finds them. */
const libraryFolder = (): string => process.env.HALFSCOPE_TENSORRT_LIBRARY ?? "";

const remedies = {
  module:
    "Build halfscope where TensorRT's headers are: `node scripts/tensorrt-headers.mjs` fetches some, HALFSCOPE_TENSORRT_INCLUDE names a folder; then `npm run build:native`.",
  library:
    "Install TensorRT (libnvinfer, libnvonnxparser), or name their folder in HALFSCOPE_TENSORRT_LIBRARY. The CPU's predictions need none of it: the same command without --engine.",
  resource:
    "Builds need it; engines from plan files do not. It is a part of TensorRT: put it beside libnvinfer, or name its folder in LD_LIBRARY_PATH.",
  plugins: "Only models with operators that TensorRT runs as plugins need it. It is a part of TensorRT: put it beside libnvinfer.",
  device:
    "Run this on a machine with an NVIDIA GPU and its driver. Without one, halfscope predicts on the CPU: the same command without --engine.",
} as const;

/** What to do about a missing part. */
export const tensorRtRemedy = (part: keyof typeof remedies): string => remedies[part];

/** The same for a library that cannot be used, from what the addon says of it: versions that are there need a module, not another library. */
export const libraryRemedy = (reason: string): string =>
  /this build of halfscope has modules for|built without TensorRT|module cannot be loaded/.test(reason)
    ? remedies.module
    : remedies.library;

/**
 * Versions whose own build ends the process when tensors are marked as debug tensors; others are untried. 10.6.0: a program of 60 lines without any code of halfscope (parse,
 * markDebug on one tensor, buildSerializedNetwork) ends in "corrupted double-linked list" or "LLVM ERROR: out of memory". It was run with libraries of which the
 * kernels for other GPUs than an H200 had been cut; whole ones are untried.
 */
const fatalDebugTensors: readonly (readonly [version: RegExp, evidence: string])[] = [
  [/^10\.6\./, 'its builder ends the whole process with even one of them ("corrupted double-linked list")'],
];

/** Why debug tensors are not to be had though the library has them; undefined where it does not have them, and where nothing is known against it. */
export const debugTensorsFault = (version: string): string | undefined => fatalDebugTensors.find(([known]) => known.test(version))?.[1];

/** Looks without building anything. Throws only where there is no addon. */
export function examineTensorRt(): TensorRtExamination {
  const native = nativeTensorRt();
  return {
    modules: native.tensorrtModules(),
    library: attempt(() => native.tensorrtLibrary(libraryFolder())),
    device: attempt(() => native.cudaDevice()),
  };
}

function attempt<T>(look: () => T): T | string {
  try {
    return look();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Loads TensorRT and takes the first visible GPU. Throws EngineError ERR_BACKEND_UNAVAILABLE: one line, and in the hint what to do. */
export function openTensorRtLibrary(): DeviceEnvironment {
  const native = nativeTensorRt();
  const { modules, failures } = native.tensorrtModules();
  if (modules.length === 0) {
    const why = failures.length > 0 ? ` (${failures.join("; ")})` : "";
    throw new EngineError("ERR_BACKEND_UNAVAILABLE", `TensorRT: this build of halfscope has no module for it${why}.`, {
      hint: remedies.module,
    });
  }
  const library = orUnavailable("library", () => native.tensorrtLibrary(libraryFolder()));
  const device = orUnavailable("device", () => native.cudaDevice());
  const { capabilities } = library;
  return {
    backend: "tensorrt",
    library: "TensorRT",
    version: library.version,
    libraryPath: library.path,
    gpu: device.name,
    computeCapability: device.computeCapability,
    ...(device.driver !== "" && { driver: device.driver }),
    cuda: device.cuda,
    memoryBytes: device.memoryBytes,
    capabilities: {
      typings: [...(capabilities.typed ? ["typed" as const] : []), ...(capabilities.weak ? ["weak" as const] : [])],
      profiles: true,
      debugTensors: capabilities.debugTensors && debugTensorsFault(library.version) === undefined,
      unfusedTensors: capabilities.unfusedTensors,
      strictNans: capabilities.strictNans,
      layerTimes: true,
      realHalf: true,
    },
  };
}

function orUnavailable<T>(part: keyof typeof remedies, open: () => T): T {
  try {
    return open();
  } catch (error) {
    const known = fromNative(error, "TensorRT");
    if (!(known instanceof HalfscopeError) || known.code !== "ERR_BACKEND_UNAVAILABLE") throw known;
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineError("ERR_BACKEND_UNAVAILABLE", `TensorRT cannot be used: ${reason}`, {
      hint: part === "library" ? libraryRemedy(reason) : remedies[part],
      cause: error,
    });
  }
}
