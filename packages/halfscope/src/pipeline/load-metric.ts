import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Metric, OutputValues } from "@halfscope/analysis";
import { UsageError } from "@halfscope/core";
import type { UserMetric } from "./workbench.js";

/**
 * The user's own figure: a module whose default export, or export `metric`, is a function of the reference's and the candidate's outputs,
 * `{ name: { dims, data: Float32Array } }`, that gives a number, smaller is better. It runs in this process, as the user's own code.
 * Throws ERR_FILE_NOT_FOUND, ERR_METRIC.
 */
export async function loadMetric(path: string): Promise<UserMetric> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new UsageError("ERR_FILE_NOT_FOUND", `There is no module at ${path}.`, {
      cause,
      hint: "--metric names a file such as metric.mjs.",
    });
  });
  const digest = createHash("sha256").update(bytes).digest("hex");
  const module = (await import(pathToFileURL(resolve(path)).href).catch((cause: unknown) => {
    throw new UsageError("ERR_METRIC", `${path} cannot be loaded: ${messageOf(cause)}.`, { cause, hint: "It must be an ES module." });
  })) as Readonly<Record<string, unknown>>;
  const found = module.metric ?? module.default;
  if (typeof found !== "function")
    throw new UsageError("ERR_METRIC", `${path} exports no function as default or under the name "metric".`, {
      hint: "export default (reference, candidate) => number; each is { name: { dims, data } }.",
    });
  return { path, digest, judge: checked(path, found as Metric) };
}

type Outputs = Readonly<Record<string, OutputValues>>;

/** Says whose fault it is when the user's function fails or gives no number. NaN passes on: it judges nothing as good. */
const checked =
  (path: string, metric: Metric): Metric =>
  async (reference: Outputs, candidate: Outputs) => {
    let value: unknown;
    try {
      value = await metric(reference, candidate);
    } catch (cause) {
      throw new UsageError("ERR_METRIC", `The metric of ${path} failed: ${messageOf(cause)}.`, { cause });
    }
    if (typeof value === "number") return value;
    throw new UsageError("ERR_METRIC", `The metric of ${path} must give a number, found ${value === null ? "null" : typeof value}.`);
  };

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
