import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BenchDocument, type DType, EngineError, isTensorValue, silentProgress } from "@halfscope/core";
import type { DeviceBackend } from "@halfscope/engine";
import { listLayers, readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import { allHalf, formatOverrides, overridesFromPlan, withPins } from "@halfscope/precision";
import { describe, expect, it } from "vitest";
import { benchModels } from "../../../../test/support/bench-models.js";
import { type FakeBackendOptions, fakeBackend, plainCompare } from "../../../../test/support/fake-backend.js";
import { floats, node, temporaryFolder, writeModel } from "../../../../test/support/model-file.js";
import { type BenchOptions, benchStep } from "./bench.js";
import { benchExitCode } from "./bench-outcome.js";

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
const options = {
  engine: "ort-cpu" as const,
  sizes: { dims: {}, shapes: {} },
  contexts: [1],
  rounds: 2,
  requests: 10,
  warmup: 1,
  maxSeconds: 1,
  tolerance: 1e-2,
  seed: 1,
  compare: plainCompare,
};
const run = (backend: DeviceBackend, o: Partial<BenchOptions> = {}): Promise<BenchDocument> =>
  benchStep(path, { ...options, open: async () => backend, ...o });

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

  it("judges nothing against FP32 where FP16 is served that is none, but batching", async () => {
    // Off by ten percent in "FP16", and by a little more in batches: the first says nothing there, the second does.
    const model: FakeBackendOptions["model"] = (feed, { label }) =>
      new Map(
        [...feed.values()].flatMap((x) => {
          if (!isTensorValue(x)) return [];
          const factor = label === "the candidate" ? 1.1 + 1e-3 * ((x.dims[0] ?? 1) - 1) : 1;
          const values = Float32Array.from(new Float32Array(x.data.slice().buffer), (v) => v * factor);
          return [["y", { ...x, data: new Uint8Array(values.buffer) }] as const];
        }),
      );
    const half = { candidate: { kind: "half", half: "float16" }, batches: [1, 2] } as const;
    const real = await run(fake({ model }), half);
    expect(real.verdict).toMatchObject({ outcome: "not-within", against: "reference" });
    expect(real.verdict.notRealHalf).toBeUndefined();
    const backend = fake({ model, capabilities: { realHalf: false } });
    const d = await run(backend, half);
    expect(d.verdict).toMatchObject({ outcome: "within", against: "single", error: expect.closeTo(1e-3 / 1.1, 6) });
    expect(d.verdict.notRealHalf).toMatch(/fake library 1\.0 computes FP16 operators in FP32/);
    expect(d.comparisons.map((c) => c.reference)).toEqual([undefined, undefined]);
    expect(d.points.map((p) => p.role)).toEqual(["candidate", "reference", "candidate", "reference"]);
    const strict = await run(fake({ model, capabilities: { realHalf: false } }), { ...half, tolerance: 1e-4 });
    expect(strict.verdict.outcome).toBe("not-within");
    // A candidate in FP32 is what it is on any engine.
    const plain = await run(fake({ model, capabilities: { realHalf: false } }), { ...half, candidate: { kind: "file", path } });
    expect(plain.verdict).toMatchObject({ outcome: "not-within", against: "reference" });
    expect(plain.verdict.notRealHalf).toBeUndefined();
  });

  it("measures the other shapes and batches when one fails", async () => {
    const images = writeModel(folder, benchModels.images);
    const backend = fakeBackend({
      inputs: [{ name: "images", dtype: "float32", dims: ["batch", 3, "height", "width"] }],
      outputs: [],
      model: (feed) => {
        const x = feed.get("images");
        if (x !== undefined && isTensorValue(x) && x.dims[2] === 9) throw new EngineError("ERR_ENGINE_RUN", "No kernel.");
        return new Map(x !== undefined && isTensorValue(x) ? [["maps", x]] : []);
      },
    });
    const sizes = {
      dims: {},
      shapes: {
        images: [
          [1, 3, 9, 8],
          [1, 3, 8, 8],
        ],
      },
    };
    const d = await benchStep(images, { ...options, sizes, batches: [1, 2], open: async () => backend });
    expect(d.comparisons.map((c) => [c.shape, c.batch, c.refusal?.kind])).toEqual([
      ["height=9, width=8", 1, "failed"],
      ["height=9, width=8", 2, "failed"],
      ["height=8, width=8", 1, undefined],
      ["height=8, width=8", 2, undefined],
    ]);
    expect(d.points.map((p) => p.latency !== undefined)).toEqual([false, false, true, true]);
    expect(d.points[0]?.refusal?.reason).toBe("No kernel.");
    expect(d.notes.join(" ")).not.toMatch(/--batch-axis/);
    expect(benchExitCode(d)).toBe(4);
  });

  it.each(["tensorrt", "ort-tensorrt"] as const)("holds profiles against the model before %s is looked for", async (engine) => {
    let opened = 0;
    const open = async () => {
      opened++;
      return fake({ capabilities: { profiles: true } });
    };
    const wrong = [
      [{ x: { min: [4, 4], opt: [2, 4], max: [8, 4] } }, /expected min <= opt <= max/],
      [{ z: { min: [1, 4], opt: [2, 4], max: [8, 4] } }, /no input of the model/],
    ] as const;
    for (const [inputs, words] of wrong)
      await expect(run(fake(), { engine, open, profiles: [{ inputs }] })).rejects.toMatchObject({
        ...{ code: "ERR_PROFILE", exitCode: 2, message: expect.stringMatching(words) },
      });
    expect(opened).toBe(0);
    await run(fake(), { engine, open, batches: [1] });
    expect(opened).toBe(1);
  });

  it("keeps what was finished when it is stopped, marked so", async () => {
    const controller = new AbortController();
    const backend = fake({
      milliseconds: (_, { call }) => {
        if (call === 60) controller.abort();
        return 1;
      },
    });
    const d = await run(backend, { signal: controller.signal, requests: 40, rounds: 4, maxSeconds: 60 });
    expect(d.stopped).toEqual({ comparisons: [4, 4], points: [4, 4], rounds: [1, 4] });
    expect(d.points.every((p) => p.latency !== undefined)).toBe(true);
    expect(backend.log.disposed).toEqual(["the reference", "backend"]);
  });

  it("says of what it did not come to that it was stopped, and throws where nothing was finished", async () => {
    const stopAt = (run: number, controller: AbortController) => {
      let runs = 0;
      return fake({
        model: (feed) => {
          if (++runs === run) controller.abort();
          return new Map([...feed.values()].flatMap((x) => (isTensorValue(x) ? [["y", x] as const] : [])));
        },
      });
    };
    const late = new AbortController();
    const d = await run(stopAt(20, late), { signal: late.signal });
    expect(d.stopped?.comparisons).toEqual([1, 4]);
    expect(d.stopped?.rounds).toEqual([0, 2]);
    expect(d.comparisons.map((c) => c.refusal?.kind)).toEqual([undefined, "stopped", "stopped", "stopped"]);
    expect(new Set(d.points.map((p) => p.refusal?.kind))).toEqual(new Set(["stopped"]));
    const early = new AbortController();
    await expect(run(stopAt(2, early), { signal: early.signal })).rejects.toThrow();
  });

  it("marks nothing as stopped that was not", async () => {
    const d = await run(fake(), { signal: new AbortController().signal, batches: [1] });
    expect(d.stopped).toBeUndefined();
  });

  it("reads a GPU's clocks around the timed rounds, and says why where there are none", async () => {
    const cuda = () => fake({ name: "ort-cuda" });
    let readings = 0;
    const readClocks = async () => ({ smMHz: 1980 - 15 * readings++, memoryMHz: 2619, throttle: [] });
    const d = await run(cuda(), { batches: [1], readClocks });
    expect(d.clocks).toEqual({
      before: { smMHz: 1980, memoryMHz: 2619, throttle: [] },
      after: { smMHz: 1965, memoryMHz: 2619, throttle: [] },
    });
    expect((await run(cuda(), { batches: [1], readClocks: async () => undefined })).clocks?.reason).toMatch(/no NVML/);
    const fails = async () => {
      throw new EngineError("ERR_ENGINE_RUN", "The driver is gone.");
    };
    expect((await run(cuda(), { batches: [1], readClocks: fails })).clocks).toEqual({ reason: "The driver is gone" });
    expect((await run(fake(), { batches: [1], readClocks })).clocks).toEqual({ reason: "no GPU serves here" });
    const held = await run(cuda(), { batches: [1], readClocks: async () => ({ smMHz: 900, memoryMHz: 2619, throttle: ["heat", "idle"] }) });
    expect(held.warnings.join(" ")).toMatch(/held back by heat:/);
  });

  it("tells what the command line has to say, and what engines were built with", async () => {
    const d = await run(fake(), {
      ...{ batches: [1], warnings: ["--workspace does nothing."] },
      build: { workspaceBytes: 2 ** 30, timingCache: "t.cache", providerOptions: { "session.x": "1" } },
    });
    expect(d.warnings).toContain("--workspace does nothing.");
    expect(d.options.build).toEqual({ workspaceBytes: 2 ** 30, "session.x": "1" });
  });

  it("pins the nodes that a weakly typed network knows, unnamed ones by the parser's name, and has the builder obey", async () => {
    const nameless = writeModel(folder, {
      ...benchModels.rows,
      nodes: [
        { ...node("Constant", [], ["c"], { value: { tensor: floats("", [4], [1, 2, 3, 4]) } }), name: "a constant" },
        { ...node("MatMul", ["x", "w"], ["m"]), name: "" },
        node("Add", ["m", "c"], ["a"]),
        node("Tanh", ["a"], ["y"]),
      ],
    });
    const model = unfoldModel(await readModel(nameless));
    const layers = listLayers(model, viewGraph(model.graph));
    const overrides = join(folder, "overrides.json");
    const pins = layers.map((l) => l.id);
    writeFileSync(overrides, formatOverrides(overridesFromPlan(withPins(allHalf(model.digest, "finite"), pins))));
    const backend = fake({ capabilities: { typings: ["weak"] } });
    await benchStep(nameless, { ...options, candidate: { kind: "overrides", path: overrides }, batches: [1], open: async () => backend });
    const { precision } = backend.log.built[1] ?? {};
    expect(precision).toMatchObject({ kind: "weak", constraints: "obey" });
    const names = precision?.kind === "weak" ? precision.pins.map((p) => p.node) : [];
    expect(names).toEqual(["node_of_m", "node of a", "node of y"]);
  });

  it.each(["weak", "typed"] as const)("serves overrides with FP32 as their default in FP32 where engines are %s", async (typing) => {
    const model = unfoldModel(await readModel(path));
    const overrides = join(folder, `full-${typing}.json`);
    const plan = { ...allHalf(model.digest, "overflow"), defaultPrecision: "float32" } as const;
    writeFileSync(overrides, formatOverrides(overridesFromPlan(plan)));
    const backend = fake({ capabilities: { typings: [typing] } });
    const notes: string[] = [];
    const progress = { ...silentProgress, note: (text: string) => void notes.push(text) };
    const d = await run(backend, { candidate: { kind: "overrides", path: overrides }, batches: [1], progress });
    const layers = listLayers(model, viewGraph(model.graph)).map((l) => l.id);
    expect(d.engines[1]).toMatchObject({ title: "every layer in FP32", pins: layers });
    expect(d.engines[1]?.half).toBeUndefined();
    const { precision } = backend.log.built[1] ?? {};
    const nodes = model.graph.nodes.map((n) => ({ node: n.name, precision: "float32" }));
    expect(precision).toMatchObject(typing === "weak" ? { kind: "weak", constraints: "obey", pins: nodes } : { kind: "typed" });
    expect(notes.join().includes('"constants": "overflow"')).toBe(typing === "weak");
  });

  it("pins nodes by name on a weakly typed network", async () => {
    const backend = fake({ capabilities: { typings: ["weak"] } });
    await expect(run(backend, { candidate: { kind: "file", path } })).rejects.toThrow(/states its types itself/);
    const d = await run(fake({ capabilities: { typings: ["weak"] } }), { candidate: { kind: "half", half: "float16" }, batches: [1] });
    expect(d.engines[1]).toMatchObject({ typing: "weak", half: "float16", pins: [], path });
  });
});
