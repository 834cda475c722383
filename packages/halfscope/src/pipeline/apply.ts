import { existsSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Subject } from "@halfscope/analysis";
import { type PrecisionPlan, type Progress, UsageError } from "@halfscope/core";
import { convertToBfloat16, convertToHalf } from "@halfscope/engine";
import { type Model, ropeLength, writeRope } from "@halfscope/onnx";
import { realisePlan } from "@halfscope/precision";

export interface ApplyOptions {
  progress: Progress;
  signal?: AbortSignal | undefined;
  /** keep (default): graph inputs and outputs stay FP32. convert: they become FP16 or bfloat16 where the plan is. */
  io?: "keep" | "convert";
}
export interface Applied {
  path: string;
  externalPath: string | undefined;
  sizeBytes: number;
  casts: number;
  halfWeights: number;
  fullWeights: number;
}

/** Writes the mixed-precision model. The original is never touched; nothing is left behind when it fails. */
export async function applyPlan(subject: Subject, plan: PrecisionPlan, out: string, o: ApplyOptions): Promise<Applied> {
  const path = resolve(out);
  refuseOverwriting(path, subject.model);
  const externalName = `${basename(path)}.data`;
  const realised = realisePlan({
    model: subject.model,
    types: subject.types,
    roundings: subject.roundings,
    plan,
    toHalf: async (bytes, finite) =>
      plan.defaultPrecision === "bfloat16" ? (await convertToBfloat16(bytes, finite)).bfloat16 : (await convertToHalf(bytes, finite)).half,
    io: o.io ?? "keep",
    externalName,
  });
  const external = realised.external ?? [];
  const total = ropeLength(realised.rope) + ropeLength(external);
  const step = o.progress.step(`Writing ${basename(path)}`, total);
  const externalPath = realised.external === undefined ? undefined : join(dirname(path), externalName);
  if (externalPath !== undefined) refuseOverwriting(externalPath, subject.model);
  const existed = externalPath !== undefined && existsSync(externalPath);
  if (externalPath !== undefined) await writeRope(externalPath, external, { signal: o.signal, written: (n) => step.update(n) });
  try {
    await writeRope(path, realised.rope, { signal: o.signal, written: (n) => step.update(ropeLength(external) + n) });
  } catch (error) {
    // Weights that no model names are half a result.
    if (externalPath !== undefined && !existed) await rm(externalPath, { force: true }).catch(() => undefined);
    throw error;
  }
  step.end();
  const { casts, halfWeights, fullWeights } = realised;
  return { path, externalPath, sizeBytes: total, casts, halfWeights, fullWeights };
}

/** Throws ERR_OPTION when a file to be written is the model or holds its weights. */
export function refuseOverwriting(path: string, model: Model): void {
  let real = path;
  try {
    real = realpathSync(path);
  } catch {
    // does not exist yet: nothing to overwrite
  }
  const externals = model.graph.initializers.flatMap(({ data }) => (data.kind === "file" && data.external ? [data.span.path] : []));
  const what = real === model.path ? "the model itself" : externals.includes(real) ? "the file that holds the model's weights" : undefined;
  if (what !== undefined)
    throw new UsageError("ERR_OPTION", `The output ${path} is ${what}.`, {
      hint: "Give another path with -o: the original stays untouched.",
    });
}
