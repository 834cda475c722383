import { type BackendName, type EngineMessage, type Typing, UsageError } from "@halfscope/core";
import type { DeviceBuildRequest } from "../backend.js";
import { type OptimizationLevel, optimizationLevels, type ProviderChoice } from "./device-session.js";
import { tensorRtOptions } from "./tensorrt-options.js";

export type OrtBackendName = Exclude<BackendName, "tensorrt">;

/** What a build request means to ONNX Runtime. */
export interface SessionSetup {
  threads: number;
  optimization: OptimizationLevel;
  providers: readonly ProviderChoice[];
  config: Readonly<Record<string, string>>;
  notes: readonly EngineMessage[];
}

/** Key among the provider options that names ONNX Runtime's graph optimisations: disabled, basic, extended, all (the default). */
export const optimizationKey = "session.graph_optimization_level";

/** CUDA's libraries read it when they start; ONNX Runtime's TensorRT provider has no option of its own. */
export const tf32Variable = "NVIDIA_TF32_OVERRIDE";

/** ONNX Runtime runs the types that a file states; nothing else. */
export const typings: readonly Typing[] = ["typed"];

/**
 * Options of the session. Keys of `providerOptions` with a dot are entries of the session's configuration ("session.intra_op.allow_spinning"), one of them
 * `optimizationKey`; all others are the provider's. TF32 is off on CUDA unless it is asked for. Throws UsageError ERR_OPTION for what ONNX Runtime has no way to do.
 */
export function sessionSetup(backend: OrtBackendName, request: DeviceBuildRequest): SessionSetup {
  const { label, precision, options = {}, observe } = request;
  if (precision.kind === "weak")
    throw new UsageError(
      "ERR_OPTION",
      `${label}: ONNX Runtime runs the types that a file states; expected precision "full" or "typed", found "weak".`,
      {
        hint: "Write the mixed file and build it as typed, or use TensorRT 8.6 or 10 for weak typing.",
      },
    );
  if (observe?.how !== undefined && observe.how !== "outputs")
    throw new UsageError("ERR_OPTION", `${label}: ONNX Runtime observes tensors as outputs only; found "${observe.how}".`);
  if (options.strictNans)
    throw new UsageError("ERR_OPTION", `${label}: ONNX Runtime has no option that keeps NaN through every fold; strictNans is TensorRT's.`);
  if (backend === "ort-tensorrt" && options.tf32)
    throw new UsageError(
      "ERR_OPTION",
      `${label}: ONNX Runtime's TensorRT provider has no option for TF32, which is off for the whole process.`,
    );
  const entries = Object.entries(options.providerOptions ?? {});
  const { [optimizationKey]: level = "all", ...config } = Object.fromEntries(entries.filter(([key]) => key.includes(".")));
  if (!Object.hasOwn(optimizationLevels, level))
    throw new UsageError(
      "ERR_OPTION",
      `Expected ${optimizationKey} to be ${Object.keys(optimizationLevels).join(", ")}; found "${level}".`,
    );
  const own = Object.fromEntries(entries.filter(([key]) => !key.includes(".")));
  return {
    threads: options.threads ?? 0,
    optimization: level as OptimizationLevel,
    providers: providersOf(backend, request, own),
    config,
    notes: notesOn(backend, request),
  };
}

function providersOf(backend: OrtBackendName, request: DeviceBuildRequest, own: Readonly<Record<string, string>>): ProviderChoice[] {
  const names = Object.keys(own);
  if (backend === "ort-cpu") {
    if (names.length === 0) return [];
    throw new UsageError("ERR_OPTION", `The CPU's provider has no options; found ${names.join(", ")}.`, {
      hint: 'Entries of the session\'s configuration have a dot in their name, for instance "session.intra_op.allow_spinning".',
    });
  }
  const isTensorRt = (key: string) => key.startsWith("trt_");
  const pick = (wanted: (key: string) => boolean) => Object.fromEntries(Object.entries(own).filter(([key]) => wanted(key)));
  if (backend === "ort-cuda" && names.some(isTensorRt))
    throw new UsageError(
      "ERR_OPTION",
      `${names.filter(isTensorRt).join(", ")}: options of the TensorRT provider; the backend is ort-cuda.`,
    );
  const cuda = { name: "CUDA", options: { use_tf32: request.options?.tf32 ? "1" : "0", ...pick((key) => !isTensorRt(key)) } };
  return backend === "ort-cuda" ? [cuda] : [{ name: "TensorRT", options: { ...tensorRtOptions(request), ...pick(isTensorRt) } }, cuda];
}

/** What was asked for and has no meaning here, and what decides about TF32: said, not swallowed. */
function notesOn(backend: OrtBackendName, { options = {} }: DeviceBuildRequest): EngineMessage[] {
  const notes = backend === "ort-cpu" ? [] : [tf32Note(backend, options.tf32 ?? false)];
  const unused =
    backend === "ort-tensorrt"
      ? (["memoryPools"] as const)
      : (["workspaceBytes", "memoryPools", "timingCache", "optimizationLevel"] as const);
  const names = unused.filter((key) => options[key] !== undefined);
  if (names.length > 0) notes.push(`${backend} has no use for ${names.join(", ")}.`);
  return notes.map((text) => ({ severity: "info", text, count: 1, kind: "other" }));
}

const tf32Note = (backend: OrtBackendName, on: boolean): string =>
  backend === "ort-cuda" && process.env[tf32Variable] !== "0"
    ? `TF32 is ${on ? "on" : "off"} (use_tf32=${on ? 1 : 0}).`
    : `TF32 is off for the whole process (${tf32Variable}=${process.env[tf32Variable]}).`;
