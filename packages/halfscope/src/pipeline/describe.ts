import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { bytesOfValue, elementCount, halfWords, isTensorValue, type ResultDocument } from "@halfscope/core";
import { addonInfo, describeFeeds, type Feed } from "@halfscope/engine";
import type { Model } from "@halfscope/onnx";
import { version } from "../version.js";
import type { Workbench } from "./workbench.js";

export const describeModel = (model: Model): ResultDocument["model"] => ({
  path: model.path,
  digest: model.digest,
  sizeBytes: model.sizeBytes,
  nodes: model.graph.nodes.length,
  parameters: model.graph.initializers.reduce((n, i) => n + elementCount(i.dims), 0),
  producer: model.producer,
  opsets: Object.fromEntries([...model.opsets].map(([domain, v]) => [domain || "ai.onnx", v])),
});

/** A result with everything that is known before a measurement. */
export function newResult(bench: Workbench, tolerance: number): ResultDocument {
  const info = addonInfo();
  const word = halfWords[bench.precision];
  return {
    schema: "halfscope/result/1",
    model: { ...describeModel(bench.model), ...(bench.half && { restored: true }) },
    environment: {
      halfscope: version,
      onnxruntime: info.onnxruntimeVersion,
      provider: `cpu (${word} emulated: every ${word} value rounded, sums in FP32)`,
      instructionSet: info.instructionSet,
      cores: availableParallelism(),
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
    },
    options: {
      like: "pytorch",
      granularity: "node",
      accumulation: "float32",
      ...(bench.precision !== "float16" && { precision: bench.precision }),
      tolerance,
      seed: bench.options.seed ?? 1,
      threads: bench.threads,
      samples: bench.feeds.length,
    },
    feeds: bench.feeds.map(describeFeeds),
    layers: bench.layers,
    hazards: [],
    timings: {},
    warnings: [],
  };
}

/** Names a sample in journals. */
export function digestOfFeed(feed: Feed): string {
  const hash = createHash("sha256");
  for (const [name, t] of feed.tensors) {
    if (isTensorValue(t)) hash.update(`${name}\0${t.dtype}\0${t.dims.join(",")}\0`).update(t.data);
    else for (const bytes of [Buffer.from(`${name}\0`), ...bytesOfValue(t)]) hash.update(bytes);
  }
  return hash.digest("hex");
}
