import type { BenchEngine, DeviceEnvironment } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { meaningWarnings } from "./bench-record.js";

const environment = (realHalf: boolean): DeviceEnvironment => ({
  ...{ backend: "ort-cuda", library: "ONNX Runtime", version: "1.30.0" },
  capabilities: {
    typings: ["typed"],
    profiles: false,
    debugTensors: false,
    unfusedTensors: false,
    strictNans: false,
    layerTimes: false,
    realHalf,
  },
});
const engine = (role: BenchEngine["role"], ran: Readonly<Record<string, number>> = {}): BenchEngine => ({
  ...{ role, title: "", typing: "full", digest: "", sizeBytes: 1, buildSeconds: 1, messages: [] },
  placement: Object.entries(ran).map(([provider, nodes]) => ({ provider, nodes, operators: { Gather: nodes } })),
});

describe("warnings about what figures mean", () => {
  it("tell of nodes that fell back to the CPU, of those that ran", () => {
    const ran = { CUDAExecutionProvider: 90, CPUExecutionProvider: 10, "folded or fused": 50 };
    expect(meaningWarnings(environment(true), [engine("candidate", ran)], false)).toEqual([
      "10 of 100 nodes of the candidate run on the CPU (10 Gather): every call copies what they read and give.",
    ]);
  });
  it("say nothing where the CPU is all there is, or has nothing to do", () => {
    expect(meaningWarnings(environment(true), [engine("reference", { CPUExecutionProvider: 10, "folded or fused": 50 })], false)).toEqual(
      [],
    );
    expect(meaningWarnings(environment(true), [engine("reference", { CUDAExecutionProvider: 10 })], false)).toEqual([]);
  });
  it("tell of FP16 that is none, where there is any", () => {
    expect(meaningWarnings(environment(false), [engine("reference")], false)).toEqual([]);
    expect(meaningWarnings(environment(false), [engine("reference"), engine("candidate")], false)[0]).toMatch(/say nothing about a GPU/);
    expect(meaningWarnings(environment(false), [engine("reference")], true)[0]).toMatch(/computes FP16 operators in FP32/);
  });
});
