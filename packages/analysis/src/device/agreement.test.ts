import type { DeviceTensor, EngineRecord, ErrorStats } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { agreementOf } from "./agreement.js";
import { spearman } from "./correlation.js";
import { latencyFront } from "./latency-front.js";
import { messageHazards } from "./message-hazards.js";
import { tensorAgreement } from "./tensor-agreement.js";

const statsOf = (meanAbs: number, rms: number, more: Partial<ErrorStats> = {}): ErrorStats =>
  ({
    count: 100,
    sumAbs: 100 * meanAbs,
    sumSquaredError: 100 * meanAbs ** 2,
    sumSquaredReference: 100 * rms ** 2,
    nonFiniteMismatch: 0,
    ...more,
  }) as ErrorStats;

const tensor = (i: number, predicted: number, measured: number, more: Partial<ErrorStats> = {}): DeviceTensor => ({
  tensor: `t${i}`,
  layer: `l${i}`,
  measured: statsOf(measured, 1, more),
  predicted: { meanAbs: predicted, relativeL2: predicted },
});

describe("rank correlation", () => {
  it("shares ranks among equals, and is nothing for one value", () => {
    expect(spearman([1, 2, 3, 4], [10, 20, 30, 40])).toBe(1);
    expect(spearman([1, 2, 3, 4], [4, 3, 2, 1])).toBe(-1);
    // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: covariance 4.5, variances 4.5 and 5.
    expect(spearman([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
    expect(spearman([1], [1])).toBeNaN();
    expect(spearman([1, 1], [1, 2])).toBeNaN();
  });
});

describe("agreement over tensors", () => {
  const pair = (predicted: number, measured: number, rms = 1, depth = 1) => ({ tensor: "t", predicted, measured, rms, depth });

  it("is the ratio's quantiles and the order of errors relative to size", () => {
    const pairs = Array.from({ length: 101 }, (_, i) => pair((i + 50) / 100, 1));
    const found = tensorAgreement(pairs);
    expect([found.low, found.median, found.high]).toEqual([0.55, 1, 1.45]);
    // The larger tensor has the larger error, but the smaller one for its size.
    expect(tensorAgreement([pair(2, 2, 100), pair(1, 1, 1)]).spearman).toBe(1);
    expect(tensorAgreement([pair(1, 2, 1, 1), pair(2, 1, 1, 2)])).toMatchObject({ spearman: -1, nullSpearman: -1 });
  });

  it("leaves out what has an error on one side only, or none that is a number, and counts the former", () => {
    const found = tensorAgreement([pair(0, 1), pair(1, 0), pair(0, 0), pair(1, Number.POSITIVE_INFINITY), pair(Number.NaN, 1), pair(1, 1)]);
    expect([found.pairs.length, found.oneSided.length]).toEqual([1, 2]);
  });
});

describe("agreement with an engine", () => {
  it("says how many of the worst layers are the same, by their worst tensor", () => {
    const tensors = Array.from({ length: 40 }, (_, i) => tensor(i, i + 1, i + 1));
    expect(agreementOf([], tensors, new Map()).worst).toEqual({ of: 10, shared: 10 });
    const turned = Array.from({ length: 40 }, (_, i) => tensor(i, i + 1, 40 - i));
    expect(agreementOf([], turned, new Map()).worst).toEqual({ of: 10, shared: 0 });
    expect(agreementOf([], tensors.slice(0, 1), new Map()).worst).toBeUndefined();
  });

  it("counts a tensor that is not finite on the engine as infinitely wrong, not as exact", () => {
    const tensors = Array.from({ length: 40 }, (_, i) => tensor(i, i + 1, i + 1));
    const broken = tensors.with(0, tensor(0, 1, 0, { nonFiniteMismatch: 3 }));
    const found = agreementOf([], broken, new Map());
    expect(found.worst).toEqual({ of: 10, shared: 9 });
    expect(found.ratio?.tensors).toBe(39);
  });

  it("without tensors is the verdicts alone", () => {
    const verdict = { role: "all-half", predicted: "within", measured: "within", predictedError: 1, measuredError: 1 } as const;
    expect(agreementOf([verdict], [], new Map())).toEqual({ verdicts: [verdict] });
  });
});

describe("the front of error and latency", () => {
  const engine = (role: EngineRecord["role"], error: number | undefined, p50: number | undefined, more: Partial<EngineRecord> = {}) =>
    ({
      role,
      pins: [],
      marked: 0,
      ...(error !== undefined && { error }),
      ...(p50 !== undefined && { latency: { p50 } }),
      ...more,
    }) as unknown as EngineRecord;

  it("has what no other engine beats, fastest first, and the reference without an error", () => {
    const front = latencyFront([
      engine("reference", undefined, 4),
      engine("all-half", 0.1, 1),
      engine("recommended", 0.01, 1.2),
      engine("guides", 0.02, 1.5),
      engine("trial", 0.01, 1.2),
    ]);
    expect(front.map((f) => [f.role, f.error, f.milliseconds])).toEqual([
      ["all-half", 0.1, 1],
      ["recommended", 0.01, 1.2],
      ["reference", 0, 4],
    ]);
  });

  it("leaves out what is not finite, not timed, or has tensors marked", () => {
    const infinite = engine("all-half", Number.POSITIVE_INFINITY, 1, { outcome: "not-finite" });
    expect(latencyFront([infinite, engine("trial", 0.1, undefined), engine("all-half", 0.1, 1, { marked: 5 })])).toEqual([]);
  });
});

describe("hazards from an engine's messages", () => {
  const layers = [
    { id: "a", weights: ["w"], outputs: ["x"], nodes: [0] },
    { id: "b", weights: [], outputs: ["y"], nodes: [1] },
  ] as unknown as Parameters<typeof messageHazards>[1]["layers"];
  const model = { layers, nodeNames: ["/a/MatMul", "/b/Add"] };
  const message = { severity: "warning", text: "as it says", count: 1, kind: "weight-subnormal" } as const;

  it("name layers by node, tensor and weight, one entry each, with the source", () => {
    const found = messageHazards([{ ...message, names: ["w", "/a/MatMul", "/b/Add", "elsewhere"] }], model, "TensorRT 10.6.0");
    expect(found.map((h) => [h.layer, h.code, h.source, h.values.count])).toEqual([
      ["a", "weight-underflow", "TensorRT 10.6.0", 2],
      ["b", "weight-underflow", "TensorRT 10.6.0", 1],
    ]);
    expect(found[0]?.evidence).toBe("TensorRT 10.6.0 says: as it says");
  });

  it("stay where no layer is known, and what says nothing about FP16 is left out", () => {
    expect(messageHazards([message, { ...message, text: "another" }], model, "T").map((h) => h.layer)).toEqual(["", ""]);
    expect(
      messageHazards(
        [
          { ...message, kind: "other" },
          { ...message, kind: "memory" },
        ],
        model,
        "T",
      ),
    ).toEqual([]);
  });
});
