import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { buildNote } from "./build-estimate.js";

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
    expect(buildNote({ sure: 0, most: 4, full: 0 }, "tensorrt", undefined)).toMatch(/nothing is left to build .* 4 builds at most/);
  });
});
