import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError, type ResultDocument } from "@halfscope/core";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBert } from "../../../../../scripts/make-bert/make-bert.js";
import { EmulatedBackend, type Planted } from "../../../../../test/support/emulated-backend.js";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { debugModel } from "../debug.js";
import { loadResult } from "../results-folder.js";
import type { DeviceOptions } from "./options.js";

const folder = temporaryFolder();
const size = { layers: 2, hidden: 64, heads: 4, vocab: 200, maxPosition: 64, head: "qa" } as const;
const sound = join(folder, "sound", "model.onnx");
const noisy = join(folder, "noisy", "model.onnx");
let runs = 0;

beforeAll(async () => {
  for (const name of ["sound", "noisy"]) mkdirSync(join(folder, name));
  await makeBert({ path: sound, ...size });
  await makeBert({ path: noisy, ...size, faults: [{ kind: "noisy-layer", layer: 1 }] });
}, 120_000);

interface Run {
  result: ResultDocument;
  backend: EmulatedBackend;
  folder: string;
}

async function debugged(
  path: string,
  plant: Planted = {},
  more: Partial<DeviceOptions> & { tolerance?: number; at?: string } = {},
): Promise<Run> {
  const { tolerance = 1e-2, at = join(folder, `results-${runs++}`), ...options } = more;
  const backend = new EmulatedBackend(plant);
  const device: DeviceOptions = { engine: "tensorrt", open: async () => backend, ...options };
  const result = await debugModel(path, { folder: at, tolerance, like: "tensorrt", threads: 2, adaptive: true, device });
  return { result, backend, folder: at };
}

describe("a model on an engine that does as predicted", () => {
  let run: Run;
  beforeAll(async () => {
    run = await debugged(sound);
  }, 120_000);

  it("is measured with reference, all FP16, marked pair, recommendation and what guides advise", () => {
    const engines = run.result.device?.engines ?? [];
    expect(engines.map((e) => e.role)).toEqual(["reference", "all-half", "reference", "all-half", "recommended", "guides"]);
    expect(engines.map((e) => e.marked > 0)).toEqual([false, false, true, true, false, false]);
    expect(engines.filter((e) => e.role === "all-half").map((e) => e.outcome)).toEqual(["within", "within"]);
    expect(engines.every((e) => e.latency !== undefined || e.marked > 0)).toBe(true);
    expect(run.backend.disposed).toBe(true);
    expect(run.backend.alive, "every engine is disposed of").toBe(0);
  });

  it("agrees with the prediction: verdicts, every tensor's error, their order", () => {
    const { agreement, tensors = [] } = run.result.device ?? {};
    expect(agreement?.verdicts.map((v) => v.predicted === v.measured)).toEqual([true, true, true]);
    for (const v of agreement?.verdicts ?? []) expect(v.measuredError / v.predictedError).toBeCloseTo(1, 5);
    expect(tensors.length).toBeGreaterThan(90);
    expect(agreement?.ratio?.tensors).toBeGreaterThan(80);
    expect([agreement?.ratio?.p5, agreement?.ratio?.median, agreement?.ratio?.p95].map((x) => x?.toFixed(4))).toEqual([
      "1.0000",
      "1.0000",
      "1.0000",
    ]);
    expect(agreement?.order?.spearman).toBeGreaterThan(0.9999);
    expect(agreement?.order?.nullSpearman).toBeLessThan(0.9);
    expect(agreement?.worst).toEqual({ of: 10, shared: 10 });
  });

  it("says what was not observed, and that marking changed nothing here", () => {
    const { marking, notObserved = [], tensors = [] } = run.result.device ?? {};
    expect(marking?.map((m) => [m.output, m.difference.maxAbs])).toEqual([
      ["start_logits", 0],
      ["end_logits", 0],
    ]);
    expect(tensors.length + notObserved.length).toBe(run.result.accumulated?.tensors.length);
    expect(notObserved.every((n) => n.reason.length > 10)).toBe(true);
  });

  it("has a front of error against milliseconds, all FP16 at one end and the reference at the other", () => {
    const front = run.result.device?.front ?? [];
    expect(front[0]).toMatchObject({ role: "all-half", pins: [] });
    expect(front.at(-1)).toMatchObject({ role: "reference", error: 0 });
  });

  it("leaves results, journal and no temporary model, and what was saved is what was returned", async () => {
    expect(readdirSync(run.folder).sort()).toEqual([
      "engine.jsonl",
      "journal.jsonl",
      "mixed.onnx",
      "overrides.json",
      "report.html",
      "result.json",
    ]);
    expect((await loadResult(run.folder)).device).toEqual(run.result.device);
  });

  it("builds nothing again that its journal has, and ends with the same figures", async () => {
    const again = await debugged(sound, {}, { at: run.folder });
    expect(again.backend.built).toEqual([]);
    expect(again.result.device).toEqual(run.result.device);
  }, 120_000);

  it("changes nothing of what the CPU finds", async () => {
    const at = join(folder, "plain");
    const plain = await debugModel(sound, { folder: at, tolerance: 1e-2, like: "tensorrt", threads: 2, adaptive: true });
    const { device: _, timings: __, ...rest } = run.result;
    const { timings: ___, ...same } = plain;
    expect(rest).toEqual(same);
    expect(readFileSync(join(at, "mixed.onnx")).equals(readFileSync(join(run.folder, "mixed.onnx")))).toBe(true);
  }, 120_000);
});

describe("an engine that does otherwise", () => {
  it("is told apart tensor by tensor, and by its verdict", async () => {
    const plain = await debugged(sound, {}, { guides: false });
    const some = (plain.result.device?.tensors ?? []).map((t) => t.tensor).filter((_, i) => i % 4 === 0);
    expect(some.length).toBeGreaterThan(20);
    const { result } = await debugged(
      sound,
      { outputs: 100, tensors: Object.fromEntries(some.map((t) => [t, 5])) },
      { guides: false, trials: 0 },
    );
    const { agreement } = result.device ?? {};
    expect(agreement?.verdicts.map((v) => [v.predicted, v.measured])).toContainEqual(["within", "not-within"]);
    expect(agreement?.ratio?.p5).toBeCloseTo(0.2, 2);
    expect(agreement?.ratio?.median).toBeCloseTo(1, 3);
    expect(agreement?.order?.spearman).toBeLessThan(0.98);
    expect(agreement?.worst?.shared).toBeLessThan(10);
  }, 120_000);

  it("warns where its FP32 is another model already", async () => {
    const { result } = await debugged(sound, { reference: 0.01 }, { guides: false, trials: 0, observe: "none" });
    expect(result.warnings.join()).toMatch(/differs from ONNX Runtime's FP32 on the CPU by 0\.0100/);
    expect(result.device?.tensors).toBeUndefined();
  }, 120_000);

  it("has its warnings as hazards with their source", async () => {
    const weight = "encoder.layer.0.intermediate.dense.weight";
    const { result } = await debugged(
      sound,
      {
        messages: [
          { severity: "warning", text: "Weights are subnormal", count: 2, kind: "weight-subnormal", names: [weight] },
          { severity: "info", text: "chatter", count: 1, kind: "other" },
        ],
      },
      { guides: false, trials: 0, observe: "none" },
    );
    const known = result.layers.find((l) => l.weights.includes(weight));
    expect(result.device?.hazards).toEqual([
      expect.objectContaining({ code: "weight-underflow", source: "TensorRT 10.6.0", layer: known?.id ?? "", tensor: weight }),
    ]);
  }, 120_000);
});

describe("pins on an engine", () => {
  it("are refined by trials where the engine errs more than predicted, and their files stand beside the recommendation", async () => {
    const run = await debugged(noisy, { outputs: 1.6 }, { guides: false, observe: "none", tolerance: 2e-3 });
    const { engines = [], trials = [], refined } = run.result.device ?? {};
    expect(engines.find((e) => e.role === "recommended")?.outcome).toBe("not-within");
    expect(trials.length).toBeGreaterThan(2);
    expect(trials.at(-1)?.error).toBeLessThanOrEqual(2e-3);
    expect(refined).toEqual({ pins: trials.at(-1)?.pins, error: trials.at(-1)?.error });
    expect(existsSync(join(run.folder, "engine-mixed.onnx")) && existsSync(join(run.folder, "engine-overrides.json"))).toBe(true);
    expect(run.result.overrides?.pins.length).toBeLessThan(refined?.pins.length ?? 0);
  }, 120_000);

  it("are proved layer by layer, and one that the engine ignores is named", async () => {
    const options = { guides: false, observe: "none", trials: 0, tolerance: 2e-3 } as const;
    const { result } = await debugged(noisy, {}, options);
    const proved = result.device?.engines.find((e) => e.role === "recommended");
    expect(proved?.proofs?.map((p) => [p.layer, p.outcome])).toEqual(proved?.pins.map((p) => [p, "took-effect"]));
    expect(proved?.halfTimeShare).toBeGreaterThan(0.3);
    const [pin] = proved?.proofs ?? [];
    const broken = await debugged(noisy, { ignored: pin?.nodes ?? [] }, options);
    const proofs = broken.result.device?.engines.find((e) => e.role === "recommended")?.proofs;
    expect(proofs?.find((p) => p.layer === pin?.layer)?.outcome).toBe("ignored");
    expect(broken.result.warnings.join()).toContain(`The pin of "${pin?.layer}" did not take effect`);
  }, 120_000);

  it("can be saved as a plan with what it needs beside it", async () => {
    const path = join(folder, "recommended.plan");
    const run = await debugged(noisy, {}, { guides: false, observe: "none", trials: 0, savePlan: path });
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
    const sidecar = JSON.parse(readFileSync(`${path}.json`, "utf8")) as object;
    expect(sidecar).toMatchObject({ version: "10.6.0", modelDigest: run.result.model.digest, precision: { kind: "typed" } });
  }, 120_000);

  it("are not tried more often than was asked for", async () => {
    for (const trials of [0, 1]) {
      const run = await debugged(noisy, { outputs: 1.6 }, { guides: false, observe: "none", tolerance: 2e-3, trials });
      expect(run.result.device?.engines.filter((e) => e.role === "trial")).toHaveLength(trials);
    }
  }, 120_000);

  it("never are the whole model: the reference needs no build", async () => {
    const run = await debugged(noisy, { outputs: 1000 }, { guides: false, observe: "none", tolerance: 2e-3 });
    expect(run.result.device?.refined).toBeUndefined();
    expect(run.result.device?.engines.filter((e) => e.role === "trial" && e.error === 0)).toEqual([]);
  }, 120_000);

  it("go on after a kill with the engines that were measured", async () => {
    const at = join(folder, "killed");
    const options = { guides: false, observe: "none", tolerance: 2e-3, at } as const;
    const killed = debugged(noisy, { outputs: 1.6, onBuild: (r) => r.label.startsWith("trial") && fail() }, options);
    await expect(killed).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD" });
    expect((await loadResult(at)).device?.engines.map((e) => e.role)).toEqual(["reference", "all-half", "recommended"]);
    expect(existsSync(join(at, "report.html"))).toBe(true);
    const { backend, result } = await debugged(noisy, { outputs: 1.6 }, options);
    // The reference comes again, for its outputs.
    expect(backend.built.map((b) => b.label)).toEqual(["FP32", ...backend.built.slice(1).map((_, i) => `trial ${i + 1}`)]);
    expect(result.device?.refined).toBeDefined();
  }, 120_000);
});

function fail(): never {
  throw new EngineError("ERR_ENGINE_BUILD", "The build was to fail.");
}

describe("before anything is measured", () => {
  it("a missing library fails", async () => {
    const at = join(folder, "missing");
    const open = async () => {
      throw new EngineError("ERR_BACKEND_UNAVAILABLE", "There is no libnvinfer.");
    };
    const run = debugModel(sound, { folder: at, tolerance: 1e-2, device: { engine: "tensorrt", open } });
    await expect(run).rejects.toMatchObject({ code: "ERR_BACKEND_UNAVAILABLE", exitCode: 4 });
    expect(existsSync(at)).toBe(false);
  });

  it("what the library cannot do is refused, and the library closed", async () => {
    for (const [more, word] of [
      [{ typing: "weak" }, "weak networks"],
      [{ observe: "debug" }, "debug tensors"],
      [{ observe: "unfused" }, "unfused tensors"],
    ] as const) {
      const backend = new EmulatedBackend();
      const device: DeviceOptions = { engine: "tensorrt", open: async () => backend, ...more };
      const run = debugModel(sound, { folder: join(folder, "refused"), tolerance: 1e-2, device });
      await expect(run).rejects.toMatchObject({ code: "ERR_OPTION", message: expect.stringContaining(word) });
      expect(backend.disposed).toBe(true);
    }
  });
});

describe("an engine without FP16 of its own", () => {
  it("says so, and nothing is concluded from it", async () => {
    const base = new EmulatedBackend().environment;
    const { result } = await debugged(sound, {
      environment: { library: "ONNX Runtime", capabilities: { ...base.capabilities, realHalf: false } },
    });
    expect(result.warnings.join()).toMatch(/NOTHING about a GPU/);
    expect(result.device?.agreement).toBeUndefined();
    expect(result.device?.trials).toBeUndefined();
  }, 120_000);
});
