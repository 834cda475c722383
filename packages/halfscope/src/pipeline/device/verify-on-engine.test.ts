import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { allHalf, formatOverrides, overridesFromPlan, withPins } from "@halfscope/precision";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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
});
