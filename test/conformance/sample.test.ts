/**
 * A sample of the ONNX test data through all steps of `npm run conformance`, but for the ONNX checker: quick enough for every run of the tests. The command
 * itself goes over all of them.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "@halfscope/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkModel } from "../../scripts/conformance/check-model.js";
import { type ConformanceModel, collections } from "../../scripts/conformance/models.js";

const sampleSize = 60;
/** What a random sample could miss: values that are no tensors of floats, subgraphs, functions written out, state. */
const always = [
  "node/test_identity_sequence",
  "node/test_if_opt",
  "node/test_if_seq",
  "node/test_loop13_seq",
  "node/test_loop16_seq_none",
  "node/test_optional_has_element_empty",
  "node/test_sequence_map_add_2_sequences_expanded",
  "node/test_cast_STRING_to_FLOAT",
  "node/test_cast_FLOAT_to_STRING",
  "node/test_cast_BFLOAT16_to_FLOAT",
  "node/test_loop11",
  "node/test_scan9_sum",
  "node/test_lstm_with_peepholes",
  "node/test_layer_normalization_2d_axis1_expanded",
];

const testdata = collections().find((c) => c.name === "testdata");
const models = testdata?.models ?? [];

/** One model per operator at most, drawn with a seed of its own: another test never changes the sample. */
function drawSample(all: readonly ConformanceModel[]): ConformanceModel[] {
  const random = new Random(0, "conformance");
  const chosen = all.filter((m) => always.includes(m.id));
  const families = new Set(chosen.map(familyOf));
  const shuffled = all.map((model) => ({ model, at: random.uniform() })).sort((a, b) => a.at - b.at);
  for (const { model } of shuffled) {
    if (chosen.length >= sampleSize) break;
    if (families.has(familyOf(model))) continue;
    families.add(familyOf(model));
    chosen.push(model);
  }
  return chosen;
}
const familyOf = ({ id }: ConformanceModel): string => id.split("_").slice(0, 2).join("_");

describe("a sample of the ONNX test data", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "halfscope-sample-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const sample = models.length === 0 ? Array.from({ length: sampleSize }, () => undefined) : drawSample(models);

  test("has its full size, and all that must be in it", (context) => {
    if (models.length === 0) context.skip(`no ONNX test data: ${testdata?.hint}`);
    expect(sample).toHaveLength(sampleSize);
    expect(sample.map((m) => m?.id)).toEqual(expect.arrayContaining(always));
  });

  test.for(sample.map((model, i) => [model?.id ?? `model ${i}`, model] as const))(
    "%s is handled or refused with a reason",
    async ([, model], context) => {
      if (model === undefined) return context.skip(`no ONNX test data: ${testdata?.hint}`);
      const { record } = await checkModel(model, { folder });
      expect(record.steps.filter((s) => s.status === "failed").map((s) => `${s.step}: ${s.reason}`)).toEqual([]);
      // What ONNX Runtime does not run is said in its own words.
      for (const s of record.steps.filter((x) => x.status === "refused")) expect(s.reason).toMatch(/^(ONNX Runtime|bad on purpose): ./);
    },
  );
});
