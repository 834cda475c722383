import { randomBytes } from "node:crypto";
import { constants, type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UsageError } from "@halfscope/core";

/** Writes a file in one step: a reader sees the old one or the new one, also after a crash of the machine. Throws UsageError ERR_OUTPUT_NOT_WRITABLE. */
export async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString("hex")}.partial`);
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new UsageError("ERR_OUTPUT_NOT_WRITABLE", `${path} cannot be written: ${(cause as Error).message}.`, {
      hint: ["ENOSPC", "EDQUOT", "EFBIG"].includes((cause as NodeJS.ErrnoException).code ?? "")
        ? "Free some space on the disk and give the same command again."
        : "Choose a folder that you may write to.",
      cause,
    });
  }
}

/**
 * A whole file, in memory once; undefined where there is none. "too large" where it has more than `limit` bytes, of which none is read then. Anything but a
 * regular file, and a file that cannot be read, throws UsageError ERR_FILE_NOT_FOUND.
 */
export async function readLimited(path: string, limit: number): Promise<Uint8Array | "too large" | undefined> {
  let file: FileHandle;
  try {
    // A pipe in the file's place must not make us wait.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unreadable(path, (cause as Error).message, cause);
  }
  try {
    const info = await file.stat();
    if (!info.isFile()) throw unreadable(path, "it is no regular file");
    if (info.size > limit) return "too large";
    return await file.readFile();
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw unreadable(path, (cause as Error).message, cause);
  } finally {
    await file.close();
  }
}

const unreadable = (path: string, why: string, cause?: unknown): UsageError =>
  new UsageError("ERR_FILE_NOT_FOUND", `${path} cannot be read: ${why}.`, {
    hint: "Check the path and its permissions.",
    ...(cause !== undefined && { cause }),
  });
