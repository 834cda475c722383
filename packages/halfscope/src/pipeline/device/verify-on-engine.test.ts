import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PrecisionPlan } from "@halfscope/core";
import { allHalf, formatOverrides, overridesFromPlan, withPins } from "@halfscope/precision";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { EmulatedBackend, type Planted } from "../../../../../test/support/emulated-backend.js";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { verifyStep } from "../verify.js";
import { overridesCandidate, readOverrides } from "./overrides-candidate.js";
import { openDevice } from "./session.js";
import { Subject } from "./testing/device-subject.js";
import { verifyOnEngine } from "./verify-on-engine.js";

const folder = temporaryFolder();
let noisy: Subject;
beforeAll(async () => {
  noisy = await Subject.make(folder, "noisy", 2e-3, [{ kind: "noisy-layer", layer: 1 }]);
}, 120_000);
afterAll(() => noisy?.bench[Symbol.dispose]());

describe("a file of any origin", () => {
  it("is verified on the engine beside the emulation, and nothing stays on the disk", async () => {
    const verdict = await verifyStep(noisy.bench, noisy.mixed, 2e-3);
    const check = async (plant: Planted) => {
      await using device = await openDevice({ engine: "tensorrt", open: async () => new EmulatedBackend(plant) });
      return verifyOnEngine(noisy.bench, device, { candidate: noisy.mixed, tolerance: 2e-3, verdict });
    };
    const before = readdirSync(join(folder, "noisy"));
    const found = await check({});
    expect(found.engines.map((e) => [e.title, e.outcome])).toEqual([
      ["FP32, TF32 off", undefined],
      ["mixed.onnx", "within"],
    ]);
    expect(found.agreement?.verdicts).toMatchObject([{ predicted: "within", measured: "within" }]);
    expect((await check({ outputs: 5 })).agreement?.verdicts).toMatchObject([{ predicted: "within", measured: "not-within" }]);
    expect(readdirSync(join(folder, "noisy"))).toEqual(before);
  });

  const { capabilities } = new EmulatedBackend().environment;
  const old = { version: "8.6.1", capabilities: { ...capabilities, typings: ["weak"] as const } };

  it("is refused where types are not read from files, with the way that is left", async () => {
    const verdict = await verifyStep(noisy.bench, noisy.mixed, 2e-3);
    await using device = await openDevice({ engine: "tensorrt", open: async () => new EmulatedBackend({ environment: old }) });
    await expect(verifyOnEngine(noisy.bench, device, { candidate: noisy.mixed, tolerance: 2e-3, verdict })).rejects.toMatchObject({
      code: "ERR_OPTION",
      hint: expect.stringMatching(/verify .*model\.onnx --overrides overrides\.json --engine tensorrt --typing weak`, or use TensorRT 10/),
    });
  });

  it("is verified by its pins there, with constraints by the nodes' names", async () => {
    const backend = new EmulatedBackend({ environment: old });
    await using device = await openDevice({ engine: "tensorrt", open: async () => backend });
    const path = join(folder, "noisy-overrides.json");
    const plan = withPins(allHalf(noisy.bench.model.digest, "finite"), noisy.pins);
    writeFileSync(path, formatOverrides(overridesFromPlan(plan)));
    await using made = await overridesCandidate(noisy.bench, await readOverrides(path));
    expect(made.pins).toEqual(noisy.pins);
    const verdict = await verifyStep(noisy.bench, made.path, 2e-3);
    expect(verdict.outcome).toBe("within");
    const found = await verifyOnEngine(noisy.bench, device, {
      candidate: made.path,
      pins: made.pins,
      title: path,
      tolerance: 2e-3,
      verdict,
    });
    expect(backend.built.map((b) => (b.precision.kind === "weak" ? b.precision.constraints : b.precision.kind))).toEqual(["full", "obey"]);
    expect(found.engines[1]).toMatchObject({ title: path, typing: "weak", pins: noisy.pins });
    expect(found.engines[1]?.proofs?.map((p) => p.layer)).toEqual(noisy.pins);
  });

  const written = async (name: string, more: Partial<PrecisionPlan>) => {
    const path = join(folder, name);
    writeFileSync(path, formatOverrides(overridesFromPlan({ ...allHalf(noisy.bench.model.digest, "finite"), ...more })));
    return readOverrides(path);
  };

  it.each([
    ["weak", old],
    ["typed", {}],
  ] as const)("with FP32 as its default has no layer in FP16 where engines are %s", async (typing, environment) => {
    const backend = new EmulatedBackend({ environment });
    await using device = await openDevice({ engine: "tensorrt", open: async () => backend });
    await using made = await overridesCandidate(noisy.bench, await written("full-overrides.json", { defaultPrecision: "float32" }), typing);
    const verdict = await verifyStep(noisy.bench, made.path, 2e-3);
    const found = await verifyOnEngine(noisy.bench, device, { candidate: made.path, pins: made.pins, tolerance: 2e-3, verdict });
    const { types } = await noisy.bench.subject();
    const floats = noisy.bench.view.nodes.filter((n) => !/^Constant/.test(n.opType) && types.get(n.outputs[0] ?? "")?.dtype === "float32");
    const precision = backend.built[1]?.precision;
    if (typing === "weak") {
      expect(precision).toMatchObject({ kind: "weak", constraints: "obey" });
      expect(new Set(precision?.kind === "weak" ? precision.pins.map((p) => p.node) : [])).toEqual(new Set(floats.map((n) => n.name)));
    } else expect(precision?.kind).toBe("typed");
    expect(found.engines[1]).toMatchObject({ typing, error: 0, outcome: "within", halfTimeShare: 0 });
    // Every layer that computes a float, and none that does not, of which nothing could be proved.
    expect(new Set(found.engines[1]?.proofs?.map((p) => p.outcome))).toEqual(new Set(["took-effect"]));
    expect(found.engines[1]?.pins.length).toBeGreaterThan(20);
  });

  it("is told of constants that a weakly typed engine takes otherwise", async () => {
    const note = vi.spyOn(noisy.bench.progress, "note");
    try {
      const overrides = await written("overflow-overrides.json", { constants: "overflow" });
      const said = async (typing: "weak" | "typed" | undefined) => {
        note.mockClear();
        await using _ = await overridesCandidate(noisy.bench, overrides, typing);
        return note.mock.calls.flat().join();
      };
      expect(await said("weak")).toMatch(/"constants": "overflow" in .*overflow-overrides\.json does not reach the engine/);
      expect([await said("typed"), await said(undefined)]).toEqual(["", ""]);
    } finally {
      note.mockRestore();
    }
  });
});
