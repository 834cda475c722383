import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { bytesOfValue, elementCount, engineNames, halfWords, isTensorValue, type ResultDocument } from "@halfscope/core";
import { addonInfo, describeFeeds, type Feed } from "@halfscope/engine";
import type { Model } from "@halfscope/onnx";
import { type EngineProfile, isPlain } from "@halfscope/precision";
import { version } from "../version.js";
import { inputsOf } from "./swept-inputs.js";
import type { Workbench, WorkbenchOptions } from "./workbench.js";

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
      provider: `cpu (${word} emulated: every ${word} value rounded, products summed in ${sumsInWords(bench.profile)})`,
      instructionSet: info.instructionSet,
      cores: availableParallelism(),
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
    },
    options: {
      like: bench.profile.name,
      ...(!isPlain(bench.profile) && { likeChanges: bench.options.profile ?? {} }),
      granularity: "node",
      accumulation: bench.profile.sums.MatMul,
      profile: bench.profile.entries,
      ...(bench.precision !== "float16" && { precision: bench.precision }),
      tolerance,
      seed: bench.options.seed ?? 1,
      threads: bench.threads,
      samples: bench.feeds.length,
      inputs: { ...inputsOf(bench), digest: digestOfFeeds(bench.feeds) },
    },
    feeds: bench.feeds.map(describeFeeds),
    layers: bench.layers,
    hazards: [],
    timings: {},
    warnings: [],
  };
}

/** What a saved result's candidates computed in and behaved like, to open its model again. */
export const candidateOptions = ({ options }: ResultDocument): Pick<WorkbenchOptions, "like" | "profile" | "precision"> => ({
  precision: options.precision,
  like: engineNames.find((name) => name === options.like),
  profile: options.likeChanges,
});

function sumsInWords({ sums }: EngineProfile): string {
  const words = {
    float32: "FP32",
    float16: "FP16",
    "float16-exact": "FP16, exact to the bit",
    "tensor-core": "FP32 as tensor cores cut it",
  };
  return [...new Set(Object.values(sums).map((s) => words[s]))].join(" and ");
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

/** Names all samples of a run. */
export function digestOfFeeds(feeds: readonly Feed[]): string {
  const hash = createHash("sha256");
  for (const feed of feeds) hash.update(digestOfFeed(feed));
  return hash.digest("hex");
}
