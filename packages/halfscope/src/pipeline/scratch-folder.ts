/** Folders for models in the making, which are as large as the model and lie beside the place where it will be moved. */
import { readFileSync, readlinkSync } from "node:fs";
import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { isRunning } from "@halfscope/engine";

const prefix = ".halfscope-fix-";

/** A new folder in `parent`, the system's by default; first away with those that processes left there which were killed. The caller removes it. */
export async function makeScratchFolder(parent: string = tmpdir()): Promise<string> {
  const own = `${prefix}${numbering()}-`;
  await removeAbandoned(parent, own);
  return mkdtemp(join(parent, `${own}${process.pid}-`));
}

/**
 * Among which processes a process's number means this one: containers that share a disk have the same numbers, and may have the same host name. Where the system does not
 * tell (no Linux), by the host's name.
 */
function numbering(): string {
  try {
    const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "";
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").slice(0, 8)}.${namespace}`;
  } catch {
    return Buffer.from(hostname()).toString("hex");
  }
}

async function removeAbandoned(parent: string, own: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    const pid = name.startsWith(own) ? /^(\d+)-\w{6}$/.exec(name.slice(own.length))?.[1] : undefined;
    if (pid === undefined || isRunning(Number(pid))) continue;
    const path = join(parent, name);
    try {
      const info = await lstat(path);
      if (info.isDirectory() && info.uid === process.getuid?.()) await rm(path, { recursive: true, force: true });
    } catch {
      // Somebody else took it away, or keeps it: what is made next does not need it gone.
    }
  }
}
