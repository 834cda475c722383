import { randomBytes } from "node:crypto";
import { access, constants, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { decodeJson, encodeJson, type ResultDocument, UsageError } from "@halfscope/core";
import { findDamage } from "./result-shape.js";

/** Names of the files in a results folder. */
export const resultFiles = {
  result: "result.json",
  journal: "journal.jsonl",
  overrides: "overrides.json",
  mixed: "mixed.onnx",
  report: "report.html",
} as const;

/** Makes the folder and checks that it can be written, before hours of work go into it. Throws ERR_OUTPUT_NOT_WRITABLE. */
export async function openResultsFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK | constants.X_OK);
    const probe = join(folder, `.${randomBytes(6).toString("hex")}.probe`);
    await writeFile(probe, "");
    await rm(probe);
  } catch (cause) {
    throw notWritable(folder, cause);
  }
}

const notWritable = (path: string, cause: unknown): UsageError =>
  new UsageError("ERR_OUTPUT_NOT_WRITABLE", `${path} cannot be written: ${(cause as Error).message}.`, {
    hint: "Choose a folder that you may write to with -o.",
    cause,
  });

/** Writes a text file in one step: a reader sees the old one or the new one. */
export async function writeTextFile(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString("hex")}.partial`);
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw notWritable(path, cause);
  }
}

export const saveResult = (folder: string, result: ResultDocument): Promise<void> =>
  writeTextFile(join(folder, resultFiles.result), `${encodeJson(result)}\n`);

/** Reads a results folder's `result.json`. Throws ERR_FILE_NOT_FOUND, ERR_RESULT. */
export async function loadResult(folder: string): Promise<ResultDocument> {
  const path = join(folder, resultFiles.result);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new UsageError("ERR_FILE_NOT_FOUND", `${path} cannot be read: ${(cause as Error).message}.`, {
      hint: "Give a folder that `halfscope debug` or `halfscope sweep` wrote.",
      cause,
    });
  }
  let document: unknown;
  try {
    document = decodeJson(text);
  } catch (cause) {
    throw new UsageError("ERR_RESULT", `${path} is not JSON: ${(cause as Error).message}.`, {
      hint: "The file is damaged; run the measurement again.",
      cause,
    });
  }
  const schema = (document as { schema?: unknown } | null)?.schema;
  if (schema !== "halfscope/result/1")
    throw new UsageError("ERR_RESULT", `${path} has the schema ${JSON.stringify(schema)}, expected "halfscope/result/1".`, {
      hint: "Run the measurement again with this version of halfscope.",
    });
  const damage = findDamage(document as object);
  if (damage !== undefined)
    throw new UsageError("ERR_RESULT", `${path} is damaged: ${damage}.`, { hint: "Run the measurement again, or fetch the file again." });
  return document as ResultDocument;
}
