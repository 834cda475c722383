/** Other people's models through the command line: listed, compared on their own inputs, and refused for the right reason. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ResultDocument, TensorValue } from "@halfscope/core";
import { elementsOf, readTensorProto } from "@halfscope/engine";
import { Workbench } from "halfscope";
import { describe, expect, it, test } from "vitest";
import { sharedModel, sharedModelNames, sharedModels } from "../shared-models.js";
import { expectFailure, halfscope, jsonOf } from "./run-cli.js";

/** Cannot be read at all, and what must be said of it. */
const unreadable: Readonly<Record<string, readonly [error: string, words: RegExp]>> = {
  "corrupt-text": ["ERR_MODEL_PARSE", /is not an ONNX model/],
  "lfs-pointer": ["ERR_MODEL_PARSE", /Git LFS pointer/],
  "ext-data-path-traversal": ["ERR_MODEL_EXTERNAL_DATA", /external data at/],
};
/** Can be listed; a run ends like this. */
const unusable: Readonly<Record<string, readonly [code: number, error: string, words: RegExp]>> = {
  "silero-op18-missing-extdata": [3, "ERR_MODEL_EXTERNAL_DATA", /does not exist/],
  "stripped-initializers-resnet18": [3, "ERR_MODEL_PARSE", /"conv1.weight" holds 0 bytes/],
  "opset-314159": [4, "ERR_ENGINE_BUILD", /failed: ONNX Runtime only .*Opset 314159/],
  "bert-squad-op10-scalar-concat": [4, "ERR_ENGINE_BUILD", /All inputs to Concat must have same rank/],
  "polygraphy-add-infinity": [3, "ERR_REFERENCE_NOT_FINITE", /output "B" has 0 NaN and 1 Inf/],
  "tiny-gpt2-beamsearch": [3, "ERR_MODEL_NO_FLOAT", /no float32 tensor/],
  "onnx-cumprod-op26": [3, "ERR_MODEL_NO_FLOAT", /1 float64/],
};

const inTwos = async <T>(items: readonly T[], work: (item: T) => Promise<void>) => {
  const rest = [...items];
  await Promise.all(
    [1, 2].map(async () => {
      for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
    }),
  );
};

it("inspect lists every model that can be read", async (context) => {
  if (sharedModels === undefined) return context.skip("no ../shared/models beside the checkout (or set HALFSCOPE_SHARED_MODELS)");
  const index = JSON.parse(readFileSync(join(sharedModels, "index.json"), "utf8")) as {
    id: string;
    nodes?: number | null;
    opset?: object;
  }[];
  await inTwos(
    sharedModelNames.filter((name) => !(name in unreadable)),
    async (name) => {
      const found = await jsonOf(["inspect", join(sharedModels as string, name, "model.onnx")]);
      const layers = found.layers as { id: string; nodes: number[] }[];
      expect(layers.length, name).toBeGreaterThan(0);
      expect(new Set(layers.map((l) => l.id)).size, name).toBe(layers.length);
      const model = found.model as { nodes: number; opsets: object };
      const known = index.find((m) => m.id === name);
      if (known?.nodes) expect([model.nodes, model.nodes + 2], name).toContain(model.nodes);
      if (known?.opset) expect(model.opsets, name).toMatchObject(known.opset);
    },
  );
}, 180_000);

describe("what cannot be read", () => {
  test.for(Object.entries(unreadable))("%s", async ([name, [error, words]], context) => {
    const path = sharedModel(context, name, "model.onnx");
    for (const command of ["inspect", "compare"]) await expectFailure([command, path], { code: 3, error }, words);
  });
});

describe("what cannot be run or judged", () => {
  test.for(Object.entries(unusable))("%s", async ([name, [code, error, words]], context) => {
    const path = sharedModel(context, name, "model.onnx");
    const feeds = join(path, "..", "ort_fp32_run");
    await expectFailure(["compare", path, ...(existsSync(feeds) ? ["--feed", feeds] : [])], { code, error }, words);
  });
});

/** Models that compute inside branches or functions: a comparison that looks at the main graph alone sees next to nothing. */
const nested = {
  "silero-vad-v5-op16-spox": "then_branch",
  "silero-vad-op18-ifless": "then_branch",
  "jax-transformer-fn-op21": "MultiHeadAttention",
};

test.for(Object.entries(nested))("%s is compared inside", async ([name, inside], context) => {
  const result = (await jsonOf(["compare", sharedModel(context, name, "model.onnx")], [0, 1])) as unknown as ResultDocument;
  const found = result.accumulated?.tensors.filter((t) => t.layer.includes(inside)) ?? [];
  expect(found.length).toBeGreaterThan(20);
  expect(found.filter((t) => t.stats.maxAbs > 0).length).toBeGreaterThan(10);
});

/** Models with inputs of their own, and how far the saved FP32 outputs may lie from ours: other kernels sum in another order. */
const withData = [
  ["bert-squad-pt-op11", "test_data_set_0"],
  ["bert-squad-pt-op11", "ort_fp32_run"],
  ["bert-toy-op12", "ort_fp32_run"],
  ["gpt2-pt-op11", "test_data_set_0"],
  ["yolox-nano-op11", "ort_fp32_run"],
  ["magika-v3_3-op15", "ort_fp32_run"],
  ["basic-pitch-op15", "ort_fp32_run"],
] as const;

describe.each(withData)("%s on %s", (name, data) => {
  it("compare runs, sees every float tensor, and names the inputs", async (context) => {
    const path = sharedModel(context, name, "model.onnx");
    const feeds = sharedModel(context, name, data);
    const result = (await jsonOf(["compare", path, "--feed", feeds], [0, 1])) as unknown as ResultDocument;
    expect(result.accumulated?.coverage["not-supported"]).toBe(0);
    expect(result.accumulated?.coverage.compared).toBeGreaterThan(50);
    expect(result.ranking?.layers.length).toBeGreaterThan(10);
    expect(result.feeds.flat().every((f) => f.origin.includes(data))).toBe(true);
  });

  it("the reference gives the outputs that were saved with the model", async (context) => {
    const path = sharedModel(context, name, "model.onnx");
    const folder = sharedModel(context, name, data);
    using bench = await Workbench.open(path, { feeds: [folder], threads: 2 });
    const { outputs } = await bench.reference();
    let compared = 0;
    for (const file of readdirSync(folder).filter((f) => /^output_\d+\.pb$/.test(f))) {
      const saved = await savedTensor(join(folder, file));
      // Some exporters left the names out or wrote others: then the number says which.
      const byNumber = bench.view.graph.outputs[Number(/\d+/.exec(file)?.[0])]?.name ?? "";
      const ours = outputs.get(saved.name) ?? outputs.get(byNumber);
      if (ours === undefined) continue; // no float
      expect(ours.dims).toEqual(saved.value.dims);
      expect(relativeL2(ours, saved.value), saved.name).toBeLessThan(tolerance);
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
  });
});

/**
 * FP32 rounds to 2^-24 of a value; sums of some thousand terms in another order, through some hundred nodes, spread as the root of their number:
 * 2^-24 * sqrt(1000 * 100) is about 2e-5. FP16 would be 8192 times as much.
 */
const tolerance = 2e-5;

function relativeL2(a: TensorValue, b: TensorValue): number {
  const [x, y] = [a, b].map((t) => Float64Array.from(elementsOf(t) as ArrayLike<number>)) as [Float64Array, Float64Array];
  let error = 0;
  let scale = 0;
  for (const [i, value] of y.entries()) {
    error += ((x[i] ?? Number.NaN) - value) ** 2;
    scale += value ** 2;
  }
  return Math.sqrt(error / scale);
}

async function savedTensor(path: string): Promise<{ name: string; value: TensorValue }> {
  return readTensorProto(readFileSync(path), path);
}

it("a printed comparison of a large graph fits the terminal", async (context) => {
  const path = sharedModel(context, "cct-xs-plate-ocr-op15", "model.onnx");
  const { stdout } = await halfscope(["compare", path, "--dim", "unk__424=1"]);
  expect(stdout.split("\n").filter((l) => l.length > 120)).toEqual([]);
});
