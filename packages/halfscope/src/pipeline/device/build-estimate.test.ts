import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CancelledError, EngineError } from "@halfscope/core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Planted } from "../../../../../test/support/emulated-backend.js";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { buildNote } from "./build-estimate.js";
import { Subject } from "./testing/device-subject.js";

const folder = temporaryFolder();

describe("what is said before the first build", () => {
  it("counts builds, and gives the minutes of a known model with their source", () => {
    const note = buildNote({ sure: 6, most: 4, full: 2 }, "tensorrt", join(folder, "none"));
    expect(note).toContain("6 builds, then at most 4 more");
    // Five builds of about 20 s and the first in FP16 of about 80: 200 s in a run that was measured.
    expect(note).toContain("about 3 minutes for the first 6 with BERT-large on an H200");
    expect(note).toContain("later runs take less, by the timing cache");
    expect(buildNote({ sure: 1, most: 0, full: 1 }, "ort-tensorrt", undefined)).toMatch(
      /1 build\. TensorRT took about 1 minute for the first one/,
    );
  });

  it("says that a timing cache is there", () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "timing.cache"), "x");
    expect(buildNote({ sure: 3, most: 0, full: 1 }, "tensorrt", join(folder, "timing.cache"))).toContain("less here");
  });

  it("promises no minutes where sessions take seconds, and nothing where nothing is left", () => {
    expect(buildNote({ sure: 6, most: 4, full: 2 }, "ort-cuda", undefined)).toBe(
      "On the engine: 6 builds, then at most 4 more; each takes seconds.",
    );
    expect(buildNote({ sure: 0, most: 5, full: 0 }, "tensorrt", undefined)).toBe(
      "On the engine: nothing is left to build but for what trials may ask for, 5 builds at most, the FP32 engine's among them.",
    );
    expect(buildNote({ sure: 0, most: 0, full: 0 }, "tensorrt", undefined)).toBe("On the engine: nothing is left to build.");
  });
});

describe("what is said is what is built", () => {
  const quick = { guides: false, observe: "none", trials: 0 } as const;
  let noisy: Subject;
  let sound: Subject;
  beforeAll(async () => {
    noisy = await Subject.make(folder, "noisy", 2e-3, [{ kind: "noisy-layer", layer: 1 }]);
    sound = await Subject.make(folder, "sound", 1e-2);
  }, 240_000);
  afterAll(() => {
    for (const subject of [noisy, sound]) subject?.bench[Symbol.dispose]();
  });

  /** The note without what it says of minutes, and what was built then. */
  async function said(subject: Subject, plant: Planted, options: Parameters<Subject["on"]>[1]) {
    const note = vi.spyOn(subject.bench.progress, "note");
    try {
      const run = await subject.on(plant, options);
      const text = note.mock.calls.map(([t]) => t).find((t) => t.startsWith("On the engine: ")) ?? "";
      return { ...run, note: text.slice("On the engine: ".length, text.indexOf(".")), labels: run.backend.built.map((b) => b.label) };
    } finally {
      note.mockRestore();
    }
  }
  const noHalf = ({ label }: { label: string }) => {
    if (!label.startsWith("FP32")) throw new EngineError("ERR_ENGINE_BUILD", `Building ${label} failed: first | No kernel for it`);
  };

  it("counts the FP32 engine that the first trial of a resumed run needs", async () => {
    const at = join(folder, "resumed");
    const onBuild = (r: { label: string }) => {
      if (r.label.startsWith("trial")) throw new CancelledError();
    };
    await said(noisy, { outputs: 1.6, onBuild }, { ...quick, trials: 1, at });
    const { note, labels } = await said(noisy, { outputs: 1.6 }, { ...quick, trials: 1, at });
    expect(labels).toEqual(["FP32", "trial 1"]);
    expect(note).toBe("nothing is left to build but for what trials may ask for, 2 builds at most, the FP32 engine's among them");
  });

  it("counts the plan's engine and the FP32 engine where the journal has all", async () => {
    const at = join(folder, "plan-later");
    expect((await said(noisy, {}, { ...quick, at })).note).toBe("3 builds");
    expect((await said(noisy, {}, { ...quick, at })).note).toBe("nothing is left to build");
    const { note, labels } = await said(noisy, {}, { ...quick, at, savePlan: join(folder, "later.plan") });
    expect(labels).toEqual(["FP32", "recommended pins"]);
    expect(note).toBe("2 builds");
  });

  it("counts the engine that is built again for the plan since another one waited", async () => {
    // Both sets hold: the recommended engine waits, and the one without pins is wanted.
    const at = join(folder, "plan-again");
    const savePlan = join(folder, "again.plan");
    const first = await said(noisy, { outputs: 1e-4 }, { ...quick, at, savePlan });
    expect(first.labels).toEqual(["FP32", "all FP16, strongly typed", "recommended pins", "pins found on the engine"]);
    expect(first.note).toBe("3 builds, then at most 1 more");
    const second = await said(noisy, { outputs: 1e-4 }, { ...quick, at, savePlan });
    expect(second.labels).toEqual(["FP32", "pins found on the engine"]);
    expect(second.note).toBe("2 builds");
  });

  it("counts none for a plan whose engine is built anyway", async () => {
    const { note, labels } = await said(sound, {}, { ...quick, savePlan: join(folder, "sound.plan") });
    expect(labels).toEqual(["FP32", "all FP16, strongly typed"]);
    expect(note).toBe("2 builds");
    expect((await said(sound, {}, { ...quick, trials: 4, savePlan: join(folder, "sound.plan") })).note).toBe(
      "2 builds, then at most 5 more",
    );
  });

  it("counts a recommended engine that failed, for it is tried again, and no other", async () => {
    const at = join(folder, "failed");
    // Without pins it is the engine with all in FP16, which is not needed and of which the journal knows already.
    const { failure } = await said(sound, { onBuild: noHalf }, { ...quick, at });
    expect(failure).toMatchObject({ code: "ERR_ENGINE_BUILD" });
    const { note, labels } = await said(sound, {}, { ...quick, at });
    expect(labels).toEqual(["FP32", "no pins, as recommended"]);
    expect(note).toBe("2 builds");

    const other = join(folder, "failed-other");
    await said(noisy, { onBuild: noHalf }, { ...quick, at: other });
    const marked = await said(noisy, {}, { ...quick, at: other, observe: "outputs" });
    expect(marked.labels).toEqual(["FP32", "FP32, tensors marked", "all FP16, tensors marked", "recommended pins"]);
    expect(marked.note).toBe("4 builds");
  });
});
