import type { BenchComparison, BenchDifference, BenchDocument, BenchPoint, BenchRole } from "@halfscope/core";
import { stats } from "./example-stats.js";
import { randomFrom } from "./random.js";

export interface ExampleBenchOptions {
  /** Changes every name that comes from a model or its user. */
  rename?: (name: string) => string;
  /** `mixes`: a model that works across the batch. `static`: one request at a time. `broken`: NaN in batches. Defaults to `candidate`. */
  kind?: "candidate" | "alone" | "mixes" | "static" | "broken";
  shapes?: number;
}

/** A benchmark as it might have come out, for tests of pages. */
export function exampleBench({ rename = (n) => n, kind = "candidate", shapes: count = 2 }: ExampleBenchOptions = {}): BenchDocument {
  const random = randomFrom(7);
  const shapes = kind === "static" ? ["as declared"] : Array.from({ length: count }, (_, i) => rename(`sequence=${128 * (i + 1)}`));
  const batches = [1, 2, 4, 8];
  const roles: readonly BenchRole[] = kind === "candidate" ? ["candidate", "reference"] : ["reference"];
  const output = rename("last_hidden_state");
  const difference = (error: number, requests: number): BenchDifference => ({
    requests,
    bitIdentical: error === 0,
    maxAbs: 4 * error,
    meanAbs: error / 3,
    relativeL2: error,
    notFinite: Number.isFinite(error) ? 0 : 12,
    worst: { request: requests - 1, output },
    outputs: { [output]: stats(Number.isFinite(error) ? error : 0.5, 4, Number.isFinite(error) ? 0 : 12, random) },
  });
  const refusal = (batch: number): Pick<BenchComparison, "refusal"> =>
    kind === "static" && batch > 1
      ? {
          refusal: {
            kind: "refused",
            code: "ERR_OPTION",
            reason: `The sizes are fixed in the model: "${rename("images")}" is [1, 3, 224, 224].`,
          },
        }
      : batch === 8 && kind === "candidate"
        ? {
            refusal: {
              kind: "refused",
              code: "ERR_PROFILE",
              reason: `No profile serves this request: "${rename("input_ids")}", dimension 0 (batch), is 8, served are 1 to 4.`,
            },
          }
        : {};
  const comparisons = shapes.flatMap((shape) =>
    batches.map((batch): BenchComparison => {
      const refused = refusal(batch);
      if (refused.refusal !== undefined) return { shape, batch, ...refused };
      const batched =
        kind === "broken" && batch > 1 ? Number.POSITIVE_INFINITY : kind === "mixes" ? 0.02 * (batch - 1) : batch > 2 ? 3e-7 * batch : 0;
      const reference = kind === "candidate" ? 2.4e-3 + batched : batched;
      return {
        shape,
        batch,
        single: difference(batched, 8),
        reference: difference(reference, 8),
        ...(batch === 1 && { atOnce: difference(0, 8) }),
        ...(batch > 1 && { neighbours: difference(kind === "mixes" ? 0.01 : 0, batch / 2) }),
        ...(batch > 1 && {
          padded: {
            mask: rename("attention_mask"),
            lengths: Array.from({ length: batch }, (_, i) => 128 - 16 * i),
            batched: difference(8e-7, batch),
            alone: difference(7e-7, batch),
          },
        }),
      };
    }),
  );
  const points = shapes.flatMap((shape, i) =>
    batches.flatMap((batch) =>
      roles.flatMap((role) =>
        (role === "reference" && kind === "candidate" ? [1] : [1, 2]).map((contexts): BenchPoint => {
          const head = { role, shape, batch, contexts };
          const refused = refusal(batch);
          if (refused.refusal !== undefined) return { ...head, ...refused, rounds: [] };
          const p50 =
            (role === "reference" ? 4 : 1.2) * (0.4 + 0.6 * batch) * (1 + i) * (contexts === 1 ? 1 : 1.5) * (0.97 + 0.06 * random());
          const drift = 0.04 * (random() - 0.5);
          return {
            ...head,
            latency: {
              requests: 100,
              warmup: 43,
              mean: 1.03 * p50,
              p50,
              p95: 1.1 * p50,
              p99: 1.3 * p50,
              min: 0.95 * p50,
              max: 1.4 * p50,
              variation: 0.08,
              deviceP50: 0.9 * p50,
            },
            throughput: (1000 * batch * contexts) / p50,
            rounds: [0, 1, 2, 3].map((k) => ({ requests: 25, p50: p50 * (1 + (drift * k) / 3), wallMilliseconds: 25 * p50 })),
            drift,
          };
        }),
      ),
    ),
  );
  const failed = kind === "broken" || kind === "mixes";
  const file = (name: string) => ({ path: rename(name), digest: "3f".repeat(32), sizeBytes: 437_000_000 });
  return {
    schema: "halfscope/bench/1",
    halfscope: "0.1.0",
    model: file("models/bert.onnx"),
    environment: {
      backend: "tensorrt",
      library: "TensorRT",
      version: "10.6.0",
      gpu: "NVIDIA H200",
      computeCapability: "9.0",
      driver: "580.95.05",
      capabilities: {
        ...{ typings: ["typed", "weak"], profiles: true, debugTensors: true, unfusedTensors: false, strictNans: false },
        ...{ layerTimes: true, realHalf: true },
      },
    },
    machine: {
      ...{ platform: "linux-x64", node: "v20.20.0", processor: "a processor", cores: 16, memoryBytes: 128e9, instructionSet: "avx512" },
      load: [0.3, 1.1],
    },
    options: {
      ...{ engine: "tensorrt", batches, contexts: [1, 2], rounds: 4, requests: 100, warmup: 10, maxSeconds: 10, tolerance: 1e-2, seed: 1 },
      profiles: [`${rename("input_ids")}=1x1:4x128:4x256`],
    },
    batching: {
      kind: kind === "static" ? "static" : "dynamic",
      inputs: [{ name: rename("input_ids"), ...(kind !== "static" && { axis: 0 }) }],
      how: `The open axis "${rename("batch")}" is the batch.`,
    },
    feeds: [{ name: rename("input_ids"), dtype: "int64", dims: [1, 128], origin: "made up: token ids in [0, 30522) (seed 1, sample 0)" }],
    shapes: shapes.map((name, i) => ({ name, inputs: { [rename("input_ids")]: [1, 128 * (i + 1)] }, requests: 8 })),
    engines: roles.toReversed().map((role) => ({
      role,
      title: role === "reference" ? "the model in FP32" : "FP16 with 2 layers in FP32",
      typing: role === "reference" ? "full" : "typed",
      ...file(role === "reference" ? "models/bert.onnx" : "models/mixed.onnx"),
      ...(role === "candidate" && { half: "float16" as const, pins: [rename("encoder/layer.0/attention"), rename("pooler")] }),
      buildSeconds: role === "reference" ? 9.4 : 52.1,
      planBytes: 218e6,
      messages: [{ severity: "warning", text: `a warning about ${rename("layer.3")}`, count: 2, kind: "other" }],
    })),
    comparisons,
    points,
    ...(kind === "static" && { paddingNotTried: "requests are not put into batches" }),
    verdict: {
      outcome: kind === "broken" ? "not-finite" : kind === "mixes" ? "not-within" : "within",
      tolerance: 1e-2,
      error: kind === "broken" ? Number.POSITIVE_INFINITY : kind === "mixes" ? 0.14 : kind === "candidate" ? 2.4012e-3 : 2.4e-6,
      ...(shapes[0] !== undefined && { worst: { shape: shapes[0], batch: kind === "static" ? 1 : failed ? 8 : 4, request: 7, output } }),
      ...(kind !== "static" && { batched: { maxAbs: 9.6e-6, relativeL2: 2.4e-6, bitIdentical: false } }),
      mixes: kind === "mixes",
    },
    warnings: kind === "mixes" ? ["Times vary by more than 20 % of their mean at 3 of 12 points."] : [],
    notes: [`The open axis "${rename("batch")}" is the batch.`],
  };
}
