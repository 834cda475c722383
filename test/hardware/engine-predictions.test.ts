/** What `--like` predicts for small BERTs, held against engines that were measured on a GPU (reports/hardware/small-*.json): the error of each, not its verdict alone. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJson } from "@halfscope/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EnginesReport } from "../../scripts/hardware/engines.js";
import { predictEngines } from "../../scripts/hardware/measuring/predict-engines.js";
import { faultKinds } from "../../scripts/make-bert/config.js";
import { makeBert } from "../../scripts/make-bert/make-bert.js";

const reportOf = (engine: string): EnginesReport =>
  decodeJson(readFileSync(new URL(`../../reports/hardware/small-${engine}.json`, import.meta.url), "utf8")) as unknown as EnginesReport;

let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-engines-"));
  const size = { layers: 6, hidden: 512, heads: 8, vocab: 2000 };
  for (const [name, faults] of [["bert-6x512", []] as const, ...faultKinds.map((kind) => [`bert-6x512-${kind}`, [{ kind }]] as const)]) {
    mkdirSync(join(folder, name));
    await makeBert({ path: join(folder, name, "model.onnx"), ...size, faults });
  }
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

test.each(["mask-constant-tensorrt", "mask-constant-shared-tensorrt", "tensorrt-8.6"])(
  "small-%s: where timing chose other kernels, what was measured lies between sums in FP16 and in FP32, or 5 % above",
  { timeout: 120_000 },
  async (name) => {
    const report = reportOf(name);
    const all = report.models.flatMap((m) => m.engines).filter((e) => e.role !== "reference").length;
    expect(await predictEngines(report, folder)).toEqual({ engines: all, left: [] });
    const engines = report.models.flatMap((m) => m.engines).filter((e) => Number.isFinite(e.measuredError));
    expect(engines.length).toBeGreaterThanOrEqual(4);
    const outside = engines.filter(({ measuredError = 0, predictedError = Number.NaN, predictedFullSums = Number.NaN }) => {
      const [low, high] = [Math.min(predictedError, predictedFullSums), Math.max(predictedError, predictedFullSums)];
      return !(measuredError >= 0.99 * low && measuredError <= 1.05 * high);
    });
    expect(outside).toEqual([]);
  },
);

describe.each([
  // Kernels are chosen by timing, and weakly typed ones by the builder: those are held by their verdicts, in the tables.
  { engine: "tensorrt", tolerance: 0.01 },
  { engine: "ort-cuda", tolerance: 0.01 },
])("--like $engine", ({ engine, tolerance }) => {
  test("predicts the error of strongly typed engines to 1 %, and says the same as the stored file", { timeout: 120_000 }, async () => {
    const stored = reportOf(engine);
    const report = reportOf(engine);
    const { engines, left } = await predictEngines(report, folder);
    expect(left).toEqual([]);
    expect(engines).toBeGreaterThanOrEqual(13);
    const apart = report.models.flatMap((m, i) =>
      m.engines.flatMap((e, k) => {
        const { measuredError: measured = Number.NaN, predictedError: predicted = Number.NaN, typing, role, title } = e;
        if (role === "reference") return [];
        const before = stored.models[i]?.engines[k]?.predictedError ?? Number.NaN;
        const same = predicted === before || Math.abs(predicted / before - 1) < 1e-3;
        const right = typing !== "typed" || predicted === measured || Math.abs(predicted / measured - 1) < tolerance;
        return same && right ? [] : [`${m.model}, ${title}, ${typing}: predicted ${predicted}, stored ${before}, measured ${measured}`];
      }),
    );
    expect(apart).toEqual([]);
  });
});
