/** What `hazards` keeps when it is ended, and what it makes of a process that a library ended: rehearsed on ONNX Runtime's CPU provider, as it was compiled. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { HazardEntry, HazardsReport } from "./measuring/hazard-report.js";

const program = join(import.meta.dirname, "../dist/hardware/hazards.js");
let folder = "";
let out = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-hazards-"));
  out = join(folder, "hazards.json");
});
afterEach(() => rmSync(folder, { recursive: true }));

const ask = (...args: string[]) => spawnSync(process.execPath, [program, "--engine", "ort-cpu", "-o", out, ...args], { encoding: "utf8" });
const read = (file = out) => JSON.parse(readFileSync(file, "utf8")) as HazardsReport;
const names = (e: HazardEntry) => e.engines.map((engine) => `${engine.constants}${engine.marked ? " marked" : ""}`);

test("what was asked for first is kept, and --resume adds what is missing, of other cases too", () => {
  expect(ask("--only", "norm-node-300", "--variants", "typed", "--builder-level", "1").status).toBe(0);
  expect(read().cases.map(names)).toEqual([["finite"]]);
  expect(read().builderLevel).toBe(1);
  expect(ask("--only", "mask-1e9", "--resume").stderr).toMatch(/--builder-level 1, this run has none/);
  const { status, stderr } = ask("--only", "mask-1e9,norm-node-300", "--resume", "--builder-level", "1", "--jobs", "2");
  expect(status, stderr).toBe(0);
  expect(read().cases.map((c) => [c.id, names(c)])).toEqual([
    ["norm-node-300", ["finite", "finite marked"]],
    ["mask-1e9", ["finite", "overflow", "finite marked"]],
  ]);
  expect(stderr).not.toContain("norm-node-1000");
});

test("unknown cases and variants are refused", () => {
  expect(ask("--only", "maskk").stderr).toContain('no case has "maskk"');
  expect(ask("--variants", "typed,weakk").stderr).toContain("found weakk");
});

test("a case whose process a library ended goes on with the next engine; one that was only stopped begins that engine again", () => {
  const part = join(folder, "part.json");
  const begun = { id: "norm-node-300", group: "normalization", title: "t", hazards: [], engines: [], at: "typed" };
  const share = (...args: string[]) => {
    writeFileSync(part, JSON.stringify({ cases: [begun] }));
    const all = ["--engine", "ort-cpu", "--only", "norm-node-300", "-o", part, "--share", "1/1", ...args];
    expect(spawnSync(process.execPath, [program, ...all], { encoding: "utf8" }).status).toBe(0);
    return read(part).cases[0]?.engines.map((e) => [e.marked, e.reason ?? e.outcome]);
  };
  expect(share("--crashed", "SIGSEGV")).toEqual([
    [false, "the engine's library ended the process (SIGSEGV)"],
    [true, "fine"],
  ]);
  expect(share()).toEqual([
    [false, "fine"],
    [true, "fine"],
  ]);
});

test("killed with everything it started, it loses no engine that was measured, and blames no library", async () => {
  const started = spawn(process.execPath, [program, "--engine", "ort-cpu", "-o", out, "--only", "normalization"], {
    stdio: "ignore",
    detached: true,
  });
  const part = `${out}.part-1`;
  const measured = () => (existsSync(part) ? read(part).cases.flatMap((c) => c.engines).length : 0);
  for (let i = 0; i < 1200 && measured() < 3; i++) await new Promise((r) => setTimeout(r, 25));
  process.kill(-(started.pid ?? 0), "SIGKILL");
  await new Promise((r) => setTimeout(r, 200));
  const before = measured();
  expect(before).toBeGreaterThanOrEqual(3);
  const { status, stderr } = ask("--only", "norm-written-out-1000", "--resume");
  expect(status, stderr).toBe(0);
  const { cases } = read();
  expect(cases.flatMap((c) => c.engines).length).toBeGreaterThanOrEqual(before);
  expect(JSON.stringify(cases)).not.toContain("ended the process");
  expect(readdirSync(folder).filter((f) => f.includes("part-"))).toEqual([]);
});
