import { type BenchDocument, type DType, isTensorValue } from "@halfscope/core";
import type { DeviceBackend } from "@halfscope/engine";
import { describe, expect, it } from "vitest";
import { benchModels } from "../../../../test/support/bench-models.js";
import { type FakeBackendOptions, fakeBackend, plainCompare } from "../../../../test/support/fake-backend.js";
import { temporaryFolder, writeModel } from "../../../../test/support/model-file.js";
import { type BenchOptions, benchStep } from "./bench.js";

const folder = temporaryFolder();
const path = writeModel(folder, benchModels.rows);
const io = [{ name: "x", dtype: "float32" as DType, dims: ["batch", 4] }];

/** Gives its input back; a call takes a millisecond and half of one for each request. */
const fake = (o: Partial<FakeBackendOptions> = {}) =>
  fakeBackend({
    inputs: io,
    outputs: io,
    model: (feed) => new Map([...feed.values()].flatMap((x) => (isTensorValue(x) ? [["y", x] as const] : []))),
    milliseconds: (feed) => {
      const x = feed.get("x");
      return 1 + 0.5 * (x !== undefined && isTensorValue(x) ? (x.dims[0] ?? 0) : 0);
    },
    ...o,
  });
const run = (backend: DeviceBackend, o: Partial<BenchOptions> = {}): Promise<BenchDocument> =>
  benchStep(path, {
    ...{
      engine: "ort-cpu",
      sizes: { dims: {}, shapes: {} },
      contexts: [1],
      rounds: 2,
      requests: 10,
      warmup: 1,
      maxSeconds: 1,
      tolerance: 1e-2,
      seed: 1,
    },
    compare: plainCompare,
    open: async () => backend,
    ...o,
  });

describe("a benchmark", () => {
  it("gives times, throughput and no difference for an engine that treats all alike", async () => {
    const backend = fake();
    const d = await run(backend, { contexts: [1, 2] });
    expect(d.options.batches).toEqual([1, 2, 4, 8]);
    expect(d.points.map((p) => [p.batch, p.contexts, p.latency?.p50, p.throughput])).toEqual(
      [1, 2, 4, 8].flatMap((b) => [1, 2].map((c) => [b, c, 1 + 0.5 * b, expect.closeTo((1000 * b * c) / (1 + 0.5 * b), 6)])),
    );
    expect(d.verdict).toMatchObject({ outcome: "within", error: 0, batched: { bitIdentical: true } });
    expect(d.engines).toMatchObject([{ role: "reference", typing: "full", buildSeconds: 1 }]);
    expect(backend.log.disposed).toEqual(["the reference", "backend"]);
  });

  it("times the reference beside a candidate, and disposes of both", async () => {
    const backend = fake();
    const d = await run(backend, { candidate: { kind: "file", path }, batches: [2], contexts: [2, 1] });
    expect(d.points.map((p) => [p.role, p.contexts])).toEqual([
      ["candidate", 2],
      ["candidate", 1],
      ["reference", 2],
    ]);
    expect(backend.log.built.map((b) => b.precision.kind)).toEqual(["full", "typed"]);
    expect(backend.log.built.every((b) => b.options?.tf32 === false)).toBe(true);
    expect(backend.log.disposed).toEqual(["the candidate", "the reference", "backend"]);
  });

  it("makes one profile that serves every call where none is given", async () => {
    const backend = fake({ capabilities: { profiles: true } });
    const d = await run(backend, { batches: [1, 4] });
    expect(backend.log.built[0]?.profiles).toEqual([{ inputs: { x: { min: [1, 4], opt: [4, 4], max: [4, 4] } } }]);
    expect(d.options.profiles).toEqual(["x=1x4:4x4:4x4"]);
    expect(d.points.every((p) => p.refusal === undefined)).toBe(true);
  });

  it("shows batches outside every profile as refused", async () => {
    const profiles = [{ inputs: { x: { min: [1, 4], opt: [2, 4], max: [2, 4] } } }];
    const d = await run(fake({ capabilities: { profiles: true } }), { profiles, batches: [1, 2, 8] });
    expect(d.points.map((p) => p.refusal?.code)).toEqual([undefined, undefined, "ERR_PROFILE"]);
    expect(d.comparisons[2]?.refusal?.reason).toMatch(/is 8, served are 1 to 2/);
    expect(d.verdict.outcome).toBe("within");
  });

  it("disposes of everything when it fails", async () => {
    const backend = fake({
      model: () => {
        throw new Error("broken");
      },
    });
    await expect(run(backend)).rejects.toThrow("broken");
    expect(backend.log.disposed).toEqual(["the reference", "backend"]);
  });

  it("gives the same document twice but for what the machine was doing", async () => {
    const [a, b] = [await run(fake()), await run(fake())];
    const still = (d: BenchDocument) => ({ ...d, machine: undefined, warnings: undefined });
    expect(still(a)).toEqual(still(b));
  });

  it("pins nodes by name on a weakly typed network", async () => {
    const backend = fake({ capabilities: { typings: ["weak"] } });
    await expect(run(backend, { candidate: { kind: "file", path } })).rejects.toThrow(/states its types itself/);
    const d = await run(fake({ capabilities: { typings: ["weak"] } }), { candidate: { kind: "half", half: "float16" }, batches: [1] });
    expect(d.engines[1]).toMatchObject({ typing: "weak", half: "float16", pins: [], path });
  });
});
