import { type BenchComparison, EngineError, type FeedValue, isTensorValue, type TensorValue } from "@halfscope/core";
import { type FeedInput, type IoInfo, tensorOf } from "@halfscope/engine";
import { describe, expect, it } from "vitest";
import { type FakeModel, fakeBackend, plainCompare } from "../../../../test/support/fake-backend.js";
import { compareBatches, comparisonCalls } from "./compare-batches.js";
import { judgeBench } from "./judge-bench.js";
import { findPadding, type PaddingAxes } from "./padding.js";
import type { Request } from "./requests.js";
import { serve } from "./serve.js";

const width = 3;
const floats = (t: FeedValue | undefined): Float32Array =>
  t !== undefined && isTensorValue(t) ? new Float32Array(t.data.slice().buffer) : new Float32Array();
const dimsOf = (t: FeedValue | undefined): readonly number[] => (t !== undefined && isTensorValue(t) ? t.dims : []);
const tensor = (dims: readonly number[], values: ArrayLike<number>): TensorValue => tensorOf("float32", dims, values);

/** x [batch, 3] and a scale that all share. */
const inputs: IoInfo[] = [
  { name: "x", dtype: "float32", dims: ["batch", width] },
  { name: "scale", dtype: "float32", dims: [] },
];
const requests = (count: number, of: (i: number) => number = (i) => i + 1): [Request, ...Request[]] =>
  Array.from(
    { length: count },
    (_, i) =>
      new Map<string, FeedValue>([
        ["x", tensor([1, width], [of(i), 2 * of(i), -of(i)])],
        ["scale", tensor([], [2])],
      ]),
  ) as unknown as [Request, ...Request[]];

/** y = scale * x, changed by `change(value, row, rows, x)`. */
const model =
  (change: (y: number, at: { row: number; rows: number; x: Float32Array; label: string }) => number = (y) => y): FakeModel =>
  (feed, { label }) => {
    const x = floats(feed.get("x"));
    const scale = floats(feed.get("scale"))[0] ?? 0;
    const rows = x.length / width;
    const y = Array.from(x, (v, i) => change(v * scale, { row: Math.floor(i / width), rows, x, label }));
    return new Map([["y", tensor([rows, width], y)]]);
  };

interface Setup {
  of?: [Request, ...Request[]];
  batches?: number[];
  candidate?: boolean;
  outputs?: string[];
}
async function compared(fake: FakeModel, { of = requests(4), batches = [1, 2, 4], candidate = false, outputs = ["y"] }: Setup = {}) {
  const backend = fakeBackend({ inputs, outputs: [], model: fake });
  const reference = serve(await backend.build({ label: "reference", path: "", precision: { kind: "full" } }), outputs);
  const served = candidate
    ? serve(await backend.build({ label: "candidate", path: "", precision: { kind: "typed" } }), outputs)
    : reference;
  const options = {
    reference,
    candidate: served,
    shape: "s",
    requests: of,
    batches,
    axes: new Map([["x", 0]]),
    outputs,
    padding: { reason: "no mask" },
  };
  let ran = 0;
  const comparisons = await compareBatches({ ...options, compare: plainCompare, ran: () => ran++ });
  return { comparisons, verdict: judgeBench(comparisons, 1e-2), ran, calls: comparisonCalls({ ...options, alone: !candidate }), backend };
}
const ofBatch = (all: readonly BenchComparison[], batch: number): BenchComparison => {
  const found = all.find((c) => c.batch === batch);
  if (found === undefined) throw new Error(`no batch ${batch}`);
  return found;
};

describe("batches against single requests", () => {
  it("of a model that treats rows alike are the same to the bit", async () => {
    const { comparisons, verdict, ran, calls } = await compared(model());
    for (const c of comparisons) {
      expect(c.single).toMatchObject({ bitIdentical: true, maxAbs: 0, relativeL2: 0, requests: 4, notFinite: 0 });
      expect(c.reference).toMatchObject({ bitIdentical: true });
    }
    expect(verdict).toMatchObject({ outcome: "within", error: 0, mixes: false, batched: { bitIdentical: true } });
    expect(ran).toBe(calls);
  });

  it("find a model that works across the batch, and say that requests mix", async () => {
    const centred = model((y, { x, rows }) => y - x.reduce((a, b) => a + b, 0) / rows);
    const { comparisons, verdict } = await compared(centred);
    expect(ofBatch(comparisons, 1).single?.bitIdentical).toBe(true);
    expect(ofBatch(comparisons, 4).single).toMatchObject({ bitIdentical: false });
    expect(ofBatch(comparisons, 4).neighbours).toMatchObject({ bitIdentical: false });
    expect(verdict).toMatchObject({ outcome: "not-within", mixes: true });
  });

  it("tell kernels that round otherwise for larger batches from requests that mix", async () => {
    const { comparisons, verdict } = await compared(model((y, { rows }) => y * (1 + rows * 1e-6)));
    expect(ofBatch(comparisons, 4).single).toMatchObject({ bitIdentical: false, worst: { output: "y" } });
    expect(ofBatch(comparisons, 4).single?.relativeL2).toBeCloseTo(3e-6, 6);
    expect(ofBatch(comparisons, 4).neighbours?.bitIdentical).toBe(true);
    expect(verdict).toMatchObject({ outcome: "within", mixes: false, batched: { bitIdentical: false } });
  });

  it("of equal requests differ by nothing", async () => {
    const { comparisons } = await compared(model(), { of: requests(4, () => 7) });
    expect(comparisons.every((c) => c.single?.bitIdentical && c.single.maxAbs === 0)).toBe(true);
  });

  it("name the worst request and its largest and mean difference", async () => {
    // The third place of a batch of four is one too large.
    const { comparisons, verdict } = await compared(model((y, { row, rows }) => (rows === 4 && row === 2 ? y + 1 : y)));
    expect(ofBatch(comparisons, 4).single).toMatchObject({ maxAbs: 1, meanAbs: 0.25, worst: { request: 2, output: "y" }, requests: 4 });
    expect(ofBatch(comparisons, 2).single?.bitIdentical).toBe(true);
    expect(verdict.worst).toEqual({ shape: "s", batch: 4, request: 2, output: "y" });
  });

  it("go round where the last batch is not full", async () => {
    const { comparisons } = await compared(
      model((y, { row, rows }) => (rows === 3 && row === 1 ? y + 1 : y)),
      { batches: [3] },
    );
    // Requests 0 1 2 and 3 0 1: the second place holds 1, then 0.
    expect(ofBatch(comparisons, 3).single).toMatchObject({ requests: 6, worst: { request: 0 } });
  });

  it("never pass with a NaN, wherever it is", async () => {
    const inBatches = await compared(model((y, { rows }) => (rows > 1 ? Number.NaN : y)));
    expect(inBatches.verdict).toMatchObject({ outcome: "not-finite", error: Number.POSITIVE_INFINITY });
    expect(ofBatch(inBatches.comparisons, 2).single).toMatchObject({ notFinite: 12, relativeL2: Number.POSITIVE_INFINITY });
    const everywhere = await compared(model(() => Number.NaN));
    expect(everywhere.verdict.outcome).toBe("not-finite");
    expect(ofBatch(everywhere.comparisons, 1).single).toMatchObject({ notFinite: 12 });
  });

  it("hold the candidate against the reference sent singly", async () => {
    const { comparisons, verdict, ran, calls } = await compared(
      model((y, { label, rows }) => (label === "candidate" ? y * (1.005 + rows * 1e-4) : y)),
      { candidate: true },
    );
    expect(ofBatch(comparisons, 1).reference?.relativeL2).toBeCloseTo(0.0051, 6);
    expect(ofBatch(comparisons, 4).reference?.relativeL2).toBeCloseTo(0.0054, 6);
    expect(ofBatch(comparisons, 4).single?.relativeL2).toBeCloseTo(3e-4, 5);
    expect(verdict.outcome).toBe("within");
    expect(judgeBench(comparisons, 5e-3).outcome).toBe("not-within");
    expect(ran).toBe(calls);
  });

  it("share outputs out along any axis, and say which they cannot", async () => {
    const fake: FakeModel = (feed) => {
      const x = floats(feed.get("x"));
      const rows = x.length / width;
      return new Map([
        [
          "turned",
          tensor(
            [width, rows],
            Array.from(x, (_, i) => x[(i % rows) * width + Math.floor(i / rows)] ?? 0),
          ),
        ],
        ["loss", tensor([], [x.reduce((a, b) => a + b, 0)])],
        [
          "class",
          tensorOf(
            "int64",
            [rows],
            Array.from({ length: rows }, (_, r) => (rows === 4 && r === 3 ? 1 : 0)),
          ),
        ],
      ]);
    };
    const { comparisons } = await compared(fake, { outputs: ["turned", "loss", "class"], batches: [1, 4] });
    const { single } = ofBatch(comparisons, 4);
    expect(single?.outputs.turned?.count).toBe(12);
    expect(single).toMatchObject({ maxAbs: 0, bitIdentical: false, decisions: { class: { count: 4, differing: 1 } } });
    expect(single?.notCompared).toEqual([{ output: "loss", reason: expect.stringContaining("does not grow with the batch") }]);
  });

  it("are refused where no profile serves them, and the others are measured", async () => {
    const backend = fakeBackend({ inputs, outputs: [], model: model(), capabilities: { profiles: true } });
    const range = { min: [1, width], opt: [2, width], max: [2, width] };
    const engine = serve(await backend.build({ label: "r", path: "", precision: { kind: "full" }, profiles: [{ inputs: { x: range } }] }), [
      "y",
    ]);
    const comparisons = await compareBatches({
      ...{ reference: engine, candidate: engine, shape: "s", requests: requests(4), batches: [1, 2, 4], axes: new Map([["x", 0]]) },
      ...{ outputs: ["y"], padding: { reason: "" }, compare: plainCompare },
    });
    expect(comparisons.map((c) => c.refusal?.code)).toEqual([undefined, undefined, "ERR_PROFILE"]);
    expect(comparisons[2]?.refusal?.reason).toMatch(/"x", dimension 0 \(batch\), is 4, served are 1 to 2/);
    expect(comparisons[1]?.single?.bitIdentical).toBe(true);
  });

  it("are held against batches of the reference where single requests are not served, and against nothing without one", async () => {
    const backend = fakeBackend({ inputs, outputs: [], model: model(), capabilities: { profiles: true } });
    const range = { min: [2, width], opt: [2, width], max: [4, width] };
    const engine = serve(await backend.build({ label: "r", path: "", precision: { kind: "full" }, profiles: [{ inputs: { x: range } }] }), [
      "y",
    ]);
    const [one, two] = await compareBatches({
      ...{ reference: engine, candidate: engine, shape: "s", requests: requests(4), batches: [1, 2], axes: new Map([["x", 0]]) },
      ...{ outputs: ["y"], padding: { reason: "" }, compare: plainCompare },
    });
    expect(one?.refusal?.code).toBe("ERR_PROFILE");
    expect(two).toEqual({ shape: "s", batch: 2 });
    const other = serve(await backend.build({ label: "c", path: "", precision: { kind: "typed" }, profiles: [{ inputs: { x: range } }] }), [
      "y",
    ]);
    const [, both] = await compareBatches({
      ...{ reference: engine, candidate: other, shape: "s", requests: requests(4), batches: [1, 2], axes: new Map([["x", 0]]) },
      ...{ outputs: ["y"], padding: { reason: "" }, compare: plainCompare },
    });
    expect(both).toMatchObject({ reference: { bitIdentical: true, requests: 2 } });
    expect(both?.single).toBeUndefined();
  });

  it("that fail are refused with their reason, single ones too, and the others are measured", async () => {
    const failing =
      (rows: number): FakeModel =>
      (feed, at) => {
        if (dimsOf(feed.get("x"))[0] === rows) throw new EngineError("ERR_ENGINE_RUN", `Running failed: no place for ${rows}\n\ufffd`);
        return model()(feed, at);
      };
    const two = await compared(failing(2));
    expect(two.comparisons.map((c) => c.refusal?.kind)).toEqual([undefined, "failed", undefined]);
    expect(two.comparisons[1]?.refusal?.reason).toBe("Running failed: no place for 2.");
    const one = await compared(failing(1));
    expect(one.comparisons.map((c) => c.refusal?.kind)).toEqual(["failed", undefined, undefined]);
    // Batches were served and have nothing to be held against: that is no answer.
    expect(one.verdict.outcome).toBe("not-judged");
  });

  it("of a candidate whose reference fails are held against single ones, and the reference's reason is told", async () => {
    const fake: FakeModel = (feed, at) => {
      if (at.label === "reference") throw new EngineError("ERR_ENGINE_RUN", "out of memory");
      return model()(feed, at);
    };
    const { comparisons, verdict } = await compared(fake, { candidate: true });
    for (const c of comparisons) {
      expect(c).toMatchObject({ single: { bitIdentical: true }, referenceRefusal: { kind: "failed", reason: "out of memory." } });
      expect(c.reference).toBeUndefined();
    }
    expect(verdict.outcome).toBe("not-judged");
  });

  it("without a reference are held against single ones alone, and no call is made for it", async () => {
    const backend = fakeBackend({ inputs, outputs: [], model: model((y, { rows }) => y * (1 + rows * 1e-6)) });
    const candidate = serve(await backend.build({ label: "candidate", path: "", precision: { kind: "typed" } }), ["y"]);
    const options = { requests: requests(4), batches: [1, 4], padding: { reason: "" } };
    const comparisons = await compareBatches({
      ...{ ...options, reference: undefined, candidate, shape: "s", axes: new Map([["x", 0]]), outputs: ["y"], compare: plainCompare },
    });
    expect(comparisons.map((c) => c.reference)).toEqual([undefined, undefined]);
    expect(comparisons[1]?.single?.relativeL2).toBeCloseTo(3e-6, 6);
    expect(backend.log.runs).toBe(comparisonCalls({ ...options, alone: true }));
  });

  it("are told of as they are finished, so that a stop loses only the one under way", async () => {
    const controller = new AbortController();
    const found: number[] = [];
    const backend = fakeBackend({ inputs, outputs: [], model: model() });
    const engine = serve(await backend.build({ label: "r", path: "", precision: { kind: "full" } }), ["y"]);
    const work = compareBatches({
      ...{ reference: engine, candidate: engine, shape: "s", requests: requests(4), batches: [1, 2, 4], axes: new Map([["x", 0]]) },
      ...{ outputs: ["y"], padding: { reason: "" }, compare: plainCompare, signal: controller.signal },
      found: (c) => {
        found.push(c.batch);
        if (c.batch === 2) controller.abort();
      },
    });
    await expect(work).rejects.toThrow();
    expect(found).toEqual([1, 2]);
  });

  it("and single ones that are sent at once are seen to disturb each other", async () => {
    // An engine that keeps its input in one place, as one that is not safe in several threads does.
    let kept: Request | undefined;
    const backend = fakeBackend({ inputs, outputs: [], model: model() });
    const built = await backend.build({ label: "r", path: "", precision: { kind: "full" } });
    const unsafe: typeof built = {
      ...built,
      [Symbol.asyncDispose]: built[Symbol.asyncDispose],
      run: async (feed, o) => {
        kept = feed.tensors;
        await Promise.resolve();
        return built.run({ tensors: new Map(kept) }, o);
      },
    };
    const of = async (engine: typeof built) => {
      const served = serve(engine, ["y"]);
      const options = { ...{ reference: served, candidate: served, shape: "s", requests: requests(4), batches: [1] }, atOnce: 3 };
      let ran = 0;
      const comparisons = await compareBatches({
        ...{ ...options, axes: new Map([["x", 0]]), outputs: ["y"], padding: { reason: "" }, compare: plainCompare },
        ran: () => ran++,
      });
      expect(ran).toBe(comparisonCalls({ ...options, padding: { reason: "" }, alone: true }));
      return comparisons[0];
    };
    expect(await of(unsafe)).toMatchObject({ single: { bitIdentical: true }, atOnce: { bitIdentical: false, requests: 4 } });
    expect(await of(built)).toMatchObject({ atOnce: { bitIdentical: true, requests: 4 } });
  });

  it("do not start when a signal has stopped them", async () => {
    const backend = fakeBackend({ inputs, outputs: [], model: model() });
    const engine = serve(await backend.build({ label: "r", path: "", precision: { kind: "full" } }), ["y"]);
    const work = compareBatches({
      ...{ reference: engine, candidate: engine, shape: "s", requests: requests(4), batches: [2], axes: new Map([["x", 0]]) },
      ...{ outputs: ["y"], padding: { reason: "" }, compare: plainCompare, signal: AbortSignal.abort() },
    });
    await expect(work).rejects.toThrow();
    expect(backend.log.runs).toBe(0);
  });
});

describe("requests of different lengths in one batch", () => {
  const signature: FeedInput[] = [
    { name: "ids", dtype: "int64", dims: [open("batch"), open("seq")] },
    { name: "attention_mask", dtype: "int64", dims: [open("batch"), open("seq")] },
  ];
  function open(symbol: string) {
    return { size: undefined, symbol };
  }
  const axes = new Map([
    ["ids", 0],
    ["attention_mask", 0],
  ]);
  const padding = findPadding(signature, axes) as PaddingAxes;
  const length = 8;
  const texts = Array.from(
    { length: 4 },
    (_, i) =>
      new Map<string, FeedValue>([
        [
          "ids",
          tensorOf(
            "int64",
            [1, length],
            Array.from({ length }, (_, k) => i + k + 1),
          ),
        ],
        ["attention_mask", tensorOf("int64", [1, length], new Array(length).fill(1))],
      ]),
  ) as unknown as [Request, ...Request[]];

  /** Mean of the ids, of those that the mask keeps or of all; and the ids themselves. */
  const means =
    (masked: boolean): FakeModel =>
    (feed) => {
      const [rows = 1, columns = 1] = dimsOf(feed.get("ids"));
      const numbers = (name: string) => {
        const t = feed.get(name);
        return t !== undefined && isTensorValue(t) ? [...new BigInt64Array(t.data.slice().buffer)].map(Number) : [];
      };
      const [ids, mask] = [numbers("ids"), numbers("attention_mask")];
      const mean = Array.from({ length: rows }, (_, r) => {
        const at = Array.from({ length: columns }, (_, c) => r * columns + c).filter((i) => !masked || mask[i] === 1);
        return at.reduce((sum, i) => sum + (ids[i] ?? 0), 0) / at.length;
      });
      return new Map([
        ["mean", tensor([rows], mean)],
        ["all", tensor([rows, columns], ids)],
      ]);
    };
  const paddedOf = async (masked: boolean) => {
    const backend = fakeBackend({ inputs: signature.map((i) => ({ ...i, dims: ["batch", "seq"] })), outputs: [], model: means(masked) });
    const engine = serve(await backend.build({ label: "r", path: "", precision: { kind: "full" } }), ["mean", "all"]);
    const [comparison] = await compareBatches({
      ...{ reference: engine, candidate: engine, shape: "s", requests: texts, batches: [4], axes, outputs: ["mean", "all"], padding },
      compare: plainCompare,
    });
    return comparison?.padded;
  };

  it("do not touch each other where the mask is obeyed", async () => {
    const padded = await paddedOf(true);
    expect(padded).toMatchObject({
      mask: "attention_mask",
      lengths: [8, 6, 4, 2],
      batched: { bitIdentical: true },
      alone: { bitIdentical: true },
    });
    // Positions behind a request's end are not its own.
    expect(padded?.batched.outputs.all?.count).toBe(8 + 6 + 4 + 2);
  });

  it("do where it is not, and the padding does so alone too", async () => {
    const padded = await paddedOf(false);
    expect(padded?.batched).toMatchObject({ bitIdentical: false, worst: { request: 3, output: "mean" } });
    expect(padded?.alone.relativeL2).toBe(padded?.batched.relativeL2);
    expect(padded?.batched.outputs.all?.maxAbs).toBe(0);
  });
});
