import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readModel, viewGraph } from "@halfscope/onnx";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { sharedModel, sharedModels } from "../../../../test/shared-models.js";
import { tensorsOf } from "./feed.js";
import { makeFeeds } from "./make-feeds.js";

const index = sharedModels === undefined ? "" : join(sharedModels, "index.json");
const entries = existsSync(index)
  ? (JSON.parse(readFileSync(index, "utf8")) as { id: string; weights: string; ort_node_load?: string }[])
  : [];
/** Models that are whole: some lack their weights, and some are there because ONNX Runtime refuses them. */
const runnable = entries.filter((e) => (e.ort_node_load ?? "ok") === "ok" && !/absent|stripped/.test(e.weights)).map((e) => e.id);

const arrays = {
  int64: BigInt64Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

test.for(runnable.length > 0 ? runnable : ["any model"])("ONNX Runtime runs %s on made-up feeds", async (id, context) => {
  const model = await readModel(sharedModel(context, id, "model.onnx"));
  const session = await InferenceSession.create(model.path, {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
  });
  for (const feed of makeFeeds(model, viewGraph(model.graph), { samples: 2 })) {
    const fed: Record<string, Tensor> = {};
    for (const [name, { dtype, dims, data }] of tensorsOf(feed)) {
      const type = arrays[dtype as keyof typeof arrays];
      const values = new type(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength / type.BYTES_PER_ELEMENT);
      fed[name] = new Tensor(dtype as Tensor.Type, values as Tensor.DataType, dims);
    }
    const outputs = await session.run(fed);
    expect(Object.keys(outputs)).toEqual([...session.outputNames]);
  }
  await session.release();
});
