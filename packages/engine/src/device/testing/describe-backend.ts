import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BackendName, isExact, meanAbs, type TensorValue } from "@halfscope/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { plainStats } from "../../testing/plain-stats.js";
import type { DeviceBackend, DeviceBuildRequest, OptimizationProfile } from "../backend.js";
import { exampleFeed, exampleModel, numbersOf, plainExample, slowFeed, slowModel } from "./example-models.js";

const profiles: readonly OptimizationProfile[] = [{ inputs: { x: { min: [1, 16], opt: [4, 16], max: [64, 16] } } }];
const within = (found: Float32Array, expected: Float32Array, tolerance: number) => {
  expect(found.length).toBe(expected.length);
  found.forEach((value, i) => {
    expect(Math.abs(value - (expected[i] ?? Number.NaN))).toBeLessThanOrEqual(tolerance);
  });
};

/**
 * What every backend keeps to, as tests: call it in a test file of the backend, on a machine that has one. `open` opens a backend of its own for the tests.
 * The models are built with the profile that every backend needs for their open batch; backends without profiles ignore it.
 */
export function describeBackend(name: BackendName, open: () => Promise<DeviceBackend>): void {
  describe(`${name} as a backend`, () => {
    let backend: DeviceBackend;
    let folder: string;
    const file = (title: string, bytes: Uint8Array): string => {
      const path = join(folder, title);
      writeFileSync(path, bytes);
      return path;
    };
    const request = (more: Partial<DeviceBuildRequest> = {}): DeviceBuildRequest => ({
      label: "example",
      path: join(folder, "full.onnx"),
      precision: { kind: "full" },
      profiles,
      ...more,
    });
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "halfscope-backend-"));
      file("full.onnx", exampleModel("full"));
      file("typed.onnx", exampleModel("typed"));
      backend = await open();
    }, 300_000);
    afterAll(async () => {
      await backend?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    test("says what it is and what it can do", () => {
      const { environment } = backend;
      expect(environment.backend).toBe(name);
      expect(environment.version).toMatch(/^\d+\.\d+/);
      expect(environment.capabilities.typings.length).toBeGreaterThan(0);
    });

    test("gives the model's outputs for batches of any size that is served", async () => {
      await using engine = await backend.build(request());
      expect(engine.inputs.map((i) => i.name)).toEqual(["x"]);
      expect(engine.outputs.map((o) => o.name)).toEqual(["y"]);
      for (const batch of [1, 4, 7, 1]) {
        const feed = exampleFeed(batch);
        const outputs = await engine.run(feed);
        expect([...outputs.keys()]).toEqual(["y"]);
        expect(outputs.get("y")).toMatchObject({ dtype: "float32", dims: [batch, 16] });
        within(numbersOf(outputs.get("y")), plainExample(feed).y, 1e-5);
      }
    }, 300_000);

    test("observes the tensors that it is asked to, behind the outputs, and gives the reason for each that it does not", async () => {
      await using engine = await backend.build(request({ observe: { tensors: ["hidden", "activated", "w1", "nowhere", "y"] } }));
      expect(engine.outputs.map((o) => o.name).sort()).toEqual(["activated", "hidden", "y"]);
      expect(engine.outputs[0]?.name).toBe("y");
      expect(engine.notObserved.map((n) => n.tensor).sort()).toEqual(["nowhere", "w1"]);
      for (const { reason } of engine.notObserved) expect(reason).not.toBe("");
      const feed = exampleFeed(4);
      const outputs = await engine.run(feed);
      const expected = plainExample(feed);
      for (const tensor of ["hidden", "activated", "y"] as const) within(numbersOf(outputs.get(tensor)), expected[tensor], 1e-5);
      const some = await engine.run(feed, { fetch: ["activated"] });
      expect([...some.keys()]).toEqual(["activated"]);
    }, 300_000);

    test("finds no difference between an engine and itself", async () => {
      await using engine = await backend.build(request({ observe: { tensors: ["hidden", "activated"] } }));
      const { stats, notCompared } = await backend.compare(engine, engine, exampleFeed(4), ["hidden", "activated", "y", "nowhere"]);
      expect([...stats.keys()].sort()).toEqual(["activated", "hidden", "y"]);
      for (const s of stats.values()) {
        expect(isExact(s)).toBe(true);
        expect(s.count).toBe(64);
      }
      expect(notCompared.map((n) => n.tensor)).toEqual(["nowhere"]);
    }, 300_000);

    test("compares a typed file in FP16 with the FP32 reference as the plain twin does", async () => {
      const observe = { tensors: ["hidden", "activated"] };
      await using reference = await backend.build(request({ observe }));
      await using candidate = await backend.build(
        request({ label: "typed", path: join(folder, "typed.onnx"), precision: { kind: "typed" }, observe }),
      );
      const feed = exampleFeed(7);
      const tensors = ["hidden", "activated", "y"];
      const { stats } = await backend.compare(reference, candidate, feed, tensors);
      const [left, right] = [await reference.run(feed), await candidate.run(feed)];
      for (const tensor of tensors) {
        const twin = plainStats(numbersOf(left.get(tensor)), numbersOf(right.get(tensor)));
        expect(stats.get(tensor)?.count).toBe(twin.count);
        expect(stats.get(tensor)?.maxAbs).toBe(twin.maxAbs);
        expect(meanAbs(stats.get(tensor) ?? twin)).toBeCloseTo(meanAbs(twin), 12);
        expect(stats.get(tensor)?.exponents).toEqual(twin.exponents);
      }
      expect(stats.get("y")?.maxAbs).toBeGreaterThan(0);
      expect(stats.get("y")?.maxAbs).toBeLessThan(0.05);
    }, 300_000);

    test("times as many requests as it is asked to, one after the other and several at once", async () => {
      await using engine = await backend.build(request());
      for (const contexts of [1, 2]) {
        const times = await engine.time(exampleFeed(4), { warmup: 1, requests: 12, contexts });
        expect(times.milliseconds.length).toBe(12);
        for (const t of times.milliseconds) expect(t).toBeGreaterThan(0);
        expect(times.wallMilliseconds).toBeGreaterThanOrEqual(Math.max(...times.milliseconds) * 0.999);
      }
      const short = await engine.time(exampleFeed(4), { warmup: 0, requests: 100_000, maxMilliseconds: 1 });
      expect(short.milliseconds.length).toBeGreaterThanOrEqual(5);
      expect(short.milliseconds.length).toBeLessThan(100_000);
    }, 300_000);

    test("serves requests with inputs of their own at once", async () => {
      await using engine = await backend.build(request());
      const feeds = [1, 2, 3, 4, 5, 6].map((batch) => exampleFeed(batch));
      const results = await Promise.all(feeds.map((feed) => engine.run(feed)));
      results.forEach((outputs, i) => {
        within(numbersOf(outputs.get("y")), plainExample(feeds[i] ?? exampleFeed(1)).y, 1e-5);
      });
    }, 300_000);

    test("lets no request suffer from another that comes first and fails", async () => {
      await using engine = await backend.build(request());
      const stop = new AbortController();
      const results = [engine.run({ tensors: new Map() }), engine.run(exampleFeed(2), { signal: stop.signal }), engine.run(exampleFeed(3))];
      stop.abort();
      const [bad, stopped, good] = await Promise.allSettled(results);
      expect(bad).toMatchObject({ status: "rejected", reason: { code: "ERR_FEED" } });
      if (stopped?.status === "rejected") expect(stopped.reason).toMatchObject({ code: "ERR_CANCELLED" });
      expect(good?.status === "fulfilled" && good.value.get("y")?.dims).toEqual([3, 16]);
    }, 300_000);

    test("stops when it is told to, and serves again afterwards", async () => {
      const path = file("slow.onnx", slowModel());
      await using engine = await backend.build(request({ path, profiles: [] }));
      const feed = slowFeed();
      await expect(engine.run(feed, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ERR_CANCELLED" });
      const stop = new AbortController();
      const timing = engine.time(feed, { requests: 1_000_000, signal: stop.signal });
      setTimeout(() => stop.abort(), 50);
      await expect(timing).rejects.toMatchObject({ code: "ERR_CANCELLED" });
      expect((await engine.run(feed)).get("y")?.dims).toEqual([256, 256]);
    }, 300_000);

    test("finishes what is under way before it is disposed of, and says so afterwards", async () => {
      const engine = await backend.build(request());
      const running: Promise<Map<string, TensorValue>> = engine.run(exampleFeed(4));
      await engine[Symbol.asyncDispose]();
      expect((await running).get("y")?.dims).toEqual([4, 16]);
      await expect(engine.run(exampleFeed(4))).rejects.toMatchObject({ code: "ERR_DISPOSED" });
      await engine[Symbol.asyncDispose]();
    }, 300_000);

    test("refuses a sample without the input, and fetches of what it does not give", async () => {
      await using engine = await backend.build(request());
      await expect(engine.run({ tensors: new Map() })).rejects.toMatchObject({ code: "ERR_FEED" });
      await expect(engine.run(exampleFeed(4), { fetch: ["hidden"] })).rejects.toMatchObject({ code: "ERR_OPTION" });
    }, 300_000);
  });
}
