import { describe, expect, it } from "vitest";
import { engineFrom } from "./device-options.js";
import { memoryPoolsFrom, workspaceFrom } from "./memory-options.js";
import { providerOptionsFrom } from "./provider-options.js";

const refused = (message: RegExp, hint: RegExp = /./) =>
  expect.objectContaining({ code: "ERR_OPTION", message: expect.stringMatching(message), hint: expect.stringMatching(hint) });

describe("an amount of memory", () => {
  it("is bytes, or has a unit", () => {
    expect(["4GiB", "512 MB", "1048576", "1.5GB"].map(workspaceFrom)).toEqual([4 * 2 ** 30, 512e6, 2 ** 20, 1.5e9]);
  });
  it("of less than 1 MiB lacks its unit", () => {
    expect(() => workspaceFrom("4")).toThrow(refused(/at least 1 MiB, found "4", which is 4 bytes/, /Did you mean 4GiB\?/));
    expect(() => workspaceFrom("100kB")).toThrow(refused(/at least 1 MiB/, /--workspace 4GiB/));
    for (const text of ["", "0", "-4GiB", "many"]) expect(() => workspaceFrom(text)).toThrow(refused(/needs an amount of memory/));
  });
});

describe("memory pools", () => {
  it("are amounts by name, however small", () => {
    expect(memoryPoolsFrom(["tactic-dram=2GiB", "tactic-shared-memory=48KiB"])).toEqual({
      "tactic-dram": 2 ** 31,
      "tactic-shared-memory": 48 * 1024,
    });
  });
  it.each([
    ["dla-managed-sram=1GiB", /needs tactic-dram or tactic-shared-memory, found "dla-managed-sram=1GiB"/],
    ["tactic-dram", /tactic-dram needs an amount of memory, found "tactic-dram"/],
    ["tactic-dram=0", /needs an amount of memory/],
    ["__proto__=1", /needs tactic-dram or/],
  ])("refuse %s", (text, message) => {
    expect(() => memoryPoolsFrom([text])).toThrow(refused(message, /--memory-pool tactic-dram=2GiB/));
  });
  it("refuse one that is named twice", () => {
    expect(() => memoryPoolsFrom(["tactic-dram=1GiB", "tactic-dram=2GiB"])).toThrow(refused(/names tactic-dram twice/));
  });
});

describe("options of ONNX Runtime's providers", () => {
  it("are KEY=VALUE, the value as it stands", () => {
    expect(providerOptionsFrom(["cudnn_conv_algo_search=HEURISTIC", "session.x=a=b c"], "ort-cuda")).toEqual({
      cudnn_conv_algo_search: "HEURISTIC",
      "session.x": "a=b c",
    });
    expect(providerOptionsFrom(["trt_cuda_graph_enable=1", "device_id=0"], "ort-tensorrt")).toEqual({
      trt_cuda_graph_enable: "1",
      device_id: "0",
    });
    expect(providerOptionsFrom(["session.intra_op.allow_spinning=0"], "ort-cpu")).toEqual({ "session.intra_op.allow_spinning": "0" });
    expect(Object.keys(providerOptionsFrom(["__proto__=1"], "ort-cuda"))).toEqual(["__proto__"]);
  });

  it.each([
    [["device_id"], "ort-cuda", /needs KEY=VALUE, found "device_id"/, /For instance/],
    [["=1"], "ort-cuda", /needs KEY=VALUE/, /./],
    [["a="], "ort-cuda", /needs KEY=VALUE/, /./],
    [["a=1", "a=2"], "ort-cuda", /gives a twice/, /once/],
    [["use_tf32=1"], "ort-cuda", /cannot set use_tf32/, /a reference in TF32 is none/],
    [["trt_fp16_enable=1"], "ort-tensorrt", /cannot set trt_fp16_enable/, /Types are those that the file states/],
    [["trt_profile_min_shapes=x:1"], "ort-tensorrt", /cannot set/, /--profile/],
    [["trt_cuda_graph_enable=1"], "ort-cuda", /an option of the TensorRT provider/, /--engine ort-tensorrt/],
    [["device_id=0"], "ort-cpu", /The CPU's provider has no options, found device_id/, /dot/],
    [["device_id=0"], "tensorrt", /is ONNX Runtime's; the engine is tensorrt/, /--workspace/],
  ] as const)("%j for %s are refused", (texts, engine, message, hint) => {
    expect(() => providerOptionsFrom(texts, engine)).toThrow(refused(message, hint));
  });

  it("reach the build, and need an engine", async () => {
    const args = { "strict-nans": false, "provider-option": ["device_id=0"] };
    expect((await engineFrom({ ...args, engine: "ort-cuda" }))?.build?.providerOptions).toEqual({ device_id: "0" });
    expect((await engineFrom({ "strict-nans": false, engine: "ort-cuda" }))?.build).toEqual({});
    expect((await engineFrom({ "strict-nans": false, engine: "tensorrt", "memory-pool": ["tactic-dram=1GiB"] }))?.build).toEqual({
      memoryPools: { "tactic-dram": 2 ** 30 },
    });
    await expect(engineFrom(args)).rejects.toMatchObject({ code: "ERR_OPTION", message: "--provider-option needs --engine." });
  });
});
