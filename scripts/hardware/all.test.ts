/** The driver of all questions, rehearsed on ONNX Runtime's CPU provider with toys, as it was compiled. More of it is in test/hardware/questions.test.ts. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeBert } from "../make-bert/make-bert.js";
import { hazardCases } from "./cases/index.js";
import type { EnginesReport } from "./engines.js";

let folder = "";
const models = () => join(folder, "models");
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-all-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const all = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, "all.mjs"), "--models", models(), "--engine", "ort-cpu", "--tiny", ...args], {
    encoding: "utf8",
  });

test("trained models are folders with real inputs, and no BERTs of make-bert; what is left out is named", {
  timeout: 180_000,
}, async () => {
  const size = { layers: 1, hidden: 32, heads: 2, vocab: 50 };
  const { path } = await makeBert({ path: join(models(), "bert-2x256", "model.onnx"), ...size });
  mkdirSync(join(models(), "bert-2x256", "test_data_set_0"));
  cpSync(path, join(models(), "somebodys", "model.onnx"));
  const softmax = hazardCases.find((c) => c.id === "softmax-node-1000");
  await softmax?.make().write(join(models(), "real"));
  const { stdout, stderr, status } = all("--do", "trained", "-o", join(folder, "trained"));
  expect(stderr).toContain("bert-2x256 is not measured among trained models: BERTs called bert-...");
  expect(stderr).toContain("somebodys is not measured among trained models: no real inputs");
  expect(stdout).toMatch(/^trained \(ort-cpu\) +done/m);
  expect(status).toBe(0);
  const report = JSON.parse(readFileSync(join(folder, "trained/trained-ort-cpu.json"), "utf8")) as EnginesReport;
  expect(report.models.map((m) => m.model)).toEqual(["real"]);
  expect(report.command).toMatch(/^node scripts\/dist\/hardware\/engines.js real\/model.onnx .*-o reports\/hardware\/trained-ort-cpu.json/);
});

test("with --gpus questions run at once, each on the GPU that is free; a model that both need is made once", { timeout: 180_000 }, () => {
  const { stdout, stderr, status } = all("--do", "large,tensors", "--gpus", "0,3", "-o", join(folder, "two"));
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/^large \(ort-cpu\) +done +\d+ s {2}GPU 0 /m);
  expect(stdout).toMatch(/^tensors \(ort-cpu\) +done +\d+ s {2}GPU 3 /m);
  const makeLog = readFileSync(join(folder, "two/logs/make-bert-large.log"), "utf8");
  expect(makeLog.match(/nodes/g)).toHaveLength(1);
});
