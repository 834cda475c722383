import type { TensorValue } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { projectionBuckets, unpackProjection } from "../sweep/projection.js";
import { type JudgeOptions, OutputJudge } from "./judge.js";
import { paddingMasks } from "./judge-padding.js";

const tensor = (dims: readonly number[], values: readonly number[]): TensorValue => ({
  dtype: "float32",
  dims,
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const int64 = (dims: readonly number[], values: readonly number[]): TensorValue => ({
  dtype: "int64",
  dims,
  data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});
const judgeOf = (dims: readonly number[], values: readonly number[], more: Partial<JudgeOptions> = {}) =>
  new OutputJudge(new Map([["y", tensor(dims, values)]]), { outputs: ["y"], ...more });
const judged = async (reference: number[], candidate: number[], more: Partial<JudgeOptions> = {}, dims = [reference.length]) =>
  judgeOf(dims, reference, more).judge(new Map([["y", tensor(dims, candidate)]]), { figures: true, signed: true });

describe("an output's figures", () => {
  it("are maximum, mean, relative L2 and cosine", async () => {
    const { figures, error, maxAbs, perOutput } = await judged([3, 4], [3, 3]);
    expect(figures?.y).toMatchObject({ count: 2, maxAbs: 1, meanAbs: 0.5, relativeL2: 0.2, nonFinite: 0 });
    expect(figures?.y?.cosine).toBeCloseTo(21 / (5 * Math.sqrt(18)), 12);
    expect([error, maxAbs, perOutput]).toEqual([0.2, 1, [0.2]]);
  });

  it("never pass with NaN or an infinity on one side; the same infinity on both is equal", async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const found = await judged([1, 2, 3], [1, bad, 3]);
      expect([found.error, found.nonFinite, found.maxAbs, found.figures?.y?.nonFinite]).toEqual([Number.POSITIVE_INFINITY, true, Number.POSITIVE_INFINITY, 1]); // biome-ignore format: a row
    }
    const inf = Number.NEGATIVE_INFINITY;
    expect((await judged([1, inf], [1, inf])).error).toBe(0);
    expect((await judged([1, -inf], [1, inf])).error).toBe(Number.POSITIVE_INFINITY);
  });

  it("are infinitely wrong for a missing output, another shape, and an error of a reference of zeros", async () => {
    const judge = judgeOf([2], [1, 2]);
    expect((await judge.judge(new Map())).error).toBe(Number.POSITIVE_INFINITY);
    expect((await judge.judge(new Map([["y", tensor([1, 2], [1, 2])]]))).nonFinite).toBe(true);
    expect((await judged([0, 0], [0, 1])).error).toBe(Number.POSITIVE_INFINITY);
    expect((await judged([0, 0], [0, 0])).error).toBe(0);
  });

  it("project the signed error over the reference's norm", async () => {
    const { signed } = await judged([3, 4], [3.5, 3]);
    const back = unpackProjection(signed?.[0]);
    expect(back?.[0]).toBeCloseTo(0.1, 2);
    expect(back?.[1]).toBeCloseTo(-0.2, 6);
    expect((await judged([1], [1])).signed).toEqual([""]);
    const many = Array.from({ length: projectionBuckets * 8 }, (_, i) => Math.sin(i));
    const long = await judged(many, many.map((v, i) => v + Math.cos(7 * i) / 100)); // biome-ignore format: one call
    expect(Math.hypot(...(unpackProjection(long.signed?.[0]) ?? [])) / (long.perOutput[0] ?? 0)).toBeCloseTo(1, 0);
  });
});

describe("classes", () => {
  const scores = new Set(["y"]);
  it("agree where the highest is the same, and diverge by Kullback and Leibler", async () => {
    const { figures } = await judged([0, Math.log(3), 5, 1], [0, Math.log(2), 0, 1], { scores }, [2, 2]);
    const c = figures?.y?.classes;
    expect(c).toMatchObject({ read: "logits", count: 2, rows: 2, top1Agreement: 0.5 });
    const first = 0.25 * Math.log(0.25 * 3) + 0.75 * Math.log((0.75 * 3) / 2);
    const p = 1 / (1 + Math.exp(-4));
    const q = 1 / (1 + Math.E);
    const second = p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));
    expect(c?.klDivergence).toBeCloseTo((first + second) / 2, 6);
  });

  it("are read as probabilities where the reference's rows are", async () => {
    const { figures } = await judged([0.25, 0.75], [0.5, 0.5], { scores }, [1, 2]);
    expect(figures?.y?.classes?.read).toBe("probabilities");
    expect(figures?.y?.classes?.klDivergence).toBeCloseTo(0.25 * Math.log(0.5) + 0.75 * Math.log(1.5), 9);
  });

  it("with a NaN agree in nothing, and outputs of no linear layer have none", async () => {
    const { figures } = await judged([1, 2], [1, Number.NaN], { scores }, [1, 2]);
    expect(figures?.y?.classes).toMatchObject({ top1Agreement: 0, klDivergence: Number.POSITIVE_INFINITY });
    expect((await judged([1, 2], [1, 2], {}, [1, 2])).figures?.y?.classes).toBeUndefined();
    expect((await judged([1, 2], [1, 2], { scores }, [2, 1])).figures?.y?.classes).toBeUndefined();
  });
});

describe("padding", () => {
  const mask = int64([2, 3], [1, 1, 0, 1, 0, 0]);
  const masks = paddingMasks(new Map([["attention_mask", mask]]));
  const dims = [2, 3, 2];
  const reference = Array.from({ length: 12 }, (_, i) => i + 1);
  const candidate = reference.map((v, i) => v + 0.01 * (i % 5));

  it("has no say, whatever stands there", async () => {
    const plain = await judged(reference, candidate, { masks }, dims);
    const padded = [4, 5, 8, 9, 10, 11];
    for (const junk of [0, 1e30, Number.NaN, Number.POSITIVE_INFINITY]) {
      const other = candidate.map((v, i) => (padded.includes(i) ? junk : v));
      expect(await judged(reference, other, { masks }, dims)).toEqual(plain);
      const otherReference = reference.map((v, i) => (padded.includes(i) ? 7 : v));
      expect(await judged(otherReference, other, { masks }, dims)).toEqual(plain);
    }
    expect(plain.figures?.y?.count).toBe(6);
    expect((await judged(reference, candidate, {}, dims)).error).not.toBe(plain.error);
  });

  it("is told by name, type and shape alone, and by a zero", () => {
    const of = (name: string, value: TensorValue) => paddingMasks(new Map([[name, value]])).length;
    expect(of("attention_mask", mask)).toBe(1);
    expect(of("decoder_attention_mask", mask)).toBe(1);
    expect(of("encoder.attentionMask", mask)).toBe(1);
    expect(of("padding_mask", mask)).toBe(0); // 1 means padding there
    expect(of("attention_mask", int64([1, 3], [1, 1, 1]))).toBe(0);
    expect(of("attention_mask", int64([1, 3], [0, 0, 0]))).toBe(0);
    expect(of("attention_mask", int64([3], [1, 1, 0]))).toBe(0);
    expect(of("attention_mask", tensor([1, 2], [1, 0]))).toBe(0);
  });

  it("is left out along the axis of its length, and outputs without one are judged whole", async () => {
    const says = (d: number[]) => judgeOf(d, new Array<number>(d.reduce((a, b) => a * b, 1)).fill(1), { masks }).masked;
    expect(says([2, 4, 3, 3])).toEqual([{ input: "attention_mask", outputs: ["y"], leftOut: 3, of: 6 }]);
    expect(says([2, 4])).toEqual([]);
    expect(says([1, 3])).toEqual([]);
  });

  it("leaves classes out of a decision over positions", async () => {
    const spans = await judged([1, 2, 9, 1, 9, 9], [1, 2, 0, 1, 0, 0], { masks, scores: new Set(["y"]) }, [2, 3]);
    expect(spans.error).toBe(0);
    expect(spans.figures?.y?.classes).toMatchObject({ rows: 1, top1Agreement: 1, klDivergence: 0 });
  });
});

describe("a metric of the user's own", () => {
  it("is what the tolerance judges; relative L2 stays beside it", async () => {
    const found = await judged([1, 1], [1, 1.5], { metric: (r, c) => 10 * Math.abs((r.y?.data[1] ?? 0) - (c.y?.data[1] ?? 0)) });
    expect([found.error, found.metric]).toEqual([5, 5]);
    expect(found.perOutput[0]).toBeCloseTo(0.5 / Math.SQRT2, 12);
  });

  it("cannot pass a NaN, of its own or of an output", async () => {
    expect((await judged([1], [1], { metric: () => Number.NaN })).error).toBe(Number.POSITIVE_INFINITY);
    const found = await judged([1], [Number.NaN], { metric: () => 0 });
    expect([found.error, found.metric]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  });
});
