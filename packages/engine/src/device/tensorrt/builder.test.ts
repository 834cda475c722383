import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { silentProgress } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { exampleModel } from "../testing/example-models.js";
import { buildTensorRt } from "./builder.js";
import { debugTensorsFault } from "./library.js";
import type { NativeBuild, NativeBuildRequest, NativeTensorRt } from "./native.js";

const folder = temporaryFolder();
const profiles = [{ inputs: { x: { min: [1, 16], opt: [4, 16], max: [64, 16] } } }];

/** A library whose build ends when it is told to: what came of it, and what a person read meanwhile. */
async function aborted(version: string): Promise<string[]> {
  const path = join(folder, "model.onnx");
  writeFileSync(path, exampleModel("full"));
  const notes: string[] = [];
  let end: (error: Error) => void = () => undefined;
  const native = {
    tensorrtTask: () => ({
      cancel: () => setTimeout(() => end(Object.assign(new Error("cancelled"), { code: "ERR_CANCELLED" })), 5),
      phases: () => [],
      count: () => 0,
    }),
    tensorrtBuild: () => new Promise<NativeBuild>((_, reject) => (end = reject)),
  } as unknown as NativeTensorRt;
  const stop = new AbortController();
  const progress = { ...silentProgress, note: (text: string) => void notes.push(text) };
  const build = buildTensorRt(native, { label: "FP32", path, precision: { kind: "full" }, profiles }, version, {
    signal: stop.signal,
    progress,
  });
  setTimeout(() => stop.abort(), 20);
  await expect(build).rejects.toMatchObject({ code: "ERR_CANCELLED" });
  return notes;
}

describe("a build that is stopped", () => {
  it("ends at once from TensorRT 10 on; 8 cannot be stopped, and that is said while a person waits", async () => {
    expect(await aborted("10.6.0")).toEqual([]);
    expect(await aborted("8.6.1")).toEqual(["TensorRT 8 cannot be stopped in a build; waiting for its end."]);
  });
});

describe("constants in front of pins", () => {
  it.each([
    ["8.6.1", true],
    ["10.6.0", false],
    ["11.1.0", false],
  ])("on %s are typed: %s", async (version, typed) => {
    const path = join(folder, "model.onnx");
    writeFileSync(path, exampleModel("full"));
    const asked: boolean[] = [];
    const native = {
      tensorrtTask: () => ({ cancel() {}, phases: () => [], count: () => 0 }),
      tensorrtBuild: async (request: NativeBuildRequest) => {
        asked.push(request.typeConstants);
        return { plan: new Uint8Array(), timingCache: new Uint8Array(), pinsNotFound: [], messages: [] } as unknown as NativeBuild;
      },
    } as unknown as NativeTensorRt;
    const request = { label: "pins", path, precision: { kind: "full" }, profiles } as const;
    await buildTensorRt(native, request, version);
    await buildTensorRt(native, { ...request, options: { typeConstants: !typed } }, version);
    expect(asked).toEqual([typed, !typed]);
  });
});

describe("debug tensors", () => {
  it("are known to end the process on 10.6 alone", () => {
    expect(debugTensorsFault("10.6.0")).toMatch(/corrupted double-linked list/);
    for (const version of ["8.6.1", "10.0.1", "10.8.0", "10.60.0", "11.0.0"]) expect(debugTensorsFault(version)).toBeUndefined();
  });
});
