import type {
  LayerSensitivity,
  Measurement,
  Measurements,
  Origin,
  RankedLayer,
  Ranking,
  ResultDocument,
  SiteSensitivity,
} from "@halfscope/core";
import { blocksOf } from "../blocks.js";
import { exampleDecision } from "./example-decision.js";
import { type ExampleLayer, exampleLayers } from "./example-layers.js";
import { stats, summary } from "./example-stats.js";
import { randomFrom } from "./random.js";

export interface ExampleOptions {
  /** Blocks of the encoder. Defaults to 24. */
  blocks?: number;
  /** With a silent overflow, an overflowing mask constant and one noisy layer, or healthy. Defaults to true. */
  faults?: boolean;
  /** Defaults to 1. */
  seed?: number;
  /** Applied to every name: hostile names for tests. */
  rename?: (name: string) => string;
  /** How far the measurement got. Defaults to "verified". */
  upTo?: "inspected" | "compared" | "swept" | "recommended" | "verified";
}

/**
 * A made-up result of a BERT-like model, with figures of the size that real ones have: for tests, and for looking at a report without a
 * measurement. Deterministic.
 */
export function exampleResult(options: ExampleOptions = {}): ResultDocument {
  const { blocks = 24, faults = true, seed = 1, rename = (n: string) => n, upTo = "verified" } = options;
  const random = randomFrom(seed);
  const layers = exampleLayers(blocks, rename);
  const find = (suffix: string) => layers.find((l) => l.operators.length > 0 && l.id === rename(suffix)) as ExampleLayer;
  const middle = Math.floor(blocks / 3);
  const silent = find(`bert/encoder/layer.${middle}/output/LayerNorm`);
  const noisy = find(`bert/encoder/layer.${Math.floor((2 * blocks) / 3)}/output/dense`);
  const mask = find("bert/Mask/Mul");
  const silentAt = layers.indexOf(silent);

  let arrived = 0;
  const isolated: Measurement[] = [];
  const accumulated: Measurement[] = [];
  layers.forEach((l, i) => {
    if (l.kind === "cast" || l.kind === "shape") return;
    const broken = faults && (l === silent || l === mask);
    const own = l.rounding * (0.85 + 0.3 * random()) * (faults && l === noisy ? 22 : 1);
    arrived = Math.hypot(arrived * (l.kind === "layer-norm" ? 0.985 : 1.001), own);
    if (faults && i === silentAt) arrived = 0.71;
    const reach = l.kind === "residual-add" ? 40 + 3 * i : l.kind === "softmax" ? 1 : 9 + 6 * random();
    const base = { tensor: l.outputs[0] ?? "", node: l.nodes.at(-1) ?? 0, layer: l.id };
    isolated.push({ ...base, stats: stats(own, broken ? 9e4 : reach, broken ? 128 : 0, random) });
    accumulated.push({ ...base, stats: stats(arrived, broken ? 9e4 : reach, broken ? 128 : 0, random) });
  });
  const coverage = {
    compared: isolated.length,
    "not-float": 2 * blocks + 9,
    constant: 6 * blocks + 12,
    "not-executed": 0,
    "not-supported": 1,
  };
  const measurements = (mode: "isolated" | "accumulated", tensors: Measurement[]): Measurements => ({
    mode,
    constants: "overflow",
    tensors,
    outputs: mode === "accumulated" ? { [rename("logits")]: stats(arrived, 4, 0, random) } : {},
    coverage,
    notSupported: [{ tensor: rename("/bert/If_output_0"), reason: "inside a branch of If" }],
  });
  const origins: Origin[] = faults
    ? [
        origin(
          "constant-overflow",
          mask,
          0,
          `The constant "${rename("mask_minimum")}" becomes infinite when it is converted; 96 of 128 elements of "${mask.outputs[0]}" are then infinite or NaN.`,
        ),
        origin(
          "silent-overflow",
          silent,
          9e4,
          `128 of 131072 elements overflow (the reference reaches 9.000e+4, FP16 ends at 65504); nothing is NaN at the end, but "${silent.outputs[0]}" behind it is wrong by 71.0 %.`,
        ),
      ]
    : [];
  const costs = layers.flatMap((l): LayerSensitivity[] => {
    if (l.rounding === 0 || (faults && l === silent)) return [];
    const weight = l.weights.length > 0 ? l.rounding * (0.2 + 0.5 * random()) : 0;
    const activation = l.rounding * (0.3 + 0.8 * random()) * (faults && l === noisy ? 40 : 1);
    return [{ layer: l.id, outputError: Math.hypot(weight, activation), activation, weight, overflow: false, sites: l.operators.length }];
  });
  const sensitivity = costs.toSorted((a, b) => b.outputError - a.outputError);
  const predictedError = Math.hypot(...sensitivity.map((s) => s.outputError));
  const sites: SiteSensitivity[] = sensitivity.map((s) => ({
    site: `activation:${s.layer}`,
    sites: [`activation:${s.layer}`],
    kind: "activation",
    layer: s.layer,
    outputError: s.outputError,
    perOutput: [s.outputError],
    outputMaxAbs: 3 * s.outputError,
    nonFinite: false,
  }));

  const head: ResultDocument = {
    schema: "halfscope/result/1",
    model: {
      path: rename("models/bert-large.onnx"),
      digest: "6f1c".repeat(16),
      sizeBytes: 1.34e9,
      nodes: layers.reduce((n, l) => n + l.nodes.length, 0),
      parameters: 334_092_288,
      producer: "pytorch 2.4.0",
      opsets: { "ai.onnx": 14 },
    },
    environment: {
      halfscope: "0.1.0",
      onnxruntime: "1.30.0",
      provider: "cpu (FP16 emulated: every FP16 value rounded, sums in FP32)",
      instructionSet: "avx2+f16c",
      cores: 2,
      node: "v20.20.0",
      platform: "linux-x64",
    },
    options: { like: "pytorch", granularity: "node", accumulation: "float32", tolerance: 0.01, seed: 1, threads: 2, samples: 2 },
    feeds: [0, 1].map((sample) =>
      ["input_ids", "attention_mask", "token_type_ids"].map((name) => ({
        name: rename(name),
        dtype: "int64",
        dims: [1, 128],
        origin: `made up: ${name === "input_ids" ? "token ids in [0, 30522)" : name === "attention_mask" ? "ones" : "segments, zeros"} (seed 1, sample ${sample})`,
      })),
    ),
    layers: layers.map(({ rounding: _, ...layer }) => layer),
    hazards: [
      ...(faults
        ? [
            {
              code: "mask-constant" as const,
              severity: "error" as const,
              layer: mask.id,
              tensor: rename("mask_minimum"),
              evidence:
                "The mask constant -3.403e+38 lies beyond the FP16 range: a plain conversion makes it -Infinity, and Infinity times 0 is NaN.",
              fix: "Write the constant as -65504 (`halfscope apply` does) or -1e4; a pin is not needed.",
              values: { value: -3.403e38 },
            },
          ]
        : []),
      {
        code: "decomposed-layer-norm",
        severity: faults ? "error" : "info",
        layer: silent.id,
        tensor: silent.outputs[0] ?? "",
        evidence: faults
          ? "Its square reaches 9.000e+4; FP16 ends at 65504, so it overflows to Infinity and the output becomes 0 without any NaN."
          : "Its square reaches 212; FP16 ends at 65504.",
        fix: "Export with opset 17 or newer, so that it becomes one LayerNormalization node that engines compute in FP32; otherwise pin this layer.",
        values: { max: 9e4 },
      },
      {
        code: "epsilon-underflow",
        severity: "warning",
        layer: silent.id,
        tensor: rename("epsilon"),
        evidence:
          "Its epsilon 1.000e-12 becomes 0 in FP16; the smallest variance measured is 0.3120, far above it, so nothing is lost here.",
        fix: "Write the epsilon as 1e-5, or pin this layer.",
        values: { epsilon: 1e-12 },
      },
    ],
    timings: { open: 0.41, prepare: 1.32, compare: 4.9, sweep: 251, recommend: 88, apply: 3.1, verify: 4.4 },
    warnings: [],
  };
  if (upTo === "inspected") return { ...head, hazards: [], timings: {} };
  const measured = { isolated: measurements("isolated", isolated), accumulated: measurements("accumulated", accumulated) };
  const compared = { ...head, ...measured, ranking: rank(layers, isolated, accumulated, origins) };
  if (upTo === "compared") return compared;
  const swept = {
    ...compared,
    sensitivity: {
      basePins: faults ? [silent.id] : [],
      sites,
      layers: sensitivity,
      measuredError: 1.02 * predictedError,
      predictedError,
      candidates: sites.length,
    },
  };
  if (upTo === "swept") return swept;
  return {
    ...swept,
    ...exampleDecision(swept, {
      silent: faults ? silent : undefined,
      layers,
      output: rename("logits"),
      outputStats: (error) => stats(error, 4, 0, random),
      verified: upTo === "verified",
    }),
  };
}

const origin = (kind: Origin["kind"], layer: ExampleLayer, maxReference: number, evidence: string): Origin => ({
  kind,
  tensor: layer.outputs[0] ?? "",
  layer: layer.id,
  elements: 128,
  count: 131_072,
  maxReference,
  evidence,
});

function rank(
  layers: readonly ExampleLayer[],
  isolated: readonly Measurement[],
  accumulated: readonly Measurement[],
  origins: readonly Origin[],
): Ranking {
  const own = new Map(isolated.map((m) => [m.layer, summary(m)]));
  const arrived = new Map(accumulated.map((m) => [m.layer, summary(m)]));
  const score = (r: RankedLayer) =>
    r.isolated === undefined ? -1 : r.isolated.nonFiniteMismatch > 0 ? Number.MAX_VALUE : r.isolated.relativeL2;
  const kinds = [...new Set(layers.map((l) => l.kind))];
  return {
    origins,
    layers: layers
      .filter((l) => own.has(l.id))
      .map((l): RankedLayer => ({ layer: l.id, isolated: own.get(l.id), accumulated: arrived.get(l.id) }))
      .toSorted((a, b) => score(b) - score(a)),
    byKind: kinds.map((kind) => {
      const errors = layers.flatMap((l) => (l.kind === kind ? (own.get(l.id)?.relativeL2 ?? []) : []));
      return {
        kind,
        layers: errors.length,
        meanIsolated: errors.reduce((a, b) => a + b, 0) / Math.max(1, errors.length),
        maxIsolated: Math.max(0, ...errors),
      };
    }),
    byBlock: blocksOf(layers).map((b) => ({
      block: b.name,
      layers: b.layers.length,
      accumulated: arrived.get(b.layers.at(-1)?.id ?? "")?.relativeL2 ?? 0,
    })),
  };
}
