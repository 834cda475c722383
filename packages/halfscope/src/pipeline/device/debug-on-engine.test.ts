/** The main job with and without a real engine. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError, silentProgress } from "@halfscope/core";
import { parseProfile } from "@halfscope/engine";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBert } from "../../../../../scripts/make-bert/make-bert.js";
import { EmulatedBackend } from "../../../../../test/support/emulated-backend.js";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { node, tinyModel } from "../../../../../test/support/tiny-model.js";
import { type DebugOptions, debugModel } from "../debug.js";
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
    expect(device?.agreement?.verdicts.length).toBe(2);
    expect(rest).toEqual(same);
    expect(readdirSync(plainAt).sort()).toEqual(["journal.jsonl", "mixed.onnx", "overrides.json", "report.html", "result.json"]);
    expect(readdirSync(at).sort()).toEqual(["engine.jsonl", ...readdirSync(plainAt).sort()]);
    for (const name of ["mixed.onnx", "overrides.json", "journal.jsonl"])
      expect(readFileSync(join(at, name)).equals(readFileSync(join(plainAt, name))), name).toBe(true);
  });

  it("says before the first build how many will follow", async () => {
    const at = join(folder, "noted");
    const notes: string[] = [];
    const progress = { ...silentProgress, note: (text: string) => void notes.push(text) };
    const built: string[] = [];
    const backend = new EmulatedBackend({ onBuild: ({ label }) => void built.push(`${label} after ${notes.length > 0}`) });
    const device: DeviceOptions = { engine: "tensorrt", open: async () => backend };
    await debugModel(model, { ...common, folder: at, device, progress });
    const said = notes.filter((n) => n.startsWith("On the engine: "));
    expect(said).toEqual([expect.stringMatching(/^On the engine: 5 builds, then at most 4 more\. TensorRT took about 3 minutes/)]);
    expect(built).toHaveLength(5);
    expect(built[0]).toBe("FP32 after true");
    notes.length = 0;
    await debugModel(model, { ...common, folder: at, device, progress });
    expect(notes).toContainEqual(expect.stringMatching(/^On the engine: nothing is left to build/));
  });
});

describe("a results folder", () => {
  it("may take the plan, also where it is made only now", async () => {
    const at = join(folder, "with-plan");
    const device: DeviceOptions = { engine: "tensorrt", open: async () => new EmulatedBackend(), savePlan: join(at, "model.plan") };
    await debugModel(model, { ...common, folder: at, device });
    expect(readdirSync(at)).toEqual(expect.arrayContaining(["model.plan", "model.plan.json"]));
    expect(readdirSync(at)).not.toContain(".engine");
  });

  it("keeps no models in the making where the engine's steps cannot begin", async () => {
    const at = join(folder, "no-journal");
    mkdirSync(join(at, "engine.jsonl"), { recursive: true });
    const backend = new EmulatedBackend();
    const run = debugModel(model, { ...common, folder: at, device: { engine: "tensorrt", open: async () => backend } });
    await expect(run).rejects.toMatchObject({ code: "ERR_JOURNAL" });
    expect(readdirSync(at)).toContain("result.json");
    expect(readdirSync(at)).not.toContain(".engine");
  });
});

/** What the main job makes of an engine that cannot be built. */
describe("an engine that cannot be built", () => {
  const labels: string[] = [];
  const debug = (at: string, fails: (label: string) => string | undefined, more: Partial<DebugOptions> = {}) => {
    labels.length = 0;
    const onBuild = ({ label }: { label: string }) => {
      labels.push(label);
      const message = fails(label);
      if (message !== undefined) throw new EngineError("ERR_ENGINE_BUILD", `Building ${label} with TensorRT failed: one | ${message}`);
    };
    const backend = new EmulatedBackend({ onBuild });
    return debugModel(model, { ...common, folder: join(folder, at), device: { engine: "tensorrt", open: async () => backend }, ...more });
  };
  const reportOf = (at: string) => readFileSync(join(folder, at, "report.html"), "utf8");
  const guidesFail = (label: string) => (label === "as guides advise" ? "No kernel for Softmax." : undefined);

  it("is a row of its own where the answer does not hang on it, and is not built again", async () => {
    const { device, warnings, verdict } = await debug("guides", guidesFail);
    expect(device?.engines.at(-1)).toMatchObject({ role: "guides", failed: "could not be built: No kernel for Softmax." });
    expect(device?.engines.find((e) => e.role === "recommended")?.outcome).toBe("within");
    expect(device?.agreement?.verdicts.map((v) => v.role)).toEqual(["all-half"]);
    expect(warnings.join()).toContain('The engine "as guides advise" could not be built: No kernel for Softmax.');
    expect(verdict?.outcome).toBe("within");
    expect(reportOf("guides")).toContain("No kernel for Softmax.");
    expect((await loadResult(join(folder, "guides"))).device).toEqual(device);
    const again = await debug("guides", guidesFail);
    expect(labels).toEqual([]);
    expect(again.device?.engines.at(-1)?.failed).toBe(device?.engines.at(-1)?.failed);
    await debug("guides", () => undefined, { fresh: true });
    expect(labels).toContain("as guides advise");
  });

  it("is built again where memory was the reason", async () => {
    const short = (label: string) => (label === "as guides advise" ? "OutOfMemory (no further information)" : undefined);
    expect((await debug("memory", short)).device?.engines.at(-1)?.failed).toContain("OutOfMemory");
    const { device } = await debug("memory", () => undefined);
    expect(labels).toEqual(["FP32", "as guides advise"]);
    expect(device?.engines.at(-1)).toMatchObject({ role: "guides", outcome: "within" });
  });

  it("leaves the tensors that it would have shown unobserved, with the reason", async () => {
    for (const [at, kind] of [
      ["marked-full", "FP32, tensors marked"],
      ["marked-half", "all FP16, tensors marked"],
    ] as const) {
      const { device } = await debug(at, (label) => (label === kind ? "Too many outputs." : undefined));
      const marked = device?.engines.filter((e) => e.marked > 0) ?? [];
      expect(marked.map((e) => e.failed)).toEqual(
        at === "marked-full" ? ["could not be built: Too many outputs."] : [undefined, "could not be built: Too many outputs."],
      );
      expect(device?.tensors).toBeUndefined();
      expect(device?.notObserved?.length).toBeGreaterThan(20);
      expect(device?.notObserved?.[0]?.reason).toMatch(/engine that shows it could not be built: Too many outputs\./);
      expect(device?.engines.map((e) => e.role).slice(-2)).toEqual(["recommended", "guides"]);
      await debug(at, () => undefined);
      expect(labels).toEqual([]);
    }
  });

  it("ends the work where it is the reference or the recommended one, with a report of what is known", async () => {
    await expect(debug("no-reference", () => "No kernel.")).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD", exitCode: 4 });
    const { device, verdict } = await loadResult(join(folder, "no-reference"));
    expect(verdict?.outcome).toBe("within");
    expect(device?.engines).toMatchObject([{ role: "reference", typing: "full", failed: "could not be built: No kernel." }]);
    expect(reportOf("no-reference")).toContain("No answer: the FP32 engine");
    expect(readdirSync(join(folder, "no-reference"))).not.toContain(".engine");
    // Nobody asks twice in vain for what the answer hangs on: it may be another day.
    expect((await debug("no-reference", () => undefined)).device?.engines[0]?.failed).toBeUndefined();

    const half = (label: string) => (label === "all FP16, strongly typed" || label.startsWith("no pins") ? "No FP16 kernel." : undefined);
    await expect(debug("no-recommended", half)).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD" });
    const known = await loadResult(join(folder, "no-recommended"));
    expect(known.device?.engines.map((e) => [e.role, e.failed !== undefined])).toContainEqual(["recommended", true]);
    expect(reportOf("no-recommended")).toContain("Predicted to work, but it does not on the engine.");
    expect(reportOf("no-recommended")).toContain("No: there is no engine with every layer in FP16.");
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
      expect(backend.built).toEqual([]);
      // Profiles need no library: on a machine without one they are refused all the same.
      const open = async () => {
        throw new EngineError("ERR_BACKEND_UNAVAILABLE", "There is no driver.");
      };
      const without = debugModel(dynamic, {
        ...{ ...common, folder: join(folder, "profiles"), dims: { batch: 1 } },
        device: { ...device, open },
      });
      await expect(without).rejects.toMatchObject({ code: "ERR_PROFILE" });
      expect(existsSync(join(folder, "profiles"))).toBe(false);
    }
  });

  it("a plan that cannot be written is refused, on any machine", async () => {
    const at = join(folder, "no-plan");
    const open = async () => {
      throw new EngineError("ERR_BACKEND_UNAVAILABLE", "There is no driver.");
    };
    const savePlan = join(folder, "no-such-folder", "x.plan");
    const run = debugModel(model, { ...common, folder: at, device: { engine: "tensorrt", open, savePlan } });
    await expect(run).rejects.toMatchObject({ code: "ERR_OUTPUT_NOT_WRITABLE", message: expect.stringContaining(savePlan) });
    expect(existsSync(at)).toBe(false);
  });

  it("what the library cannot do is refused, and the library closed", async () => {
    for (const [more, word] of [
      [{ typing: "weak" }, "weak networks"],
      [{ observe: "debug" }, "Debug tensors are not to be had with TensorRT 10.6.0"],
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
