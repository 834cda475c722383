import { type BackendName, backendNames, exitCodes, type ResultDocument, type Typing, UsageError, type Verdict } from "@halfscope/core";
import type { Argv } from "yargs";
import type { DeviceOptions, ObserveWay } from "../pipeline/device/options.js";
import { whole } from "./options.js";

/** How a real engine is built. */
export const engineOptions = <T>(y: Argv<T>) =>
  y
    .option("engine", {
      choices: backendNames,
      group: "Real engine:",
      describe: "measure on it too: TensorRT, or ONNX Runtime with CUDA or TensorRT; ort-cpu rehearses without a GPU",
    })
    .option("profile", {
      type: "string",
      array: true,
      requiresArg: true,
      group: "Real engine:",
      describe: "sizes to serve where the model leaves them open: input_ids=1x1:1x128:8x512 (min:opt:max), inputs joined by commas; repeat",
    })
    .option("workspace", { type: "string", requiresArg: true, group: "Real engine:", describe: "memory that kernels may use: 4GiB" })
    .option("memory-pool", {
      type: "string",
      array: true,
      requiresArg: true,
      group: "Real engine:",
      describe: "another pool of TensorRT's: tactic-dram=2GiB while kernels are tried, tactic-shared-memory=48KiB of a kernel; repeat",
    })
    .option("timing-cache", {
      type: "string",
      requiresArg: true,
      group: "Real engine:",
      describe: "file of measured kernel times, read and written [timing.cache in the folder that -o names, else none]",
    })
    .option("provider-option", {
      type: "string",
      array: true,
      requiresArg: true,
      group: "Real engine:",
      describe: "of ONNX Runtime's provider, as it names them: KEY=VALUE; with a dot in KEY of the session; repeat",
    })
    .option("builder-level", { type: "number", requiresArg: true, group: "Real engine:", describe: "TensorRT's effort, 0 to 5" })
    .option("strict-nans", { type: "boolean", default: false, group: "Real engine:", describe: "leave out folds that hide NaN" });

export const typingOption = <T>(y: Argv<T>) =>
  y.option("typing", {
    choices: ["typed", "weak"] as const,
    group: "Real engine:",
    describe: "typed: precision as the file states it; weak: a flag and constraints per layer (TensorRT 8.6, 10) [typed where there is]",
  });

/** The same, with what only the main job does. */
export const deviceOptions = <T>(y: Argv<T>) =>
  typingOption(engineOptions(y))
    .option("observe", {
      choices: ["outputs", "debug", "unfused", "none"] as const,
      default: "outputs" as const,
      group: "Real engine:",
      describe:
        "how inner tensors are looked at: as outputs; as debug tensors (not on TensorRT 8, 10.6, 10.8); where fusion left them; not",
    })
    .option("engine-trials", {
      type: "number",
      requiresArg: true,
      default: 4,
      group: "Real engine:",
      describe: "builds at most that refine the pins where the engine disagrees with the recommendation",
    })
    .option("guides", {
      type: "boolean",
      default: true,
      group: "Real engine:",
      describe: "build what guides advise to pin too; --no-guides saves that build",
    })
    .option("save-plan", {
      type: "string",
      requiresArg: true,
      group: "Real engine:",
      describe: "write the plan file of the recommended pins, or of those that trials on the engine found, and what it needs beside it",
    });

export interface EngineArguments {
  engine?: BackendName | undefined;
  profile?: string[] | undefined;
  workspace?: string | undefined;
  "memory-pool"?: string[] | undefined;
  "timing-cache"?: string | undefined;
  "builder-level"?: number | undefined;
  "strict-nans": boolean;
  "provider-option"?: string[] | undefined;
}
export interface DeviceArguments extends EngineArguments {
  typing?: Typing | undefined;
  observe: ObserveWay;
  "engine-trials": number;
  guides: boolean;
  "save-plan"?: string | undefined;
}

const settings = ["profile", "workspace", "memory-pool", "timing-cache", "builder-level", "provider-option"];

/** What to build with; undefined without --engine, when nothing else of it may be given. Throws ERR_OPTION, ERR_PROFILE. */
export async function engineFrom(args: EngineArguments): Promise<DeviceOptions | undefined> {
  const level = args["builder-level"];
  if (args.engine === undefined) {
    const given = [...settings, "typing", "save-plan"].find((name) => (args as unknown as Record<string, unknown>)[name] !== undefined);
    if (given === undefined && !args["strict-nans"]) return undefined;
    throw new UsageError("ERR_OPTION", `--${given ?? "strict-nans"} needs --engine.`, { hint: "For instance --engine tensorrt." });
  }
  const { parseProfile } = await import("@halfscope/engine");
  const { memoryPoolsFrom, workspaceFrom } = await import("./memory-options.js");
  const { providerOptionsFrom } = await import("./provider-options.js");
  const providerOptions = args["provider-option"] && providerOptionsFrom(args["provider-option"], args.engine);
  return {
    engine: args.engine,
    ...(args.profile && { profiles: args.profile.map((text) => parseProfile(text)) }),
    build: {
      ...(args.workspace !== undefined && { workspaceBytes: workspaceFrom(args.workspace) }),
      ...(args["memory-pool"] && { memoryPools: memoryPoolsFrom(args["memory-pool"]) }),
      ...(args["timing-cache"] !== undefined && { timingCache: args["timing-cache"] }),
      ...(level !== undefined && { optimizationLevel: levelOf(level) }),
      ...(args["strict-nans"] && { strictNans: true }),
      ...(providerOptions && { providerOptions }),
    },
  };
}

/** The same for the main job. */
export async function deviceFrom(args: DeviceArguments): Promise<DeviceOptions | undefined> {
  const trials = whole("--engine-trials", args["engine-trials"], 0);
  const engine = await engineFrom(args);
  return (
    engine && {
      ...engine,
      typing: args.typing,
      observe: args.observe,
      trials,
      guides: args.guides,
      savePlan: args["save-plan"],
    }
  );
}

function levelOf(level: number): number {
  if (Number.isInteger(level) && level >= 0 && level <= 5) return level;
  throw new UsageError("ERR_OPTION", `--builder-level needs a whole number from 0 to 5, found ${level}.`, {
    hint: "Higher levels build longer and may run faster.",
  });
}

export const outcomeExitCode = (outcome: Verdict["outcome"]): number => (outcome === "within" ? exitCodes.ok : exitCodes.accuracyNotMet);

/**
 * The exit code of a run with a real engine: the engine's own verdict on the recommended pins. Undefined where there is none, and where the engine's FP16 is not real: then
 * the emulation's verdict counts. With a budget only what is not finite fails.
 */
export function engineExitCode({ device }: ResultDocument, budget: boolean): number | undefined {
  if (device === undefined || !device.environment.capabilities.realHalf) return undefined;
  const outcome = device.engines.find((e) => e.role === "recommended")?.outcome;
  if (outcome === undefined) return undefined;
  return budget && outcome === "not-within" ? exitCodes.ok : outcomeExitCode(outcome);
}
