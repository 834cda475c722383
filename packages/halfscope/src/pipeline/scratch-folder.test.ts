import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../../test/support/model-file.js";
import { makeScratchFolder } from "./scratch-folder.js";

const folder = temporaryFolder();

test("takes away what a killed process left, and nothing of a living one, of another container or behind a link", async () => {
  const own = await makeScratchFolder(folder);
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  const named = (pid: number, numbering = "") => basename(own).replace(`-${process.pid}-`, `${numbering}-${pid}-`);
  const [left, elsewhere, running] = [named(dead), named(dead, "0"), named(process.ppid)];
  for (const name of [left, elsewhere, running, "mine"]) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "fixed.onnx"), "model");
  }
  const linked = left.replace(/\w$/, (c) => (c === "a" ? "b" : "a"));
  symlinkSync(join(folder, "mine"), join(folder, linked));
  const again = await makeScratchFolder(folder);
  expect(existsSync(join(folder, left))).toBe(false);
  for (const name of [basename(own), basename(again), elsewhere, running, linked]) expect(existsSync(join(folder, name)), name).toBe(true);
  expect(existsSync(join(folder, "mine", "fixed.onnx"))).toBe(true);
});
