/**
 * The native addon's typed face. Importing this loads no native code; the first call of any function does, and throws EngineError
 * ERR_BACKEND_UNAVAILABLE when the addon is not built or ONNX Runtime is missing. Works in worker threads too.
 */
import { readFileSync } from "node:fs";
import { bytesPerElement, type ErrorStats, isFloat, numberFromDtype, statsFromBlock, type TensorValue, UsageError } from "@halfscope/core";
import { fromNative } from "./addon-errors.js";
import { type Bfloat16Conversion, type HalfConversion, loadAddon } from "./addon-load.js";

export type { Bfloat16Conversion, ConversionLosses, HalfConversion } from "./addon-load.js";
export {
  type Decision,
  type Executions,
  type IoInfo,
  OrtSession,
  type RunOptions,
  type RunResult,
  type SessionOptions,
  type WeightInput,
} from "./addon-session.js";

export interface AddonInfo {
  onnxruntimeVersion: string;
  /** Path of the shared library. */
  library: string;
  /** Execution providers that the library was built with. */
  providers: string[];
  /** Kernels in use: `scalar`, `avx2` or `avx512`; HALFSCOPE_ISA forces one. */
  instructionSet: string;
  /** Version of ONNX Runtime's C API that is asked for. */
  apiVersion: number;
}

export function addonInfo(): AddonInfo {
  const { library } = loadAddon();
  return {
    onnxruntimeVersion: library.version,
    library: library.library,
    providers: library.providers,
    instructionSet: library.instructionSet,
    apiVersion: library.apiVersion,
  };
}

const off = <T>(work: Promise<T>, doing: string): Promise<T> =>
  work.catch((error: unknown) => {
    throw fromNative(error, doing);
  });

/**
 * Statistics of two tensors of floats of one element count, of one type or of two: an FP16 engine's output against the FP32 reference's. Narrow values are
 * widened, which is exact. Off the event loop. Leave their bytes alone until it settles.
 */
export async function compareTensors(reference: TensorValue, candidate: TensorValue): Promise<ErrorStats> {
  const counts = [reference, candidate].map((tensor) => {
    if (!isFloat(tensor.dtype)) throw new UsageError("ERR_OPTION", `Expected tensors of floats to compare, found ${tensor.dtype}.`);
    return tensor.data.length / (bytesPerElement(tensor.dtype) ?? 1);
  });
  if (counts[0] !== counts[1])
    throw new UsageError("ERR_OPTION", `Expected two tensors of one element count, found ${counts[0]} and ${counts[1]}.`);
  const types = [numberFromDtype(reference.dtype), numberFromDtype(candidate.dtype)] as const;
  const block = await off(loadAddon().addon.compareTensors(reference.data, candidate.data, ...types), "Comparing");
  return statsFromBlock(block, 0);
}

/**
 * Float32 (little-endian, any alignment) to FP16, to nearest even with subnormals. `finite` turns finite values beyond the range into +-65504,
 * else they become Infinity. Off the event loop; leave `source` alone until it settles.
 */
export async function convertToHalf(source: Uint8Array, finite: boolean): Promise<HalfConversion> {
  requireWhole(source, 4);
  return off(loadAddon().addon.convertToHalf(source, finite), "Converting to FP16");
}

/**
 * Float32 (little-endian, any alignment) to bfloat16, to nearest even with subnormals. `finite` turns finite values beyond the range into
 * +-(2 - 2^-7) * 2^127, else they become Infinity. Off the event loop; leave `source` alone until it settles.
 */
export async function convertToBfloat16(source: Uint8Array, finite: boolean): Promise<Bfloat16Conversion> {
  requireWhole(source, 4);
  return off(loadAddon().addon.convertToBfloat16(source, finite), "Converting to bfloat16");
}

/** FP16 (little-endian, any alignment) to float32, exactly. */
export async function convertFromHalf(source: Uint8Array): Promise<Uint8Array> {
  requireWhole(source, 2);
  return off(loadAddon().addon.convertFromHalf(source), "Converting from FP16");
}

function requireWhole(source: Uint8Array, width: number): void {
  if (source.length % width === 0) return;
  throw new UsageError("ERR_OPTION", `Expected a multiple of ${width} bytes, found ${source.length}.`);
}

export interface MemoryUsage {
  /** Anonymous memory in use: what halfscope itself costs, without mapped files. 0 where the system does not tell. */
  rssAnonBytes: number;
  /** Peak resident memory, mapped weights included. */
  vmHwmBytes: number;
}

/** Memory of this process as Linux counts it. */
export function memoryUsage(): MemoryUsage {
  let status = "";
  try {
    status = readFileSync("/proc/self/status", "utf8");
  } catch {
    // not Linux
  }
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
  return { rssAnonBytes: field("RssAnon"), vmHwmBytes: field("VmHWM") };
}
