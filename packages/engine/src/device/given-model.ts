import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type Model, readModel } from "@halfscope/onnx";
import type { DeviceBuildRequest } from "./backend.js";

/**
 * The structure of the model that is to be built: of the file, or of the bytes in its place. Of a model from bytes only structure may be used: where its weights lie is meant
 * for a file that is gone again. Errors: those of `readModel`.
 */
export async function readGivenModel({ path, model }: Pick<DeviceBuildRequest, "path" | "model">): Promise<Model> {
  if (model === undefined) return readModel(path);
  const folder = await mkdtemp(join(tmpdir(), "halfscope-model-"));
  try {
    const file = join(folder, "model.onnx");
    await writeFile(file, model);
    return { ...(await readModel(file)), path, folder: dirname(resolve(path)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
