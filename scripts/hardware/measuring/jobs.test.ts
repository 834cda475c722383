import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { gpuOf, runShares } from "./jobs.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-jobs-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A program of a share: what it does before it tells its end. It notes its arguments and its GPU. */
function program(body: string): string {
  const file = join(folder, "share.mjs");
  writeFileSync(
    file,
    `import { appendFileSync, existsSync } from "node:fs";
const args = process.argv.slice(2);
appendFileSync(${JSON.stringify(join(folder, "notes"))}, JSON.stringify([...args, process.env.CUDA_VISIBLE_DEVICES ?? "-"]) + "\\n");
${body}
process.send("ended");
process.disconnect();
`,
  );
  return file;
}
const notes = () =>
  readFileSync(join(folder, "notes"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as string[])
    .sort((a, b) => (a.join() < b.join() ? -1 : 1));

describe("runShares", () => {
  test("gives each share its part, its arguments and its GPU", async () => {
    const codes = await runShares(3, { program: program(""), argsOf: (i) => [`-o${i}`], envOf: (i) => gpuOf("4,6", i) });
    expect(codes).toEqual([0, 0, 0]);
    expect(notes()).toEqual([
      ["-o1", "--share", "1/3", "4"],
      ["-o2", "--share", "2/3", "6"],
      ["-o3", "--share", "3/3", "4"],
    ]);
  });

  test.each([
    ['process.kill(process.pid, "SIGSEGV"); await new Promise(() => setInterval(() => {}, 1000));', "SIGSEGV"],
    ["process.exit(3);", "exit code 3"],
  ])("starts a share again that a library ended, and says how: %s", async (end, how) => {
    const codes = await runShares(1, { program: program(`if (!args.includes("--crashed")) { ${end} }`), argsOf: () => [] });
    expect(notes().map((n) => n.slice(0, -1))).toEqual([
      ["--share", "1/1"],
      ["--share", "1/1", "--crashed", how],
    ]);
    expect(codes[0]).toBeGreaterThan(0);
  });

  test("a share that fails in its own words is not started again", async () => {
    expect(await runShares(1, { program: program("process.exitCode = 4;"), argsOf: () => [] })).toEqual([4]);
    expect(notes()).toHaveLength(1);
  });

  test("nor is one that was told to stop", async () => {
    const stopped = program('process.kill(process.pid, "SIGTERM"); await new Promise(() => setInterval(() => {}, 1000));');
    await runShares(1, { program: stopped, argsOf: () => [] });
    expect(notes()).toHaveLength(1);
  });
});

test("a share ends with its parent, however that one ended", async () => {
  const jobs = pathToFileURL(join(import.meta.dirname, "../../dist/hardware/measuring/jobs.js")).href;
  const child = join(folder, "child.mjs");
  writeFileSync(
    child,
    `import { writeFileSync } from "node:fs"; import { underParent } from ${JSON.stringify(jobs)};
underParent(); writeFileSync(${JSON.stringify(join(folder, "pid"))}, String(process.pid)); setInterval(() => {}, 1000);`,
  );
  const parent = join(folder, "parent.mjs");
  writeFileSync(
    parent,
    `import { runShares } from ${JSON.stringify(jobs)}; await runShares(1, { program: ${JSON.stringify(child)}, argsOf: () => [] });`,
  );
  const started = spawn(process.execPath, [parent], { stdio: "ignore" });
  const until = async (what: () => boolean) => {
    for (let i = 0; i < 400 && !what(); i++) await new Promise((r) => setTimeout(r, 25));
    expect(what()).toBe(true);
  };
  await until(() => existsSync(join(folder, "pid")) && readFileSync(join(folder, "pid"), "utf8") !== "");
  const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
  started.kill("SIGKILL");
  const alive = () => {
    try {
      process.kill(pid, 0);
      // Ended, and not yet collected by whoever took it over.
      return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return false;
    }
  };
  await until(() => !alive());
});

test("GPUs are shared out in turn, none where none is named", () => {
  expect([1, 2, 3].map((i) => gpuOf("0,2", i).CUDA_VISIBLE_DEVICES)).toEqual(["0", "2", "0"]);
  expect(gpuOf(undefined, 1)).toEqual({});
});
