import { describe, expect, test } from "vitest";
import type { DeviceBuildRequest } from "../backend.js";
import { sessionSetup } from "./provider-options.js";

const request: DeviceBuildRequest = { label: "example", path: "model.onnx", precision: { kind: "typed" } };
const range = { min: [1, 1], opt: [1, 128], max: [8, 512] };

describe("options of execution providers", () => {
  test("turn TF32 off on CUDA unless it is asked for, and pass on what a person gives", () => {
    expect(sessionSetup("ort-cuda", request).providers).toEqual([{ name: "CUDA", options: { use_tf32: "0" } }]);
    const given = {
      ...request,
      options: { tf32: true, providerOptions: { arena_extend_strategy: "kSameAsRequested", "session.intra_op.allow_spinning": "0" } },
    };
    expect(sessionSetup("ort-cuda", given)).toMatchObject({
      providers: [{ name: "CUDA", options: { use_tf32: "1", arena_extend_strategy: "kSameAsRequested" } }],
      config: { "session.intra_op.allow_spinning": "0" },
      optimization: "all",
    });
  });

  test("say profiles, workspace and timing cache in the TensorRT provider's words, with CUDA behind it", () => {
    const profiles = [{ inputs: { ids: range, mask: range } }, { inputs: { ids: { ...range, max: [16, 512] }, mask: range } }];
    const options = {
      workspaceBytes: 2 ** 30,
      timingCache: "/caches/timing.cache",
      optimizationLevel: 5,
      providerOptions: { trt_cuda_graph_enable: "1", device_id: "0" },
    };
    const { providers, notes } = sessionSetup("ort-tensorrt", { ...request, profiles, options });
    expect(providers.map((p) => p.name)).toEqual(["TensorRT", "CUDA"]);
    expect(providers[0]?.options).toMatchObject({
      trt_fp16_enable: "0",
      trt_engine_cache_enable: "0",
      trt_max_workspace_size: "1073741824",
      trt_builder_optimization_level: "5",
      trt_timing_cache_enable: "1",
      trt_timing_cache_path: "/caches",
      trt_profile_min_shapes: "ids:1x1,mask:1x1,ids:1x1,mask:1x1",
      trt_profile_max_shapes: "ids:8x512,mask:8x512,ids:16x512,mask:8x512",
      trt_cuda_graph_enable: "1",
    });
    expect(providers[1]?.options).toEqual({ use_tf32: "0", device_id: "0" });
    expect(notes).toMatchObject([{ severity: "info", text: expect.stringMatching(/^TF32 is off/) }]);
  });

  test("state TF32, and refuse it where it cannot be chosen", () => {
    expect(sessionSetup("ort-cuda", request).notes).toMatchObject([{ text: "TF32 is off (use_tf32=0)." }]);
    expect(sessionSetup("ort-cuda", { ...request, options: { tf32: true } }).notes).toMatchObject([{ text: "TF32 is on (use_tf32=1)." }]);
    expect(() => sessionSetup("ort-tensorrt", { ...request, options: { tf32: true } })).toThrow(/TF32/);
  });

  test("refuse TensorRT's options on CUDA, and names that the provider has no form for", () => {
    expect(() => sessionSetup("ort-cuda", { ...request, options: { providerOptions: { trt_fp16_enable: "1" } } })).toThrow(
      /trt_fp16_enable/,
    );
    expect(() => sessionSetup("ort-tensorrt", { ...request, profiles: [{ inputs: { "a:0": range } }] })).toThrow(/"a:0"/);
  });
});
