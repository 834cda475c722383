/** Errors of TensorRT 10.6 on an H200, tensor by tensor, against those that `--like tensorrt` predicts on a CPU. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Agreement, agreementOf, describeAgreement, predict, readStored, spearman } from "../../scripts/hardware/agreement.js";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { sharedModel } from "../shared-models.js";

const stored = (name: string) => readStored(join(import.meta.dirname, "tensorrt-h200", `${name}.json`));
let folder = "";
let model = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "halfscope-hardware-"));
  model = (await makeBert({ layers: 2, vocab: 1000, path: join(folder, "model.onnx") })).path;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Printed, so that a run shows how near it is. */
function told(what: string, a: Agreement): Agreement {
  console.log(`${what}: ${describeAgreement(a)}`);
  return a;
}

describe("--like tensorrt", () => {
  // Two builds of one model, for which TensorRT chose other kernels (context product and attention's output in FP32 or FP16).
  test.each(["bert-2x1024", "bert-2x1024-again"])("predicts the error of every tensor of %s", async (name) => {
    const a = told(name, agreementOf(await predict(await stored(name), model, { like: "tensorrt" })));
    expect(a.pairs.length).toBeGreaterThan(110);
    expect(a.oneSided).toEqual([]);
    expect(a.median).toBeGreaterThan(0.97);
    expect(a.median).toBeLessThan(1.03);
    expect(a.low).toBeGreaterThan(0.9);
    expect(a.high).toBeLessThan(1.15);
    expect(a.spearman).toBeGreaterThan(0.99);
    expect(a.spearman).toBeGreaterThan(a.nullSpearman + 0.3);
  });

  test("predicts more than FP32 sums do", async () => {
    const a = told("FP32 sums", agreementOf(await predict(await stored("bert-2x1024-again"), model, { like: "pytorch" })));
    expect(a.low).toBeLessThan(0.8);
    expect(a.median).toBeLessThan(0.95);
  });

  test("predicts the error of every tensor of YOLOX, convolutions and all", async (context) => {
    const path = sharedModel(context, "yolox-nano-op11", "model.onnx");
    const feeds = [sharedModel(context, "yolox-nano-op11", "ort_fp32_run", "input_0.pb")];
    const a = told("yolox-nano", agreementOf(await predict(await stored("yolox-nano-op11"), path, { like: "tensorrt", feeds })));
    expect(a.pairs.length).toBeGreaterThan(350);
    expect(a.median).toBeGreaterThan(0.95);
    expect(a.median).toBeLessThan(1.05);
    expect(a.low).toBeGreaterThan(0.9);
    expect(a.high).toBeLessThan(1.2);
    expect(a.spearman).toBeGreaterThan(0.98);
  });
});

test("another model than the one that was measured is refused", async () => {
  const other = (await makeBert({ layers: 1, hidden: 64, heads: 4, vocab: 100, path: join(folder, "other.onnx") })).path;
  await expect(predict(await stored("bert-2x1024"), other, { like: "tensorrt" })).rejects.toMatchObject({ code: "ERR_FEED" });
});

test("rank correlation shares ranks among equals", () => {
  expect(spearman([1, 2, 3, 4], [10, 20, 30, 40])).toBe(1);
  expect(spearman([1, 2, 3, 4], [4, 3, 2, 1])).toBe(-1);
  // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: covariance 4.5, variances 4.5 and 5.
  expect(spearman([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
});
