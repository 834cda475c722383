/** The programs that ask a GPU machine, rehearsed on ONNX Runtime's CPU provider: what they write is complete, and says that it is no evidence. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJson, encodeJson } from "@halfscope/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EnginesReport } from "../../scripts/hardware/engines.js";
import type { HazardsReport } from "../../scripts/hardware/hazards.js";
import type { TensorsReport } from "../../scripts/hardware/tensors.js";
import { makeBert } from "../../scripts/make-bert/make-bert.js";

const root = join(import.meta.dirname, "../..");
const shapes = ["input_ids", "attention_mask", "token_type_ids"].flatMap((name) => ["--shape", `${name}=1x16`]);
let folder = "";
let model = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-questions-"));
  model = (await makeBert({ path: join(folder, "tiny", "model.onnx"), layers: 1, hidden: 32, heads: 2, vocab: 50 })).path;
});
afterAll(() => rmSync(folder, { recursive: true }));

function ask(program: string, args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(root, program), ...args], { cwd: root, encoding: "utf8" });
}
function answer<Report>(program: string, args: readonly string[]): Report {
  const out = join(folder, `${program}.json`);
  const { status, stderr } = ask(`scripts/dist/hardware/${program}.js`, [...args, "--engine", "ort-cpu", "-o", out]);
  expect(stderr).toContain("What it writes is no evidence.");
  expect(status, stderr).toBe(0);
  const text = readFileSync(out, "utf8");
  expect(text).not.toContain(folder);
  const report = decodeJson(text) as Report & { schema: string; environment: { backend: string } };
  expect(report.schema).toBe(`halfscope/hardware/${program}/1`);
  expect(report.environment.backend).toBe("ort-cpu");
  return report;
}

describe("rehearsed on ort-cpu", () => {
  test("tensors: every tensor predicted and compared, final outputs apart", () => {
    const { runs } = answer<TensorsReport>("tensors", [model, ...shapes]);
    expect(runs.map((r) => r.typing)).toEqual(["typed"]);
    const [run] = runs;
    expect(run?.notCompared).toEqual([]);
    expect(run?.tensors.length).toBe(run?.compare.tensors);
    expect(run?.outputs.map((o) => o.output)).toEqual(["last_hidden_state"]);
    expect(run?.outputs[0]?.unmarked.relativeL2).toBeGreaterThan(0);
  });

  test("engines: every engine with its error, latency and prediction, four tolerances each", () => {
    const { models, verdicts, failed } = answer<EnginesReport>("engines", [model, ...shapes, "--requests", "5"]);
    expect(failed).toEqual([]);
    const [reference, ...others] = models[0]?.engines ?? [];
    expect(reference?.role).toBe("reference");
    expect(others.map((e) => e.role)).toContain("all-half");
    expect(others.map((e) => e.role)).toContain("guides");
    for (const e of others) {
      expect(e.measuredError).toBeGreaterThan(0);
      expect(e.predictedError).toBeGreaterThan(0);
      expect(e.latency?.p50).toBeGreaterThan(0);
    }
    expect(verdicts.length).toBe(4 * others.length);
  });

  test("hazards: a case that is wrong in FP16 is predicted wrong, in shares of several processes too", () => {
    const { cases } = answer<HazardsReport>("hazards", ["--only", "norm-written-out", "--jobs", "2"]);
    expect(cases.map((c) => c.id)).toEqual([
      "norm-written-out-1000",
      "norm-written-out-300",
      "norm-written-out-200",
      "norm-written-out-mul-1000",
    ]);
    // As ONNX Runtime on CUDA: the first two are fused, and computed in FP32 inside.
    expect(cases.map((c) => c.predicted?.outcome)).toEqual(["fine", "fine", "fine", "wrong"]);
    for (const c of cases) expect(c.engines.map((e) => e.marked)).toEqual([false, true]);
  });

  test("predict-again: predictions are made anew, and what was measured stays", () => {
    const stored = readFileSync(join(root, "reports/hardware/hazards-ort-cuda.json"), "utf8");
    const report = decodeJson(stored) as unknown as HazardsReport;
    const ids = ["norm-written-out-1000", "reduce-mean-65536"];
    const cases = report.cases.filter((c) => ids.includes(c.id));
    const file = join(folder, "again.json");
    writeFileSync(file, encodeJson({ ...report, cases: cases.map((c) => ({ ...c, hazards: [], predicted: { outcome: "Inf" } })) }));
    expect(ask("scripts/dist/hardware/predict-again.js", [file]).stderr).toContain("2 cases predicted, 2 with another outcome than before");
    expect((decodeJson(readFileSync(file, "utf8")) as unknown as HazardsReport).cases).toEqual(cases);
    expect(ask("scripts/dist/hardware/predict-again.js", [join(root, "package.json")]).status).not.toBe(0);
  });

  test("the driver runs questions in turn, says how each ended, and keeps what is written", () => {
    const out = join(folder, "driven");
    const args = ["-o", out, "--models", join(folder, "models"), "--engine", "ort-cpu", "--tiny", "--do", "tensors,trained"];
    const { status, stdout } = ask("scripts/hardware/all.mjs", args);
    expect(stdout).toMatch(/^tensors \(ort-cpu\) +done /m);
    expect(stdout).toMatch(/^trained \(ort-cpu\) +left out: there are no trained models/m);
    expect(status).toBe(0);
    expect(existsSync(join(out, "tensors-ort-cpu.json"))).toBe(true);
  });

  test("the driver ends a question at its limit and says so", () => {
    const args = ["-o", join(folder, "late"), "--models", join(folder, "models"), "--engine", "ort-cpu", "--tiny", "--limit", "2"];
    const { status, stdout } = ask("scripts/hardware/all.mjs", [...args, "--do", "hazards,tensors"]);
    expect(stdout).toMatch(/^hazards \(ort-cpu\) +ended at its limit/m);
    expect(stdout).toMatch(/^tensors \(ort-cpu\) +left out: the time is up/m);
    expect(status).toBe(1);
  });

  test("the driver refuses questions that nobody knows", () => {
    const { status, stderr } = ask("scripts/hardware/all.mjs", ["-o", join(folder, "none"), "--do", "nonsense"]);
    expect(status).toBe(2);
    expect(stderr).toContain("nonsense");
  });
});
