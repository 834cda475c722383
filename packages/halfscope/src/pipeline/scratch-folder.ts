/** Folders for models in the making, which are as large as the model and lie beside the place where it will be moved. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";

const prefix = ".halfscope-fix-";
/** Containers that share a disk have names of their own, and the same process numbers. */
const host = (): string => hostname().replace(/[^A-Za-z0-9.]/g, "_");

/** A new folder in `parent`, the system's by default, and first away with those that processes left there which were killed. The caller removes it. */
export async function makeScratchFolder(parent: string = tmpdir()): Promise<string> {
  await removeAbandoned(parent).catch(() => undefined);
  return mkdtemp(join(parent, `${prefix}${host()}-${process.pid}-`));
}

async function removeAbandoned(parent: string): Promise<void> {
  for (const entry of await readdir(parent, { withFileTypes: true })) {
    if (!entry.isDirectory() || !entry.name.startsWith(`${prefix}${host()}-`)) continue;
    const pid = /^(\d+)-\w{6}$/.exec(entry.name.slice(prefix.length + host().length + 1))?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) await rm(join(parent, entry.name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
