/**
 * The collection of other people's ONNX models that lies beside a developer's checkout, and how tests that need it skip where
 * it does not. The models are used in place and are never part of the repository.
 */
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";

const beside = fileURLToPath(new URL("../../shared/models", import.meta.url));

/** Folder of the collection: HALFSCOPE_SHARED_MODELS, or `../shared/models` beside the checkout; undefined where neither is there. */
export const sharedModels: string | undefined = [process.env.HALFSCOPE_SHARED_MODELS, beside]
  .filter((folder) => folder !== undefined && folder !== "")
  .map((folder) => resolve(folder as string))
  .find((folder) => existsSync(folder));

/** Names of the models in the collection, sorted; empty where it is absent. */
export const sharedModelNames: readonly string[] =
  sharedModels === undefined
    ? []
    : readdirSync(sharedModels, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name)
        .sort();

/** Path inside the collection. Where the file is absent the test is skipped, with the reason, and this call does not return. */
export function sharedModel(context: TestContext, ...path: readonly string[]): string {
  if (sharedModels === undefined) return context.skip("no ../shared/models beside the checkout (or set HALFSCOPE_SHARED_MODELS)");
  const file = join(sharedModels, ...path);
  if (!existsSync(file)) return context.skip(`shared/models lacks ${path.join("/")}`);
  return file;
}
