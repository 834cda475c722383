import { type BackendName, type DeviceCapabilities, type Typing, UsageError } from "@halfscope/core";
import { type DeviceBackend, type DeviceBuildOptions, debugTensorsFault, type OptimizationProfile } from "@halfscope/engine";

/** How inner tensors are looked at: as outputs, as debug tensors, where fusion left them, or not at all. */
export const observeWays = ["outputs", "debug", "unfused", "none"] as const;
export type ObserveWay = (typeof observeWays)[number];

/** What the steps on a real engine are asked for. */
export interface DeviceOptions {
  engine: BackendName;
  /** Defaults to `typed` where the library has it: one truth, in the file. */
  typing?: Typing | undefined;
  /** Where input sizes are open; made from the samples when absent. */
  profiles?: readonly OptimizationProfile[] | undefined;
  /** TF32 is always off. The timing cache defaults to a file in the results folder. */
  build?: Omit<DeviceBuildOptions, "tf32"> | undefined;
  /** Defaults to `outputs`. */
  observe?: ObserveWay | undefined;
  /** Builds that may refine the pins when the engine disagrees with the recommendation. Defaults to 4. */
  trials?: number | undefined;
  /** Measure what guides advise to pin beside ours: one build more. Defaults to true. */
  guides?: boolean | undefined;
  /** Where to write a plan file: of the pins that trials on the engine end with, else of the recommended ones. */
  savePlan?: string | undefined;
  /** Opens the engine's library. Defaults to `openBackend`. */
  open?: ((engine: BackendName) => Promise<DeviceBackend>) | undefined;
}

export const defaultEngineTrials = 4;

/** Refuses what the library cannot do, before anything is measured. Returns how precision is said. Throws ERR_OPTION. */
export function settleTyping(o: DeviceOptions, { capabilities, library, version }: DeviceBackend["environment"]): Typing {
  const name = `${library} ${version}`;
  const [first = "typed"] = capabilities.typings;
  const typing = o.typing ?? (capabilities.typings.includes("typed") ? "typed" : first);
  if (!capabilities.typings.includes(typing))
    throw lacks(name, `${typing} networks`, `It has: ${capabilities.typings.join(", ")}. Leave out --typing.`);
  if (o.observe === "debug" && !capabilities.debugTensors) {
    const fault = o.engine === "tensorrt" ? debugTensorsFault(version) : undefined;
    if (fault === undefined) throw lacks(name, "debug tensors", "Observe with --observe outputs.");
    throw new UsageError("ERR_OPTION", `Debug tensors are not to be had with ${name}: ${fault}.`, {
      hint: "Observe with --observe outputs.",
    });
  }
  if (o.observe === "unfused" && !capabilities.unfusedTensors) throw lacks(name, "unfused tensors", "Observe with --observe outputs.");
  if (o.build?.strictNans && !capabilities.strictNans) throw lacks(name, "strict mode for NaN", "Leave out --strict-nans.");
  if (o.profiles?.length && !capabilities.profiles) throw lacks(name, "optimisation profiles", "Leave out --profile: it takes any size.");
  if (o.savePlan !== undefined && !hasPlans(o.engine)) throw lacks(name, "plan files", "Leave out --save-plan.");
  return typing;
}

/** Engines that are built for ranges of sizes; the others take any. */
export const hasProfiles = (engine: BackendName): boolean => engine === "tensorrt" || engine === "ort-tensorrt";

const hasPlans = (engine: BackendName): boolean => engine === "tensorrt";

const lacks = (name: string, what: string, hint: string): UsageError => new UsageError("ERR_OPTION", `${name} has no ${what}.`, { hint });

/** What the emulation on the CPU behaves like for an engine, where nobody says otherwise; undefined for what has no likeness of its own. */
export const likeOf = (engine: BackendName): "tensorrt" | "ort-cuda" | undefined =>
  engine === "tensorrt" || engine === "ort-tensorrt" ? "tensorrt" : engine === "ort-cuda" ? "ort-cuda" : undefined;

export const engineTitle = ({ library, version }: { library: string; version: string }): string => `${library} ${version}`;

/** For people, where an engine's FP16 is none. */
export const notRealHalf = (o: { library: string; version: string; capabilities: DeviceCapabilities }): string =>
  `${engineTitle(o)} computes FP16 operators in FP32: what it measures says NOTHING about a GPU, and the verdict is the emulation's.`;

/** How precision is said, in words: only TensorRT has two ways. */
export const typingWords = (typing: Typing, engine: BackendName): string =>
  engine !== "tensorrt" ? "typed by the file" : typing === "typed" ? "strongly typed" : "weakly typed";
