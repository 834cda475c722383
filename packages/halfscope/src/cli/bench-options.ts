import type { WantedSizes } from "@halfscope/analysis";
import { type BackendName, UsageError } from "@halfscope/core";
import type { Argv } from "yargs";
import type { WantedCandidate } from "../pipeline/bench-candidate.js";

export const benchInputs = <T>(y: Argv<T>) =>
  y
    .option("batch", { type: "string", requiresArg: true, group: "Requests:", describe: "requests in one call: 1,2,4,8 [that]" })
    .option("batch-axis", {
      type: "string",
      array: true,
      requiresArg: true,
      group: "Requests:",
      describe: "which axis is the batch, by its name or as INPUT:AXIS [the open first size that inputs share]",
    })
    .option("dim", {
      type: "string",
      array: true,
      requiresArg: true,
      group: "Requests:",
      describe: "size of a symbolic dimension, several for several shapes: sequence=128,384",
    })
    .option("shape", {
      type: "string",
      array: true,
      requiresArg: true,
      group: "Requests:",
      describe: "whole shape of one request's input, several for several shapes: images=1x3x640x640,1x3x320x320",
    })
    .option("feed", {
      type: "string",
      array: true,
      requiresArg: true,
      group: "Requests:",
      describe: "real requests: FILE.npz, NAME=FILE.npy, a folder of input_*.pb, FILE.json; batches are made of them",
    })
    .option("seed", { type: "number", requiresArg: true, default: 1, group: "Requests:", describe: "seed of made-up requests" });

export const benchTimes = <T>(y: Argv<T>) =>
  y
    .option("contexts", {
      type: "string",
      requiresArg: true,
      default: "1",
      group: "Times:",
      describe: "contexts that serve at once, each in a thread of its own: 1,2,4",
    })
    .option("requests", {
      type: "number",
      requiresArg: true,
      default: 100,
      group: "Times:",
      describe: "calls that are timed, of each point",
    })
    .option("warmup", { type: "number", requiresArg: true, default: 10, group: "Times:", describe: "calls before each round that are not" })
    .option("rounds", {
      type: "number",
      requiresArg: true,
      default: 4,
      group: "Times:",
      describe: "times that all points are measured in turn: the first and the last tell what the clock did",
    })
    .option("max-seconds", {
      type: "number",
      requiresArg: true,
      default: 10,
      group: "Times:",
      describe: "longest time of each point, by which slow ones get fewer calls",
    })
    .option("threads", { type: "number", requiresArg: true, group: "Times:", describe: "threads inside one operator of ort-cpu [cores]" });

/** 1,2,4 as numbers. Throws ERR_OPTION, which quotes what was given. */
export function wholeList(option: string, text: string): number[] {
  return text.split(",").map((given) => {
    const part = given.trim();
    const number = /^\d+$/.test(part) ? Number(part) : Number.NaN;
    if (Number.isSafeInteger(number) && number >= 1) return number;
    const found = part === text.trim() ? JSON.stringify(part) : `${JSON.stringify(part)} in ${JSON.stringify(text)}`;
    throw new UsageError("ERR_OPTION", `${option} needs a whole number of at least 1, or several joined by commas, found ${found}.`, {
      hint: `For instance ${option} 1,2,4.`,
    });
  });
}

/** Options that were given and do nothing on the engine, a sentence for each kind: nobody should take a figure for theirs. */
export function idleOptions(
  args: Readonly<Partial<Record<"workspace" | "memory-pool" | "timing-cache" | "builder-level" | "threads", unknown>>> & {
    engine: BackendName;
  },
): string[] {
  const builds = args.engine === "tensorrt" || args.engine === "ort-tensorrt";
  const names = (["workspace", "timing-cache", "builder-level"] as const).filter((name) => !builds && args[name] !== undefined);
  const list = names.map((name) => `--${name}`).join(", ");
  return [
    ...(names.length === 0
      ? []
      : [
          `${list} ${names.length === 1 ? "does" : "do"} nothing on ${args.engine}: only TensorRT, also under ONNX Runtime, builds with ${names.length === 1 ? "it" : "them"}.`,
        ]),
    ...(args.engine !== "tensorrt" && args["memory-pool"] !== undefined
      ? [`--memory-pool does nothing on ${args.engine}: only TensorRT's own builder has such pools.`]
      : []),
    ...(args.engine === "tensorrt" && args.threads !== undefined
      ? ["--threads does nothing on tensorrt: it is of operators that ONNX Runtime runs on the CPU."]
      : []),
  ];
}

/** Throws ERR_OPTION. */
export function positiveNumber(option: string, value: number): number {
  if (value > 0 && Number.isFinite(value)) return value;
  throw new UsageError("ERR_OPTION", `${option} needs a number above 0, found ${value}.`, { hint: `For instance ${option} 10.` });
}

/** `sequence=128,384` and `images=1x3x640x640,1x3x320x320`; a part with a name of its own starts the next one. Throws ERR_OPTION. */
export function wantedSizes(dims: readonly string[] = [], shapes: readonly string[] = []): WantedSizes {
  return {
    dims: lists("--dim", dims, "NAME=SIZE,SIZE", "--dim sequence=128,384", (text) =>
      /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined,
    ),
    shapes: lists("--shape", shapes, "NAME=1x128,1x384", "--shape input_ids=1x128", (text) => {
      const sizes = text === "" ? [] : text.split("x");
      return sizes.every((s) => /^\d{1,15}$/.test(s)) ? sizes.map(Number) : undefined;
    }),
  };
}

function lists<T>(
  option: string,
  texts: readonly string[],
  form: string,
  example: string,
  read: (text: string) => T | undefined,
): Record<string, T[]> {
  const found = new Map<string, T[]>();
  for (const text of texts) {
    let name: string | undefined;
    for (const part of text.split(",")) {
      const at = part.lastIndexOf("=");
      if (at > 0) name = part.slice(0, at);
      const value = read(part.slice(at + 1));
      if (name === undefined || value === undefined)
        throw new UsageError("ERR_OPTION", `${option} needs ${form}, found "${text}".`, { hint: `For instance ${example}.` });
      found.set(name, [...(found.get(name) ?? []), value]);
    }
  }
  return Object.fromEntries(found);
}

/** What is served in place of the model. Throws ERR_OPTION for more than one of them. */
export function wantedCandidate(o: {
  candidate: string | undefined;
  fp16: boolean;
  bf16: boolean;
  overrides: string | undefined;
}): WantedCandidate | undefined {
  const wanted: (WantedCandidate & { said: string })[] = [
    ...(o.candidate === undefined ? [] : [{ said: "a candidate file", kind: "file" as const, path: o.candidate }]),
    ...(o.fp16 ? [{ said: "--fp16", kind: "half" as const, half: "float16" as const }] : []),
    ...(o.bf16 ? [{ said: "--bf16", kind: "half" as const, half: "bfloat16" as const }] : []),
    ...(o.overrides === undefined ? [] : [{ said: "--overrides", kind: "overrides" as const, path: o.overrides }]),
  ];
  if (wanted.length > 1)
    throw new UsageError("ERR_OPTION", `${wanted.map((w) => w.said).join(" and ")} name two candidates.`, { hint: "Give one of them." });
  const [first] = wanted;
  if (first === undefined) return undefined;
  const { said: _, ...candidate } = first;
  return candidate;
}
