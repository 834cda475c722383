import {
  type Chip,
  type ConstantPolicy,
  chips,
  type EngineName,
  engineNames,
  type HalfType,
  type ProfileChanges,
  type SumType,
  sumTypes,
  UsageError,
} from "@halfscope/core";
import type { Argv } from "yargs";
import type { WorkbenchOptions } from "../pipeline/workbench.js";
import type { Context } from "./context.js";

/** Options of every command that runs a model: `inputOptions`, and the engine that candidates behave like. */
export const runOptions = <T>(y: Argv<T>) => likeOptions(inputOptions(y));

/** Of commands that go on with what was measured: there the engine is the one that was measured. */
export const inputOptions = <T>(y: Argv<T>) =>
  y
    .option("feed", {
      type: "string",
      array: true,
      requiresArg: true,
      group: "Inputs:",
      describe: "real inputs: FILE.npz, NAME=FILE.npy, a folder of input_*.pb, FILE.json; repeat for more samples",
    })
    .option("dim", {
      type: "string",
      array: true,
      requiresArg: true,
      group: "Inputs:",
      describe: "size of a symbolic dimension, for made-up inputs: batch=1 seq=128",
    })
    .option("shape", {
      type: "string",
      array: true,
      requiresArg: true,
      group: "Inputs:",
      describe: "whole shape of an input, for made-up inputs: input_ids=1x128",
    })
    .option("samples", {
      type: "number",
      requiresArg: true,
      default: 2,
      group: "Inputs:",
      describe: "made-up samples; pins are chosen on the first and checked on the others",
    })
    .option("seed", { type: "number", requiresArg: true, default: 1, group: "Inputs:", describe: "seed of made-up inputs" })
    .option("threads", { type: "number", requiresArg: true, group: "Run:", describe: "threads inside one operator [cores, at most 8]" });

const likeOptions = <T>(y: Argv<T>) =>
  y
    .option("like", {
      choices: engineNames,
      // No default that is set: a real engine brings its own likeness where a person names none.
      defaultDescription: '"pytorch"',
      group: "Engine:",
      describe: "what the candidate behaves like; tensorrt sums products in FP16 and clamps constants",
    })
    .option("accumulation", {
      choices: sumTypes,
      group: "Engine:",
      describe: "how products sum, in place of the engine's way: float16-exact is slow, tensor-core is FP32 as tensor cores cut it",
    })
    .option("chip", { choices: chips, group: "Engine:", describe: "whose tensor cores [hopper]" })
    .option("split-k", {
      type: "string",
      requiresArg: true,
      group: "Engine:",
      describe: "accumulators that a long product in FP16 is split over: a number, or auto",
    })
    .option("constants", {
      choices: ["overflow", "finite"] as const,
      group: "Engine:",
      describe: "constants beyond the range in the plain candidate, in place of the engine's way",
    });

/** Of commands that measure anew; others read what was measured from a folder or a file. */
export const precisionOption = <T>(y: Argv<T>) =>
  y.option("precision", {
    choices: ["fp16", "bf16"] as const,
    default: "fp16" as const,
    group: "Run:",
    describe: "what the candidate computes in; a file that is in one of them already is measured in that",
  });
export const precisions: Readonly<Record<"fp16" | "bf16", HalfType>> = { fp16: "float16", bf16: "bfloat16" };

export const toleranceOption = <T>(y: Argv<T>) =>
  y.option("tolerance", {
    type: "number",
    requiresArg: true,
    default: 1e-2,
    group: "Judgement:",
    describe: "largest relative L2 error of any final output",
  });

export const jsonOption = <T>(y: Argv<T>) =>
  y.option("json", { type: "boolean", default: false, describe: "one JSON document on standard output" });

export interface RunArguments {
  feed?: string[] | undefined;
  dim?: string[] | undefined;
  shape?: string[] | undefined;
  samples: number;
  seed: number;
  threads?: number | undefined;
  precision?: "fp16" | "bf16" | undefined;
  like?: EngineName | undefined;
  accumulation?: SumType | undefined;
  chip?: Chip | undefined;
  splitK?: string | undefined;
  constants?: ConstantPolicy | undefined;
}

/** What `Workbench.open` needs, from the command line. Throws ERR_OPTION. */
export function workbenchOptions(args: RunArguments, context: Context): WorkbenchOptions {
  const threads = args.threads === undefined ? undefined : whole("--threads", args.threads, 1);
  return {
    ...(args.feed && { feeds: args.feed }),
    dims: Object.fromEntries((args.dim ?? []).flatMap((text) => text.split(",")).map(parseDim)),
    shapes: Object.fromEntries((args.shape ?? []).flatMap((text) => text.split(",")).map(parseShape)),
    samples: whole("--samples", args.samples, 1),
    seed: whole("--seed", args.seed, 0),
    ...(threads !== undefined && { threads }),
    ...(args.precision && { precision: precisions[args.precision] }),
    like: args.like,
    profile: profileChanges(args),
    progress: context.progress,
    signal: context.signal,
  };
}

export function requireTolerance(tolerance: number): number {
  if (tolerance >= 0 && Number.isFinite(tolerance)) return tolerance;
  throw new UsageError("ERR_OPTION", `--tolerance needs a number of at least 0, found ${tolerance}.`, {
    hint: "For instance --tolerance 1e-2.",
  });
}

/** Parts of the engine's profile that the command line sets otherwise; undefined when none. */
function profileChanges({ accumulation, chip, splitK, constants }: RunArguments): ProfileChanges | undefined {
  const pieces: ProfileChanges["pieces"] =
    splitK === undefined ? undefined : splitK === "auto" ? "auto" : whole("--split-k", Number(splitK), 1);
  const changes = { accumulation, chip, pieces, constants };
  return Object.values(changes).some((v) => v !== undefined) ? changes : undefined;
}

/** Throws ERR_OPTION. */
export function whole(option: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new UsageError("ERR_OPTION", `${option} needs a whole number of at least ${least}, found ${value}.`, {
    hint: `For instance ${option} 2.`,
  });
}

function parseDim(text: string): [string, number] {
  const at = text.lastIndexOf("=");
  const size = Number(text.slice(at + 1));
  if (at > 0 && Number.isSafeInteger(size) && size > 0) return [text.slice(0, at), size];
  throw new UsageError("ERR_OPTION", `--dim needs NAME=SIZE, found "${text}".`, { hint: "For instance --dim batch=1 seq=128." });
}

function parseShape(text: string): [string, number[]] {
  const at = Math.max(text.lastIndexOf("="), text.lastIndexOf(":"));
  const sizes = text.slice(at + 1) === "" ? [] : text.slice(at + 1).split("x");
  if (at > 0 && sizes.every((s) => /^\d{1,15}$/.test(s))) return [text.slice(0, at), sizes.map(Number)];
  throw new UsageError("ERR_OPTION", `--shape needs NAME=1x128, found "${text}".`, { hint: "For instance --shape input_ids=1x128." });
}
