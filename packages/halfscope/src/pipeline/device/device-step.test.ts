import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { CancelledError, type DeviceResult, EngineError } from "@halfscope/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EmulatedBackend } from "../../../../../test/support/emulated-backend.js";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { compareStep } from "../compare-step.js";
import { verifyStep } from "../verify.js";
import { type Run, Subject } from "./testing/device-subject.js";

const folder = temporaryFolder();

/** One engine beside the reference, and nothing else. */
const short = { guides: false, observe: "none", trials: 0 } as const;
const recommendedOf = ({ engines }: DeviceResult) => engines.find((e) => e.role === "recommended");

let sound: Subject;
let noisy: Subject;
let faulty: Subject;
beforeAll(async () => {
  sound = await Subject.make(folder, "sound", 1e-2);
  noisy = await Subject.make(folder, "noisy", 2e-3, [{ kind: "noisy-layer", layer: 1 }]);
  faulty = await Subject.make(folder, "faulty", 1e-2, [{ kind: "mask-constant" }, { kind: "square-overflow", layer: 1 }]);
}, 240_000);
afterAll(() => {
  for (const subject of [sound, noisy, faulty]) subject?.bench[Symbol.dispose]();
});

describe("a model on an engine that does as predicted", () => {
  let run: Run;
  beforeAll(async () => {
    run = await sound.on();
  });

  it("is measured with reference, all FP16, marked pair, recommendation and what guides advise", () => {
    const { engines } = run.result;
    expect(run.failure).toBeUndefined();
    expect(engines.map((e) => e.role)).toEqual(["reference", "all-half", "reference", "all-half", "recommended", "guides"]);
    expect(engines.map((e) => e.marked > 0)).toEqual([false, false, true, true, false, false]);
    expect(engines.filter((e) => e.role === "all-half").map((e) => e.outcome)).toEqual(["within", "within"]);
    expect(engines.every((e) => e.latency !== undefined || e.marked > 0)).toBe(true);
    expect(run.backend.alive, "every engine is disposed of").toBe(0);
    expect(run.warnings).toEqual([]);
  });

  it("needs no second build where the recommendation is to pin nothing", () => {
    expect(sound.pins).toEqual([]);
    expect(run.backend.built.map((b) => b.label)).toEqual([
      "FP32",
      "all FP16, strongly typed",
      expect.stringMatching(/^FP32, tensors marked/),
      expect.stringMatching(/^all FP16, tensors marked/),
      "as guides advise",
    ]);
  });

  it("agrees with the prediction: verdicts, every tensor's error, their order", () => {
    const { agreement, tensors = [] } = run.result;
    // Without pins the recommended engine is the all-FP16 one, which counts once.
    expect(agreement?.verdicts.map((v) => [v.role, v.predicted === v.measured])).toEqual([
      ["all-half", true],
      ["guides", true],
    ]);
    for (const v of agreement?.verdicts ?? []) expect(v.measuredError / v.predictedError).toBeCloseTo(1, 5);
    expect(tensors.length).toBeGreaterThan(90);
    expect(agreement?.ratio?.tensors).toBeGreaterThan(80);
    const { p5, median, p95 } = agreement?.ratio ?? {};
    expect([p5, median, p95].map((x) => x?.toFixed(4))).toEqual(["1.0000", "1.0000", "1.0000"]);
    expect(agreement?.order?.spearman).toBeGreaterThan(0.9999);
    expect(agreement?.order?.nullSpearman).toBeLessThan(0.9);
    expect(agreement?.worst).toEqual({ of: 10, shared: 10 });
    expect(tensors.some((t) => (t.predicted?.band?.[0] ?? 0) < (t.predicted?.band?.[1] ?? 0))).toBe(true);
  });

  it("says what was not observed, and that marking changed nothing here", async () => {
    const { marking, notObserved = [], tensors = [] } = run.result;
    const compared = (await compareStep(sound.bench)).accumulated.tensors.length;
    expect(marking?.map((m) => [m.output, m.difference.maxAbs])).toEqual([
      ["start_logits", 0],
      ["end_logits", 0],
    ]);
    expect(tensors.length + notObserved.length).toBe(compared);
    expect(notObserved.every((n) => n.reason.length > 10)).toBe(true);
  });

  it("has a front of error against milliseconds, all FP16 at one end and the reference at the other", () => {
    const { front = [] } = run.result;
    expect(front[0]).toMatchObject({ role: "all-half", pins: [] });
    expect(front.at(-1)).toMatchObject({ role: "reference", error: 0 });
  });

  it("is saved after every step, and leaves a journal and no temporary model", () => {
    expect(run.saved.map((r) => r.engines.length)).toEqual([1, 4, 5, 5, 6, 6, 6]);
    expect(readdirSync(run.folder)).toEqual(["engine.jsonl"]);
  });

  it("builds nothing again that its journal has, and ends with the same figures", async () => {
    const again = await sound.on({}, { at: run.folder });
    expect(again.backend.built).toEqual([]);
    expect(again.result).toEqual(run.result);
    const otherGpu = await sound.on({ environment: { gpu: "another one" } }, { at: run.folder, ...short });
    expect(otherGpu.backend.built.map((b) => b.label)).toEqual(["FP32", "all FP16, strongly typed"]);
  });
});

describe("an engine that does otherwise", () => {
  it("is told apart tensor by tensor, and by its verdict", async () => {
    const names = (await compareStep(sound.bench)).accumulated.tensors.map((t) => t.tensor);
    const some = Object.fromEntries(names.filter((_, i) => i % 4 === 0).map((t) => [t, 5]));
    const { agreement } = (await sound.on({ outputs: 100, tensors: some }, { guides: false, trials: 0 })).result;
    expect(agreement?.verdicts.map((v) => [v.predicted, v.measured])).toContainEqual(["within", "not-within"]);
    expect(agreement?.ratio?.p5).toBeCloseTo(0.2, 2);
    expect(agreement?.ratio?.median).toBeCloseTo(1, 3);
    expect(agreement?.order?.spearman).toBeLessThan(0.98);
    expect(agreement?.worst?.shared).toBeLessThan(10);
  });

  it("is warned of where its FP32 is another model already", async () => {
    const { warnings, result } = await sound.on({ reference: 0.01 }, short);
    expect(warnings.join()).toMatch(/differs from ONNX Runtime's FP32 on the CPU by 0\.0100/);
    expect(result.tensors).toBeUndefined();
  });

  it("has its warnings as hazards with their source", async () => {
    const { id: known, weights } = sound.bench.layers.findLast((l) => l.kind === "linear") ?? { weights: [] };
    const [weight = ""] = weights;
    const messages = [
      { severity: "warning", text: "Weights are subnormal", count: 2, kind: "weight-subnormal", names: [weight] },
      { severity: "info", text: "chatter", count: 1, kind: "other" },
    ] as const;
    const { result } = await sound.on({ messages }, short);
    expect(known).toBeDefined();
    expect(result.hazards).toEqual([
      expect.objectContaining({ code: "weight-underflow", source: "TensorRT 10.6.0", layer: known, tensor: weight }),
    ]);
  });

  it("without FP16 of its own says so, and nothing is concluded from it", async () => {
    const { capabilities } = new EmulatedBackend().environment;
    const environment = { library: "ONNX Runtime", capabilities: { ...capabilities, realHalf: false } };
    const { warnings, result } = await noisy.on({ environment, outputs: 100 });
    expect(warnings.join()).toMatch(/NOTHING about a GPU/);
    expect([result.agreement, result.trials, result.refined]).toEqual([undefined, undefined, undefined]);
  });
});

describe("a model that overflows in FP16", () => {
  it("is garbage on the engine without pins and within the tolerance with them, as predicted", async () => {
    const { result, failure } = await faulty.on();
    expect(failure).toBeUndefined();
    expect(faulty.pins.length).toBeGreaterThan(0);
    expect(result.engines.find((e) => e.role === "all-half")?.outcome).not.toBe("within");
    expect(recommendedOf(result)?.outcome).toBe("within");
    expect(result.agreement?.verdicts.every((v) => v.predicted === v.measured)).toBe(true);
    expect(result.tensors?.some((t) => t.measured.overflowed > 0)).toBe(true);
    expect(result.refined).toBeUndefined();
  });

  it("is built with the better fixes too, which need fewer pins", async () => {
    const run = await faulty.on({}, { guides: false, observe: "none" });
    const fixed = run.result.engines.find((e) => e.title.includes("fix"));
    expect(fixed).toMatchObject({ role: "trial", outcome: "within" });
    expect(fixed?.pins.length).toBeLessThan(faulty.pins.length);
    const beside = run.result.agreement?.verdicts.at(-1);
    expect((beside?.measuredError ?? 0) / (beside?.predictedError ?? 1)).toBeCloseTo(1, 3);
    expect(readdirSync(run.folder)).toEqual(["engine.jsonl"]);
    const again = await faulty.on({}, { guides: false, observe: "none", at: run.folder });
    expect(again.backend.built).toEqual([]);
  });
});

describe("pins on an engine", () => {
  it("are refined by trials where the engine errs more than predicted, and their files stand beside the recommendation", async () => {
    const run = await noisy.on({ outputs: 1.6 }, { guides: false, observe: "none" });
    const { trials = [], refined } = run.result;
    expect(recommendedOf(run.result)?.outcome).toBe("not-within");
    expect(trials.slice(0, 2).map((t) => [t.pins.length, t.why])).toEqual([
      [0, "no pins"],
      [noisy.pins.length, "recommended on the CPU"],
    ]);
    expect(refined?.error).toBeLessThanOrEqual(2e-3);
    expect(trials).toContainEqual(expect.objectContaining({ pins: refined?.pins, error: refined?.error }));
    expect(refined?.pins.length).toBeGreaterThan(noisy.pins.length);
    expect(readdirSync(run.folder).sort()).toEqual(["engine-mixed.onnx", "engine-overrides.json", "engine.jsonl"]);
    // The file is what was measured.
    const verdict = await verifyStep(noisy.bench, join(run.folder, "engine-mixed.onnx"), 2e-3);
    expect((1.6 * verdict.error) / (refined?.error ?? 0)).toBeCloseTo(1, 3);
    // A later run that needs none takes them away.
    await noisy.on({}, { ...short, at: run.folder });
    expect(existsSync(join(run.folder, "engine-mixed.onnx"))).toBe(false);
  });

  it("are fewer where the engine errs less than predicted", async () => {
    const { trials = [], refined } = (await noisy.on({ outputs: 0.02 }, { guides: false, observe: "none" })).result;
    expect(refined?.pins.length).toBeLessThan(noisy.pins.length);
    expect(refined?.error).toBeLessThanOrEqual(2e-3);
    expect(trials.length).toBeGreaterThan(2);
  });

  it("are not tried more often than was asked for", async () => {
    for (const trials of [0, 1]) {
      const { result } = await noisy.on({ outputs: 1.6 }, { ...short, trials });
      expect(result.engines.filter((e) => e.role === "trial")).toHaveLength(trials);
    }
  });

  it("never are the whole model: the reference needs no build", async () => {
    const { result } = await noisy.on({ outputs: 1000 }, { ...short, trials: 4 });
    expect(result.refined).toBeUndefined();
    expect(result.engines.filter((e) => e.role === "trial" && e.error === 0)).toEqual([]);
  });

  it("are proved layer by layer, and one that the engine ignores is named", async () => {
    const proved = recommendedOf((await noisy.on({}, short)).result);
    expect(proved?.proofs?.map((p) => [p.layer, p.outcome])).toEqual(noisy.pins.map((p) => [p, "took-effect"]));
    expect(proved?.halfTimeShare).toBeGreaterThan(0.3);
    const [pin] = proved?.proofs ?? [];
    const { result, warnings } = await noisy.on({ ignored: pin?.nodes ?? [] }, short);
    expect(recommendedOf(result)?.proofs?.find((p) => p.layer === pin?.layer)?.outcome).toBe("ignored");
    expect(warnings.join()).toContain(`The pin of "${pin?.layer}" did not take effect`);
  });

  it("go on after a stop with the engines that were measured", async () => {
    const at = join(folder, "stopped");
    const onBuild = (r: { label: string }) => {
      if (r.label.startsWith("trial")) throw new CancelledError();
    };
    const options = { guides: false, observe: "none", at } as const;
    const stopped = await noisy.on({ outputs: 1.6, onBuild }, options);
    expect(stopped.failure).toMatchObject({ code: "ERR_CANCELLED" });
    expect(stopped.result.engines.map((e) => e.role)).toEqual(["reference", "all-half", "recommended"]);
    expect(stopped.backend.alive).toBe(0);
    expect(readdirSync(at)).toEqual(["engine.jsonl"]);
    const { backend, result } = await noisy.on({ outputs: 1.6 }, options);
    // The reference comes again, for its outputs.
    expect(backend.built.map((b) => b.label)).toEqual(["FP32", ...backend.built.slice(1).map((_, i) => `trial ${i + 1}`)]);
    expect(result.refined).toBeDefined();
  });

  it("are tried further where no engine can be built of one set, which is a row of its own", async () => {
    const onBuild = ({ label }: { label: string }) => {
      if (label === "trial 1") throw new EngineError("ERR_ENGINE_BUILD", "Building trial 1 failed: first | No kernel for it");
    };
    const { result, failure, warnings } = await noisy.on({ outputs: 1.6, onBuild }, { guides: false, observe: "none" });
    expect(failure).toBeUndefined();
    const [first, second] = result.engines.filter((e) => e.role === "trial");
    expect(first).toMatchObject({ title: "trial 1", failed: "could not be built: No kernel for it." });
    expect([first?.error, first?.outcome, first?.latency]).toEqual([undefined, undefined, undefined]);
    expect(second?.pins).not.toEqual(first?.pins);
    expect(result.trials?.find((t) => t.failed !== undefined)).toMatchObject({ pins: first?.pins, error: Number.POSITIVE_INFINITY });
    expect(result.refined?.pins.length).toBeGreaterThan(noisy.pins.length);
    // Nothing was measured of it, so nothing is compared with the prediction.
    expect(result.agreement?.verdicts.length).toBe(result.engines.filter((e) => e.error !== undefined).length);
    expect(warnings.join()).toContain('The engine "trial 1" could not be built');
  });
});

describe("weakly typed engines", () => {
  it("are built from the FP32 model with constraints by the nodes' names", async () => {
    const { capabilities } = new EmulatedBackend().environment;
    const environment = { version: "8.6.1", capabilities: { ...capabilities, typings: ["weak"] as const } };
    // The emulation takes types from files alone: what was asked for is looked at, not the figures.
    const { backend, failure } = await noisy.on({ environment }, { guides: false, trials: 0 });
    expect(failure).toBeUndefined();
    expect(new Set(backend.built.map((b) => b.path))).toEqual(new Set([noisy.bench.model.path]));
    const precisions = backend.built.map((b) => b.precision);
    expect(precisions.map((p) => (p.kind === "weak" ? p.constraints : p.kind))).toEqual(["full", "none", "full", "prefer", "obey"]);
    const names = new Set(noisy.bench.view.nodes.map((n) => n.name));
    const pins = precisions.flatMap((p) => (p.kind === "weak" && p.constraints === "obey" ? p.pins : []));
    expect(pins.length).toBeGreaterThanOrEqual(noisy.pins.length);
    expect(pins.every((p) => p.precision === "float32" && names.has(p.node))).toBe(true);
  });
});
