import { existsSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import type { ResultDocument } from "@halfscope/core";
import type { Workbench, WorkbenchOptions } from "./workbench.js";

export type SweptInputs = NonNullable<ResultDocument["options"]["inputs"]>;
export type InputOptions = Pick<WorkbenchOptions, "feeds" | "dims" | "shapes" | "samples" | "seed">;

const some = <T extends object>(o: T | undefined): o is T => o !== undefined && Object.keys(o).length > 0;

/** What a workbench's feeds were made from, for the result. */
export function inputsOf({ options, feeds }: Workbench): SweptInputs {
  return {
    // Where feeds are made up, the folder would only make equal results differ.
    ...(options.feeds?.length && { feeds: options.feeds, folder: process.cwd() }),
    ...(some(options.dims) && { dims: options.dims }),
    ...(some(options.shapes) && { shapes: options.shapes }),
    samples: options.samples ?? feeds.length,
  };
}

/**
 * The feeds that were swept, to measure on them again; what `given` holds takes their place. Files that were given made a run what it was: sizes and counts
 * of made-up samples are not mixed with them.
 */
export function sweptInputs({ options }: ResultDocument, given: InputOptions): InputOptions {
  const { inputs, seed } = options;
  const { feeds, folder, ...made } = shaped(inputs);
  const saved: InputOptions = { ...made, seed, ...(feeds && { feeds: feeds.map((spec) => rebased(spec, folder)) }) };
  const own = Object.fromEntries(Object.entries(given).filter(([, v]) => (typeof v === "object" ? some(v) : v !== undefined)));
  if (given.feeds?.length) return own;
  return { ...saved, ...own };
}

/** A result may come from anywhere: parts that are not what they must be are left out. */
function shaped(inputs: SweptInputs | undefined): Partial<SweptInputs> {
  if (typeof inputs !== "object" || inputs === null) return {};
  const { feeds, dims, shapes, samples, folder } = inputs as { [K in keyof SweptInputs]?: unknown };
  const record = (v: unknown, fits: (x: unknown) => boolean) =>
    typeof v === "object" && v !== null && !Array.isArray(v) && Object.values(v).every(fits);
  const whole = (v: unknown) => Number.isSafeInteger(v) && (v as number) >= 0;
  return {
    ...(Array.isArray(feeds) && feeds.every((f) => typeof f === "string") && { feeds }),
    ...(record(dims, whole) && { dims: dims as Record<string, number> }),
    ...(record(shapes, (s) => Array.isArray(s) && s.every(whole)) && { shapes: shapes as Record<string, number[]> }),
    ...(whole(samples) && (samples as number) > 0 && { samples: samples as number }),
    ...(typeof folder === "string" && { folder }),
  };
}

/** A feed as it was given, from the folder that it was given in: `path`, `NAME=path`. What is not found there stays as it is, for the loader to say so. */
function rebased(spec: string, folder: string | undefined): string {
  if (folder === undefined || folder === process.cwd()) return spec;
  if (!isAbsolute(spec) && existsSync(resolve(folder, spec))) return resolve(folder, spec);
  for (let at = spec.indexOf("="); at >= 0; at = spec.indexOf("=", at + 1)) {
    const path = spec.slice(at + 1);
    if (!isAbsolute(path) && existsSync(resolve(folder, path))) return `${spec.slice(0, at + 1)}${resolve(folder, path)}`;
  }
  return spec;
}
