import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readModel, viewGraph } from "@halfscope/onnx";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { makeFeeds } from "./make-feeds.js";

const models = fileURLToPath(new URL("../../../../../shared/models", import.meta.url));
const index = join(models, "index.json");
const entries = existsSync(index) ? (JSON.parse(readFileSync(index, "utf8")) as { id: string; ort_node_load?: string }[]) : [];
// Models without weights have no entry for ONNX Runtime, and some are there because it refuses them.
const runnable = entries.filter((entry) => entry.ort_node_load === "ok").map((entry) => entry.id);

const arrays = {
  int64: BigInt64Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

test.skipIf(runnable.length === 0).each(runnable)("ONNX Runtime runs %s on made-up feeds", async (id) => {
  const model = await readModel(join(models, id, "model.onnx"));
  const session = await InferenceSession.create(model.path, {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
  });
  for (const feed of makeFeeds(model, viewGraph(model.graph), { samples: 2 })) {
    const fed: Record<string, Tensor> = {};
    for (const [name, { dtype, dims, data }] of feed.tensors) {
      const type = arrays[dtype as keyof typeof arrays];
      const values = new type(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength / type.BYTES_PER_ELEMENT);
      fed[name] = new Tensor(dtype as Tensor.Type, values as Tensor.DataType, dims);
    }
    const outputs = await session.run(fed);
    expect(Object.keys(outputs)).toEqual([...session.outputNames]);
  }
  await session.release();
});
