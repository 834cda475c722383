import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Planted } from "../../../../../test/support/emulated-backend.js";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { requirePlanPlace } from "./save-plan.js";
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

  it("is refused before the first build where it cannot be written, and nothing stays behind", async () => {
    const { failure, backend, folder: at } = await noisy.on({}, { savePlan: join(folder, "no-such-folder", "x.plan") });
    expect(failure).toMatchObject({ code: "ERR_OUTPUT_NOT_WRITABLE" });
    expect(backend.built).toEqual([]);
    expect(readdirSync(at)).toEqual([]);
  });
});

describe("the place of a plan", () => {
  const at = join(folder, "place");
  beforeAll(() => {
    mkdirSync(join(at, "taken.plan"), { recursive: true });
    mkdirSync(join(at, "beside.plan.json"));
    writeFileSync(join(at, "file"), "");
    chmodSync(join(at, "file"), 0o777);
  });

  it.each([
    ["in no folder", "none/x.plan", /ENOENT/, /a folder that is there/],
    ["in a file", "file/x.plan", /expected a folder at .*file, found none/, /a folder that is there/],
    ["where a folder is", "taken.plan", /expected a file or nothing at .*taken\.plan, found a folder/, /name of a file/],
    ["where a folder is in the place of what stands beside it", "beside.plan", /beside\.plan\.json, found a folder/, /name of a file/],
  ])("is refused %s", async (_, path, message, hint) => {
    const refused = expect.objectContaining({
      code: "ERR_OUTPUT_NOT_WRITABLE",
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
    await expect(requirePlanPlace(join(at, path))).rejects.toEqual(refused);
  });

  it("may be a folder that is made before it is written, and no other that is not there", async () => {
    const results = join(at, "all", "results");
    await requirePlanPlace(join(results, "x.plan"), results);
    await requirePlanPlace(join(at, "all", "x.plan"), results);
    await requirePlanPlace(join(at, "file"), results);
    for (const path of [join(at, "al", "x.plan"), join(results, "plans", "x.plan")])
      await expect(requirePlanPlace(path, results)).rejects.toMatchObject({ code: "ERR_OUTPUT_NOT_WRITABLE" });
  });
});
