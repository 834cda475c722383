/** Predictions of the engines program, made anew beside what was measured. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EngineName, SumType } from "@halfscope/core";
import { switchesFromPlan } from "@halfscope/precision";
import type { EngineEntry, EnginesReport, ModelEntry } from "../engines.js";
import { feedsBeside } from "./feeds-beside.js";
import { short } from "./report-file.js";
import { settingsFor } from "./settings.js";
import { likeOf, Studied } from "./studied.js";
import { rounded, verdictPairs } from "./verdicts.js";

/**
 * Predicts every engine of the models that lie in `folder` as NAME/model.onnx, on the inputs that were measured. A model that is not there, or is another one by its digest,
 * keeps what it has, and is named among `left`.
 */
export async function predictEngines(report: EnginesReport, folder: string): Promise<{ engines: number; left: string[] }> {
  const left: string[] = [];
  let engines = 0;
  for (const entry of report.models) {
    const path = join(folder, entry.model, "model.onnx");
    const done = existsSync(path) ? await predictModel(entry, path, report) : undefined;
    if (done === undefined) left.push(entry.model);
    engines += done ?? 0;
  }
  report.verdicts = report.models.flatMap((entry) =>
    entry.engines.flatMap(({ title, typing, predictedError, measuredError }) =>
      predictedError === undefined || measuredError === undefined
        ? []
        : verdictPairs(entry.model, `${title}, ${typing}`, predictedError, measuredError).map(rounded),
    ),
  );
  return { engines, left };
}

/** How many engines were predicted; undefined where the file is of another model. */
async function predictModel(entry: ModelEntry, path: string, report: EnginesReport): Promise<number | undefined> {
  const like = likeOf(report.environment.backend);
  const predicted = await errorsOf(entry, path, like);
  if (predicted === undefined) return undefined;
  for (const [engine, error] of predicted) engine.predictedError = short(error);
  // Where an engine sums in FP16 as a rule, what it may come to with the other kernels: between the two lies what timing decides.
  const full = like === "tensorrt" ? await errorsOf(entry, path, like, "tensor-core") : undefined;
  for (const [engine, error] of full ?? []) engine.predictedFullSums = short(error);
  return predicted.size;
}

/** By engine that has a setting of today's, what its pins are predicted to cost; undefined where the file is of another model. */
async function errorsOf(
  entry: ModelEntry,
  path: string,
  like: EngineName,
  accumulation?: SumType,
): Promise<Map<EngineEntry, number> | undefined> {
  const shapes = Object.fromEntries(entry.inputs.map((i) => [i.name, i.dims]));
  using studied = await Studied.open(path, { like, shapes, feeds: feedsBeside(path), samples: 2, ...(accumulation && { accumulation }) });
  const { bench } = studied;
  if (bench.model.digest !== entry.digest) return undefined;
  const settings = await settingsFor(studied, { recommended: entry.recommendedPins, typings: ["typed", "weak"], rules: true });
  const { roundings } = await bench.subject();
  const evaluate = bench.evaluator();
  const errors = new Map<EngineEntry, number>();
  for (const engine of entry.engines) {
    const setting = settings.find((s) => s.role === engine.role && s.title === engine.title);
    if (setting === undefined) continue;
    errors.set(engine, (await evaluate(switchesFromPlan(studied.plan(setting.pins), roundings))).error);
  }
  return errors;
}
