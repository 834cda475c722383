import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { CancelledError } from "@halfscope/core";
import { isRunning } from "../running-process.js";
import { readLimited, writeAtomically } from "./whole-files.js";

/** No cache of kernel times comes near it: one of thousands of layers takes a few MB. */
const largestCache = 2 ** 30;
/** A merge takes far less; a lock that old was left by a process that was killed. */
const staleMs = 120_000;

export interface SharedCacheOptions {
  /** How long to wait for another process that merges. Defaults to 30 s. */
  waitMs?: number;
  signal?: AbortSignal | undefined;
}

export interface CacheUpdate {
  written: boolean;
  /** Why it was not, for people. */
  note?: string;
}

/** A shared cache's bytes, which are opaque here; undefined where there is none yet. Errors: UsageError ERR_FILE_NOT_FOUND where it cannot be read. */
export async function readSharedCache(path: string): Promise<Uint8Array | undefined> {
  const bytes = await readLimited(path, largestCache);
  return bytes === "too large" ? undefined : bytes;
}

/**
 * Merges what this process measured into a cache that others share. One process at a time: `merge` is given what the file holds at that moment and returns
 * what it shall hold; the file is replaced in one step, so that readers need no lock. A cache is worth seconds, never a build: where the lock is not free in
 * time, or nothing can be written, the file stays as it is and `note` says why. What `merge` throws is thrown, after the lock is given back.
 */
export async function updateSharedCache(
  path: string,
  merge: (current: Uint8Array | undefined) => Uint8Array | Promise<Uint8Array>,
  { waitMs = 30_000, signal }: SharedCacheOptions = {},
): Promise<CacheUpdate> {
  const lock = await acquire(`${path}.lock`, waitMs, signal);
  if (typeof lock === "string") return { written: false, note: `The timing cache ${path} was not updated: ${lock}.` };
  try {
    const current = await readSharedCache(path).catch(() => undefined);
    const merged = await merge(current);
    // Somebody who took us for dead is merging now.
    if (!(await lock.isOurs())) return { written: false, note: `The timing cache ${path} was not updated: another process took its lock.` };
    try {
      await writeAtomically(path, merged);
    } catch (cause) {
      return { written: false, note: `The timing cache was not updated: ${(cause as Error).message}` };
    }
    return { written: true };
  } finally {
    await lock.release();
  }
}

/** A file that exists while somebody holds it: process, machine, and a number that nobody else has. */
class Lock {
  constructor(
    private readonly path: string,
    private readonly token: string,
  ) {}

  async isOurs(): Promise<boolean> {
    return (await contentOf(this.path)) === this.token;
  }

  async release(): Promise<void> {
    if (await this.isOurs()) await rm(this.path, { force: true }).catch(() => undefined);
  }
}

async function acquire(path: string, waitMs: number, signal: AbortSignal | undefined): Promise<Lock | string> {
  const token = `${process.pid} ${hostname()} ${randomBytes(8).toString("hex")}`;
  const end = performance.now() + waitMs;
  for (let wait = 10; ; wait = Math.min(2 * wait, 250)) {
    if (signal?.aborted === true) throw new CancelledError();
    try {
      const file = await open(path, "wx");
      try {
        await file.writeFile(token);
      } finally {
        await file.close();
      }
      return new Lock(path, token);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") return `${path} cannot be written (${(cause as Error).message})`;
    }
    if (await isAbandoned(path)) await takeAway(path);
    else if (performance.now() > end) return `another process holds ${path}`;
    else await pause(wait);
  }
}

/** Whether the holder is gone: a process of this machine that is no more, or a lock that is older than any merge. */
async function isAbandoned(path: string): Promise<boolean> {
  const [pid, host] = (await contentOf(path))?.split(" ") ?? [];
  const age = await stat(path).then(
    (info) => Date.now() - info.mtimeMs,
    () => 0,
  );
  if (age > staleMs) return true;
  return host === hostname() && /^\d+$/.test(pid ?? "") && !isRunning(Number(pid));
}

/** Two may find the same lock abandoned: only one can rename it away, and neither removes one that was made since. */
async function takeAway(path: string): Promise<void> {
  const before = await contentOf(path);
  const aside = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  // Ours to throw away only if it is the one that was looked at; its holder notices otherwise, and does not write.
  if ((await contentOf(aside)) !== before && (await contentOf(path)) === undefined) await rename(aside, path).catch(() => undefined);
  await rm(aside, { force: true }).catch(() => undefined);
}

const contentOf = (path: string): Promise<string | undefined> =>
  readFile(path, "utf8").then(
    (text) => text,
    () => undefined,
  );
