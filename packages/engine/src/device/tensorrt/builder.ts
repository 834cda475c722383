import {
  CancelledError,
  type EngineMessage,
  numberFromDtype,
  type Progress,
  type ProgressStep,
  silentProgress,
  UsageError,
} from "@halfscope/core";
import { type Model, viewGraph } from "@halfscope/onnx";
import { feedSignature } from "../../feeds/feed.js";
import { onAbort } from "../../on-abort.js";
import type { DeviceBuildOptions, DeviceBuildRequest, EnginePrecision, MemoryPool, OptimizationProfile } from "../backend.js";
import { readGivenModel } from "../given-model.js";
import { readMessages } from "../messages.js";
import { checkProfiles, type ProfileInput, profileInputs } from "../profiles.js";
import { shapeTensorsOf } from "../shape-tensors.js";
import { readSharedCache, updateSharedCache } from "../timing-cache-file.js";
import { fromTensorRt } from "./errors.js";
import type { NativeBuild, NativeBuildRequest, NativeMessage, NativeNetwork, NativeTask, NativeTensorRt } from "./native.js";

/** A build and what is known of the model beside it. */
export interface TensorRtBuild {
  native: NativeBuild;
  messages: readonly EngineMessage[];
  /** The graph's inputs as profiles see them. */
  inputs: readonly ProfileInput[];
  profiles: readonly OptimizationProfile[];
}

export interface BuildContext {
  signal?: AbortSignal | undefined;
  progress?: Progress | undefined;
}

/** Of TensorRT's version: 10 and later tell of a build's progress and stop it, 8 does neither. */
const stopsBuilds = (version: string): boolean => Number.parseInt(version, 10) >= 10;

/**
 * Of TensorRT's version: 8 rounds the FP32 bias of a pinned Add unless the constant is typed too (8.6.1 on an H200, a BERT whose bias takes away an offset of 256: error
 * 0.0137 without, 0.00146 with it, 0.00216 predicted). 10.6 needs it only of the broadcast behind the constant.
 */
const typesConstants = (version: string): boolean => Number.parseInt(version, 10) < 10;

/** Builds an engine off the event loop. Throws EngineError ERR_ENGINE_BUILD with the last errors of TensorRT's log, UsageError ERR_PROFILE, CancelledError. */
export async function buildTensorRt(
  native: NativeTensorRt,
  request: DeviceBuildRequest,
  version: string,
  o: BuildContext = {},
): Promise<TensorRtBuild> {
  const { signal, progress = silentProgress } = o;
  if (signal?.aborted) throw new CancelledError();
  const model = await readGivenModel(request);
  const inputs = inputsOf(model);
  const profiles = request.profiles ?? [];
  for (const warning of checkProfiles(profiles, inputs)) progress.note(warning);
  const cache = request.options?.timingCache;
  const cached = cache === undefined ? undefined : ((await readSharedCache(cache)) ?? new Uint8Array());
  const task = native.tensorrtTask();
  const waiting = onAbort(signal, () => {
    task.cancel();
    if (!stopsBuilds(version)) progress.note(`TensorRT ${version.split(".")[0]} cannot be stopped in a build; waiting for its end.`);
  });
  const step = progress.step(`Building ${request.label}`, 1000, { steady: false });
  const watching = setInterval(() => step.update(Math.floor(1000 * doneShare(task))), 500);
  watching.unref();
  try {
    const built = await native.tensorrtBuild(nativeRequest(request, profiles, cached, typesConstants(version)), task);
    if (cache !== undefined && built.timingCache.length > 0) await keepCache(native, cache, built.timingCache, signal, progress);
    return { native: built, messages: messagesOf(built), inputs, profiles };
  } catch (error) {
    throw fromTensorRt(error, `Building ${request.label} with TensorRT`);
  } finally {
    clearInterval(watching);
    waiting[Symbol.dispose]();
    endStep(step);
  }
}

/** Only parses: the network's inputs, outputs and layers as TensorRT sees them, shape tensors told apart. Throws EngineError ERR_ENGINE_BUILD. */
export async function describeTensorRt(native: NativeTensorRt, path: string): Promise<NativeNetwork> {
  try {
    return await native.tensorrtDescribe(nativeRequest({ label: path, path, precision: { kind: "full" } }, [], undefined));
  } catch (error) {
    throw fromTensorRt(error, `Reading ${path} with TensorRT`);
  }
}

const endStep = (step: ProgressStep): void => {
  step.update(1000);
  step.end();
};

/** Of the outermost phase and those within: 0 to 1. TensorRT says how many steps a phase has, not how long they take: two thirds were done in the first second of 80. */
function doneShare(task: NativeTask): number {
  let share = 0;
  let part = 1;
  for (const { steps, done } of task.phases()) {
    if (steps <= 0) continue;
    share += (part * Math.min(done, steps)) / steps;
    part /= steps;
  }
  return Math.min(share, 1);
}

/** Inputs of the graph as profiles are held against them. */
export function inputsOf(model: Model): ProfileInput[] {
  const view = viewGraph(model.graph);
  return profileInputs(feedSignature(view), shapeTensorsOf(view));
}

const poolNumbers: Readonly<Record<MemoryPool, number>> = { "tactic-dram": 1, "tactic-shared-memory": 2 };

/** Throws UsageError ERR_OPTION for pools that are not known and amounts that are none. */
function poolLimits({ workspaceBytes, memoryPools = {} }: DeviceBuildOptions): NativeBuildRequest["pools"] {
  const limits = [
    { name: "workspace", pool: 0, bytes: workspaceBytes },
    ...Object.entries(memoryPools).map(([name, bytes]) => ({ name, pool: poolNumbers[name as MemoryPool], bytes })),
  ];
  return limits.flatMap(({ name, pool, bytes }) => {
    if (bytes === undefined) return [];
    if (pool === undefined)
      throw new UsageError("ERR_OPTION", `TensorRT has no memory pool "${name}"; expected ${Object.keys(poolNumbers).join(" or ")}.`);
    if (!(Number.isSafeInteger(bytes) && bytes > 0))
      throw new UsageError("ERR_OPTION", `Expected a whole number of bytes, 1 or more, for the memory pool "${name}", found ${bytes}.`);
    return [{ pool, bytes }];
  });
}

const precisions: Readonly<Record<EnginePrecision["kind"], number>> = { full: 0, typed: 1, weak: 2 };
const constraintNumbers = { none: 0, prefer: 1, obey: 2 } as const;
const observeNumbers = { outputs: 0, debug: 1, unfused: 2 } as const;

function nativeRequest(
  request: DeviceBuildRequest,
  profiles: readonly OptimizationProfile[],
  timingCache: Uint8Array | undefined,
  typeConstants = false,
): NativeBuildRequest {
  const { precision, observe, options = {} } = request;
  const weak = precision.kind === "weak" ? precision : undefined;
  const level = options.optimizationLevel;
  if (level !== undefined && !(Number.isInteger(level) && level >= 0 && level <= 5))
    throw new UsageError("ERR_OPTION", `Expected an optimisation level from 0 to 5, found ${level}.`);
  return {
    path: request.path,
    ...(request.model && { model: request.model }),
    precision: precisions[precision.kind],
    half: numberFromDtype(weak?.half ?? "float16"),
    constraints: constraintNumbers[weak?.constraints ?? "none"],
    pins: (weak?.pins ?? []).map((pin) => ({ node: pin.node, half: pin.precision === "float16" })),
    observe: [...new Set(observe?.tensors ?? [])],
    how: observeNumbers[observe?.how ?? "outputs"],
    preferHalf: observe?.preferHalf ?? false,
    typeConstants: options.typeConstants ?? typeConstants,
    profiles: profiles.map((profile) => Object.entries(profile.inputs).map(([input, range]) => ({ input, ...range }))),
    pools: poolLimits(options),
    optimizationLevel: level ?? -1,
    strictNans: options.strictNans ?? false,
    tf32: options.tf32 ?? false,
    ...(timingCache !== undefined && { timingCache }),
  };
}

/** The log as data, each message once. */
export function logOf(messages: readonly NativeMessage[]): EngineMessage[] {
  return readMessages(
    messages.flatMap(({ severity, text, count }) => Array.from({ length: Math.min(count, 1000) }, () => ({ severity, text }))),
  );
}

function messagesOf(built: NativeBuild): EngineMessage[] {
  const lost = built.pinsNotFound;
  if (lost.length === 0) return logOf(built.messages);
  const text = `Pinned nodes that are no layers of TensorRT's network: ${lost.slice(0, 10).join(", ")}${lost.length > 10 ? " ..." : ""}.`;
  return [...logOf(built.messages), { severity: "warning", kind: "other", text, count: lost.length, names: lost }];
}

async function keepCache(
  native: NativeTensorRt,
  path: string,
  mine: Uint8Array,
  signal: AbortSignal | undefined,
  progress: Progress,
): Promise<void> {
  const merge = async (current: Uint8Array | undefined): Promise<Uint8Array> =>
    current === undefined || current.length === 0 ? mine : native.tensorrtMergeCaches(current, mine);
  const { note } = await updateSharedCache(path, merge, { signal });
  if (note !== undefined) progress.note(note);
}
