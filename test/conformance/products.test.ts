/** Products of ours on the ONNX test data: with FP16 sums they are near ONNX Runtime's, and switched off they are its own bits. (The conformance command holds its outputs against the shipped ones.) */
import { isExact, relativeL2 } from "@halfscope/core";
import { allHalf, switchesFromPlan } from "@halfscope/precision";
import { Workbench } from "halfscope";
import { afterAll, describe, expect, test } from "vitest";
import { collections, shippedSets } from "../../scripts/conformance/models.js";

const wanted = /(^|\/)test_(basic_conv|conv_|convinteger|gemm_|matmul_|operator_(addmm|mm|conv)|Conv[123]d|Linear)/i;
/** Integers, and a version of Gemm that ONNX Runtime does not have. */
const unfit = /integer|test_Linear|test_operator_(addmm|mm)$|_(int32|int64|uint32|uint64)/;
const models = (collections().find((c) => c.name === "testdata")?.models ?? []).filter(
  (m) => wanted.test(m.id) && !unfit.test(m.id) && shippedSets(m.path).length > 0,
);

describe.skipIf(models.length === 0)("products of the ONNX test data", () => {
  test("are many, of every kind", () => {
    expect(models.length).toBeGreaterThan(40);
  });

  let withProducts = 0;
  afterAll(() => expect(withProducts).toBeGreaterThan(30));

  test.each(models.map((m) => [m.id, m] as const))("%s", async (_, model) => {
    using bench = await Workbench.open(model.path, { feeds: [shippedSets(model.path)[0] ?? ""], samples: 1, threads: 2, like: "tensorrt" });
    const { roundings } = await bench.subject();
    const products = roundings.placements.filter((p) => p.at === "product");
    // Depthwise convolutions have none: they sum in FP32.
    if (products.length === 0) return;
    withProducts++;
    const off = await bench.outputStats(bench.feeds[0], new Uint8Array(roundings.placements.length));
    for (const [name, stats] of off) expect(isExact(stats), name).toBe(true);
    const on = await bench.outputStats(bench.feeds[0], switchesFromPlan(allHalf("", "finite"), roundings));
    for (const [name, stats] of on) {
      expect(relativeL2(stats), name).toBeLessThan(3e-3);
      expect(stats.nonFiniteMismatch, name).toBe(0);
    }
  });
});
