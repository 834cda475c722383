import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Planted } from "../../../../../test/support/emulated-backend.js";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { Subject } from "./testing/device-subject.js";

const folder = temporaryFolder();
let noisy: Subject;
beforeAll(async () => {
  noisy = await Subject.make(folder, "noisy", 2e-3, [{ kind: "noisy-layer", layer: 1 }]);
}, 120_000);
afterAll(() => noisy?.bench[Symbol.dispose]());

describe("the plan that is saved", () => {
  interface Sidecar {
    title: string;
    pins: string[];
  }
  const read = (path: string): Sidecar => {
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
    return JSON.parse(readFileSync(`${path}.json`, "utf8")) as Sidecar;
  };
  const save = (name: string, plant: Planted, options: Parameters<Subject["on"]>[1] = {}) => {
    const path = join(folder, `${name}.plan`);
    return noisy.on(plant, { guides: false, observe: "none", ...options, savePlan: path }).then((run) => ({ ...run, path }));
  };

  it("is of the recommended pins where they hold, with what it needs beside it", async () => {
    const { path, backend, warnings } = await save("recommended", {}, { trials: 0 });
    expect(read(path)).toMatchObject({ version: "10.6.0", modelDigest: noisy.bench.model.digest, precision: { kind: "typed" } });
    expect(read(path)).toMatchObject({ pins: noisy.pins, title: expect.stringContaining("within the tolerance of 0.002") });
    expect(backend.built.map((b) => b.label)).toEqual(["FP32", "all FP16, strongly typed", "recommended pins"]);
    expect(warnings).toEqual([]);
  });

  it("is of the pins that trials found where the recommended ones do not hold, built once", async () => {
    const { path, result, backend, warnings } = await save("refined", { outputs: 1.6 });
    expect(result.engines.find((e) => e.role === "recommended")?.outcome).toBe("not-within");
    expect(read(path).pins).toEqual(result.refined?.pins);
    expect(read(path).title).toMatch(/^trial \d: \d+ pins; the engine has an error of 0\.00\d+, within/);
    // Neither again for the plan, nor any of them twice.
    const labels = backend.built.map((b) => b.label);
    expect(labels).not.toContain("pins found on the engine");
    expect(new Set(labels).size).toBe(labels.length);
    expect(warnings.join()).not.toContain("The plan");
  });

  it("is built again for a later run, which the journal spares everything else", async () => {
    const at = join(folder, "plan-later");
    const { result } = await noisy.on({ outputs: 1.6 }, { guides: false, observe: "none", at });
    const { path, backend } = await save("later", { outputs: 1.6 }, { at });
    expect(backend.built.map((b) => b.label)).toEqual(["FP32", "pins found on the engine"]);
    expect(read(path).pins).toEqual(result.refined?.pins);
  });

  it("is never silently one that does not hold", async () => {
    const { path, warnings } = await save("beyond", { outputs: 1000 }, { trials: 1 });
    expect(warnings.join()).toMatch(new RegExp(`The plan ${path} does NOT meet the tolerance: its engine has an error of`));
    expect(read(path)).toMatchObject({ pins: noisy.pins, title: expect.stringContaining("beyond the tolerance") });
  });

  it("is refused before the first build where it cannot be written", async () => {
    const { failure, backend } = await noisy.on({}, { savePlan: join(folder, "no-such-folder", "x.plan") });
    expect(failure).toMatchObject({ code: "ERR_OUTPUT_NOT_WRITABLE" });
    expect(backend.built).toEqual([]);
  });
});
