/** The main job with and without a real engine. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "@halfscope/core";
import { parseProfile } from "@halfscope/engine";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBert } from "../../../../../scripts/make-bert/make-bert.js";
import { EmulatedBackend } from "../../../../../test/support/emulated-backend.js";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { node, tinyModel } from "../../../../../test/support/tiny-model.js";
import { debugModel } from "../debug.js";
import { loadResult } from "../results-folder.js";
import type { DeviceOptions } from "./options.js";

const folder = temporaryFolder();
const model = join(folder, "model.onnx");
const common = { tolerance: 1e-2, like: "tensorrt", threads: 2, adaptive: true } as const;

beforeAll(async () => {
  mkdirSync(join(folder, "model"));
  await makeBert({ path: model, layers: 1, hidden: 64, heads: 4, vocab: 100, maxPosition: 64 });
});

describe("debug with a real engine", () => {
  it("adds what was measured on it, and changes nothing of what the CPU finds", async () => {
    const [at, plainAt] = [join(folder, "on-engine"), join(folder, "plain")];
    const backend = new EmulatedBackend();
    const result = await debugModel(model, { ...common, folder: at, device: { engine: "tensorrt", open: async () => backend } });
    const plain = await debugModel(model, { ...common, folder: plainAt });
    expect(backend.disposed).toBe(true);
    expect((await loadResult(at)).device).toEqual(result.device);
    const { device, timings: _, ...rest } = result;
    const { timings: __, ...same } = plain;
    expect(device?.agreement?.verdicts.length).toBe(3);
    expect(rest).toEqual(same);
    expect(readdirSync(plainAt).sort()).toEqual(["journal.jsonl", "mixed.onnx", "overrides.json", "report.html", "result.json"]);
    expect(readdirSync(at).sort()).toEqual(["engine.jsonl", ...readdirSync(plainAt).sort()]);
    for (const name of ["mixed.onnx", "overrides.json", "journal.jsonl"])
      expect(readFileSync(join(at, name)).equals(readFileSync(join(plainAt, name))), name).toBe(true);
  });

  it("keeps what the CPU found, and its report, where a build fails", async () => {
    const at = join(folder, "failing");
    const backend = new EmulatedBackend({
      onBuild: () => {
        throw new EngineError("ERR_ENGINE_BUILD", "The build was to fail.");
      },
    });
    const run = debugModel(model, { ...common, folder: at, device: { engine: "tensorrt", open: async () => backend } });
    await expect(run).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD", exitCode: 4 });
    expect((await loadResult(at)).verdict?.outcome).toBe("within");
    expect(existsSync(join(at, "report.html"))).toBe(true);
    expect(readdirSync(at)).not.toContain(".engine");
  });
});

describe("before anything is measured", () => {
  it("a missing library fails", async () => {
    const at = join(folder, "missing");
    const open = async () => {
      throw new EngineError("ERR_BACKEND_UNAVAILABLE", "There is no libnvinfer.");
    };
    const run = debugModel(model, { ...common, folder: at, device: { engine: "tensorrt", open } });
    await expect(run).rejects.toMatchObject({ code: "ERR_BACKEND_UNAVAILABLE", exitCode: 4 });
    expect(existsSync(at)).toBe(false);
  });

  it("profiles that do not hold, or do not serve the samples, are refused", async () => {
    const dynamic = join(folder, "dynamic.onnx");
    writeFileSync(
      dynamic,
      tinyModel({
        inputs: [{ name: "x", dims: ["batch", 4] }],
        outputs: [{ name: "y", dims: ["batch", 4] }],
        nodes: [node("Relu", ["x"], ["y"])],
      }),
    );
    for (const [text, word] of [
      ["x=4x4:2x4:8x4", "min <= opt <= max"],
      ["z=1x4", '"z"'],
      ["x=2x4:2x4:8x4", "does not serve this request"],
    ] as const) {
      const backend = new EmulatedBackend();
      const device: DeviceOptions = { engine: "tensorrt", open: async () => backend, profiles: [parseProfile(text)] };
      const run = debugModel(dynamic, { ...common, folder: join(folder, "profiles"), dims: { batch: 1 }, device });
      await expect(run).rejects.toMatchObject({ code: "ERR_PROFILE", message: expect.stringContaining(word) });
      expect([backend.built, backend.disposed]).toEqual([[], true]);
    }
  });

  it("what the library cannot do is refused, and the library closed", async () => {
    for (const [more, word] of [
      [{ typing: "weak" }, "weak networks"],
      [{ observe: "debug" }, "debug tensors"],
      [{ observe: "unfused" }, "unfused tensors"],
    ] as const) {
      const backend = new EmulatedBackend();
      const device: DeviceOptions = { engine: "tensorrt", open: async () => backend, ...more };
      const run = debugModel(model, { ...common, folder: join(folder, "refused"), device });
      await expect(run).rejects.toMatchObject({ code: "ERR_OPTION", message: expect.stringContaining(word) });
      expect(backend.disposed).toBe(true);
    }
  });
});
