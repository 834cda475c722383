import { randomBytes } from "node:crypto";
import { access, constants, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeJson, encodeJson, type ResultDocument, UsageError } from "@halfscope/core";
import { writeAtomically } from "@halfscope/engine";
import { findDamage } from "./result-shape.js";

/** Names of the files in a results folder. */
export const resultFiles = {
  result: "result.json",
  journal: "journal.jsonl",
  overrides: "overrides.json",
  mixed: "mixed.onnx",
  report: "report.html",
  /** With a real engine: what was measured on it, measured kernel times, and pins that trials on it ended with, with their model. */
  engineJournal: "engine.jsonl",
  timingCache: "timing.cache",
  engineOverrides: "engine-overrides.json",
  engineMixed: "engine-mixed.onnx",
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
  await removeLeftovers(folder).catch(() => undefined);
}

/** Nobody writes to a temporary file that has not grown for so long. */
const leftoverMs = 600_000;

/** What processes that were killed left behind: a mixed model in the making may be as large as the model. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^\.[0-9a-f]{12}\.(partial|probe)$/.test(name)) continue;
    const path = join(folder, name);
    const info = await stat(path);
    if (info.isFile() && Date.now() - info.mtimeMs > leftoverMs) await rm(path, { force: true });
  }
}

const notWritable = (path: string, cause: unknown): UsageError =>
  new UsageError("ERR_OUTPUT_NOT_WRITABLE", `${path} cannot be written: ${(cause as Error).message}.`, {
    hint: ["ENOSPC", "EDQUOT", "EFBIG"].includes((cause as NodeJS.ErrnoException).code ?? "")
      ? "Free some space on the disk and give the same command again."
      : "Choose a folder that you may write to with -o.",
    cause,
  });

/** Writes a text file in one step: a reader sees the old one or the new one, also after a crash of the machine. Throws ERR_OUTPUT_NOT_WRITABLE. */
export const writeTextFile = (path: string, text: string): Promise<void> => writeAtomically(path, Buffer.from(text));

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
