import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HalfType, type Typing, UsageError } from "@halfscope/core";
import { planFromOverrides, typeOfOverrides } from "@halfscope/precision";
import { applyPlan } from "../apply.js";
import type { Workbench } from "../workbench.js";
import { pinsOf, unheededBy } from "./device-files.js";

/** An overrides file as it was read: its type is wanted before a model is opened. */
export interface ReadOverrides {
  path: string;
  text: string;
  half: HalfType;
}

/** Throws ERR_FILE_NOT_FOUND, ERR_OVERRIDES. */
export async function readOverrides(path: string): Promise<ReadOverrides> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new UsageError("ERR_FILE_NOT_FOUND", `${path} cannot be read: ${(cause as Error).message}.`, {
      hint: "Give the overrides.json that recommend or debug wrote.",
      cause,
    });
  }
  return { path, text, half: typeOfOverrides(text) };
}

/** A file with the precisions that overrides state, and the layers that they keep in FP32; it goes away with this. */
export interface OverridesCandidate extends AsyncDisposable {
  path: string;
  pins: readonly string[];
}

/** Writes the model as overrides say, for the time of the work. `typing` is the engine's that it is for, if any: what that one cannot heed is noted. Throws ERR_OVERRIDES, ERR_OVERRIDES_MISMATCH, and what `applyPlan` throws. */
export async function overridesCandidate(bench: Workbench, { path, text }: ReadOverrides, typing?: Typing): Promise<OverridesCandidate> {
  const plan = planFromOverrides(text, { digest: bench.model.digest, layers: bench.layers }, path);
  const unheeded = unheededBy(plan, typing, path);
  if (unheeded !== undefined) bench.progress.note(unheeded);
  const folder = await mkdtemp(join(tmpdir(), "halfscope-overrides-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const file = join(folder, "mixed.onnx");
    await applyPlan(await bench.subject(), plan, file, { progress: bench.progress, signal: bench.signal });
    return { path: file, pins: await pinsOf(bench, plan), [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
