import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CancelledError } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../../test/support/model-file.js";
import { readSharedCache, updateSharedCache } from "./timing-cache-file.js";

const folder = temporaryFolder();
let files = 0;
const newPath = () => {
  const place = join(folder, `${files++}`);
  mkdirSync(place);
  return join(place, "cache");
};
const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? "" : Buffer.from(bytes).toString());
const adding = (entry: string) => (current: Uint8Array | undefined) => Buffer.from(`${text(current)}${entry};`);

describe("a shared timing cache", () => {
  it("is undefined before anybody wrote it", async () => {
    expect(await readSharedCache(newPath())).toBeUndefined();
  });

  it("holds what was merged, and leaves neither lock nor temporary file", async () => {
    const path = newPath();
    expect(await updateSharedCache(path, adding("a"))).toEqual({ written: true });
    expect(await updateSharedCache(path, adding("b"))).toEqual({ written: true });
    expect(text(await readSharedCache(path))).toBe("a;b;");
    expect(readdirSync(join(path, ".."))).toEqual(["cache"]);
  });

  it("loses nothing of many that merge at once, however slow each is", async () => {
    const path = newPath();
    const names = Array.from({ length: 12 }, (_, i) => `e${i}`);
    const done = await Promise.all(
      names.map((name) =>
        updateSharedCache(path, async (current) => {
          await pause(3);
          return adding(name)(current);
        }),
      ),
    );
    expect(done.every((d) => d.written)).toBe(true);
    expect(
      text(await readSharedCache(path))
        .split(";")
        .filter(Boolean)
        .sort(),
    ).toEqual(names.toSorted());
  });

  it("stays as it is, with a note, where a living process holds the lock", async () => {
    const path = newPath();
    writeFileSync(path, "old");
    writeFileSync(`${path}.lock`, `${process.pid} ${hostname()} somebody`);
    const outcome = await updateSharedCache(path, adding("new"), { waitMs: 50 });
    expect(outcome).toEqual({ written: false, note: expect.stringMatching(/another process holds .*\.lock/) });
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(existsSync(`${path}.lock`)).toBe(true);
  });

  it("takes the lock of a process of this machine that is no more", async () => {
    const path = newPath();
    const gone = spawnSync(process.execPath, ["-e", ""]);
    writeFileSync(`${path}.lock`, `${gone.pid} ${hostname()} killed`);
    expect(await updateSharedCache(path, adding("a"), { waitMs: 5000 })).toEqual({ written: true });
    expect(readdirSync(join(path, ".."))).toEqual(["cache"]);
  });

  it("waits for a process of another machine, until its lock is older than any merge", async () => {
    const path = newPath();
    writeFileSync(`${path}.lock`, `${process.pid} elsewhere x`);
    expect((await updateSharedCache(path, adding("a"), { waitMs: 30 })).written).toBe(false);
    const longAgo = new Date(Date.now() - 3_600_000);
    utimesSync(`${path}.lock`, longAgo, longAgo);
    expect((await updateSharedCache(path, adding("a"), { waitMs: 5000 })).written).toBe(true);
  });

  it("does not write where somebody took its lock meanwhile, nor takes theirs away", async () => {
    const path = newPath();
    const outcome = await updateSharedCache(path, (current) => {
      writeFileSync(`${path}.lock`, "1 elsewhere other");
      return adding("a")(current);
    });
    expect(outcome).toEqual({ written: false, note: expect.stringMatching(/another process took its lock/) });
    expect(existsSync(path)).toBe(false);
    expect(readFileSync(`${path}.lock`, "utf8")).toBe("1 elsewhere other");
  });

  it("gives the lock back where the merge throws, and throws it", async () => {
    const path = newPath();
    writeFileSync(path, "old");
    await expect(
      updateSharedCache(path, () => {
        throw new Error("no cache");
      }),
    ).rejects.toThrow("no cache");
    expect(readdirSync(join(path, ".."))).toEqual(["cache"]);
    expect(readFileSync(path, "utf8")).toBe("old");
  });

  it("stops waiting when asked to", async () => {
    const path = newPath();
    writeFileSync(`${path}.lock`, `${process.pid} ${hostname()} somebody`);
    const stop = new AbortController();
    const waiting = updateSharedCache(path, adding("a"), { signal: stop.signal });
    stop.abort();
    await expect(waiting).rejects.toBeInstanceOf(CancelledError);
  });

  it("is a note, not an error, where nothing can be written", async () => {
    const missing = join(folder, "no such folder", "cache");
    expect(await updateSharedCache(missing, adding("a"))).toEqual({ written: false, note: expect.stringMatching(/cannot be written/) });
  });

  it("is a note where the folder is read-only", async (context) => {
    if (process.getuid?.() === 0) context.skip("root may write anywhere");
    const path = newPath();
    chmodSync(join(path, ".."), 0o555);
    expect((await updateSharedCache(path, adding("a"))).written).toBe(false);
  });

  it("is whole in every moment for readers while processes write, and survives one that is killed", async () => {
    const path = newPath();
    const module = new URL("../../dist/device/timing-cache-file.js", import.meta.url).href;
    const script = `import { updateSharedCache } from ${JSON.stringify(module)};
      for (let i = 0; ; i++) await updateSharedCache(${JSON.stringify(path)}, () => Buffer.alloc(200_000, 65 + (i % 26)));`;
    const writers = [0, 1].map(() => spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "ignore" }));
    try {
      const seen = new Set<number>();
      for (let i = 0; i < 4000 && seen.size < 6; i++) {
        const bytes = await readSharedCache(path);
        if (bytes === undefined) {
          await pause(5);
          continue;
        }
        expect(bytes).toHaveLength(200_000);
        expect(bytes.every((b) => b === bytes[0])).toBe(true);
        seen.add(bytes[0] ?? 0);
      }
      expect(seen.size).toBeGreaterThan(1);
    } finally {
      for (const writer of writers) {
        const ended = new Promise((resolve) => writer.once("exit", resolve));
        writer.kill("SIGKILL");
        await ended;
      }
    }
    expect(await updateSharedCache(path, () => Buffer.from("last"), { waitMs: 5000 })).toEqual({ written: true });
    expect(text(await readSharedCache(path))).toBe("last");
  }, 30_000);
});
