import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type BenchDocument, decodeJson, UsageError } from "@halfscope/core";
import { findBenchDamage } from "./bench-shape.js";

/** Names of what a benchmark writes into its folder. */
export const benchFiles = { document: "bench.json", page: "bench.html" } as const;

/** Reads a folder's `bench.json`, which may come from anywhere; undefined where there is none. Throws ERR_FILE_NOT_FOUND where it cannot be read, ERR_RESULT where it is damaged. */
export async function loadBench(folder: string): Promise<BenchDocument | undefined> {
  const path = join(folder, benchFiles.document);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes((cause as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw new UsageError("ERR_FILE_NOT_FOUND", `${path} cannot be read: ${(cause as Error).message}.`, {
      hint: "Give a folder that `halfscope bench -o` wrote and that you may read.",
      cause,
    });
  }
  const damaged = (what: string, hint: string, cause?: unknown) => new UsageError("ERR_RESULT", `${path} ${what}.`, { hint, cause });
  let document: unknown;
  try {
    document = decodeJson(text);
  } catch (cause) {
    throw damaged(`is not JSON: ${(cause as Error).message}`, "The file is damaged; run the measurement again.", cause);
  }
  const schema = (document as { schema?: unknown } | null)?.schema;
  if (schema !== "halfscope/bench/1")
    throw damaged(
      `has the schema ${JSON.stringify(schema)}, expected "halfscope/bench/1"`,
      "Run the measurement again with this version of halfscope.",
    );
  const damage = findBenchDamage(document);
  if (damage !== undefined) throw damaged(`is damaged: ${damage}`, "Run the measurement again, or fetch the file again.");
  return document as BenchDocument;
}
