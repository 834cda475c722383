/** The archive for machines without Node: it is unpacked elsewhere and run in an empty environment. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const pack = join(root, "scripts/hardware/pack.mjs");
const travels = process.platform === "linux" && process.arch === "x64";
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-packed-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!travels)("pack.mjs (Linux on x86-64 only)", () => {
  test("packs what runs without Node, network and environment", { timeout: 300_000 }, (context) => {
    const archive = join(folder, "halfscope.tar.gz");
    const extra = `models/extra/notes.txt=${join(root, "LICENSE")}`;
    const packed = spawnSync(process.execPath, [pack, "-o", archive, "--level", "1", "--with", extra], { encoding: "utf8" });
    if (/which another machine may lack/.test(packed.stderr)) context.skip("this Node needs libraries of its distribution");
    expect(packed.status, packed.stderr).toBe(0);
    expect(statSync(archive).size).toBeLessThan(80e6);
    expect(spawnSync("tar", ["xf", archive, "-C", folder]).status).toBe(0);
    const top = join(folder, "halfscope");
    const run = (...args: string[]) => spawnSync(join(top, "run.sh"), args, { cwd: folder, env: {}, encoding: "utf8" });
    expect(existsSync(join(top, "models/extra/notes.txt"))).toBe(true);
    expect(run("make-bert", "--layers", "1", "--hidden", "32", "--heads", "2", "--vocab", "50", "-o", "tiny/model.onnx").status).toBe(0);
    const compared = run("halfscope", "compare", "tiny/model.onnx", "-o", "result");
    expect(compared.status, compared.stderr).toBe(0);
    const asked = run("hazards", "--engine", "ort-cpu", "--only", "norm-node-300", "-o", "hazards.json");
    expect(asked.status, asked.stderr).toBe(0);
    expect(existsSync(join(folder, "hazards.json"))).toBe(true);
    const unknown = run("nonsense");
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toContain("found 'nonsense'");
  });

  test("refuses archives of other kinds, and files that would lie outside of the archive", () => {
    const refused = (...args: string[]) => {
      const { status, stderr } = spawnSync(process.execPath, [pack, ...args], { encoding: "utf8" });
      expect(status).toBe(2);
      return stderr;
    };
    expect(refused("-o", join(folder, "x.zip"))).toContain("Usage:");
    const out = join(folder, "x.tar.gz");
    expect(refused("-o", out, "--with", `../x=${pack}`)).toContain("inside of the archive");
    expect(refused("-o", out, "--with", `/x=${pack}`)).toContain("inside of the archive");
    expect(refused("-o", out, "--with", `x=${folder}/absent`)).toContain("there is no");
    expect(existsSync(out)).toBe(false);
  });
});
