import type { DeviceEnvironment } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { settleTyping } from "./options.js";

const environment = (version: string, debugTensors = false): DeviceEnvironment => ({
  backend: "tensorrt",
  library: "TensorRT",
  version,
  capabilities: {
    typings: ["typed", "weak"],
    profiles: true,
    debugTensors,
    unfusedTensors: false,
    strictNans: true,
    layerTimes: true,
    realHalf: true,
  },
});

describe("what a library cannot do", () => {
  it("debug tensors are refused where they end the process, with the reason and another way", () => {
    const settle = (version: string, able?: boolean) => () =>
      settleTyping({ engine: "tensorrt", observe: "debug" }, environment(version, able));
    const refused = expect.objectContaining({
      code: "ERR_OPTION",
      message: expect.stringMatching(/TensorRT 10\.6\.0: its builder ends the whole process/),
      hint: "Observe with --observe outputs.",
    });
    expect(settle("10.6.0")).toThrow(refused);
    expect(settle("8.6.1")).toThrow(expect.objectContaining({ message: "TensorRT 8.6.1 has no debug tensors." }));
    expect(settle("10.12.0", true)()).toBe("typed");
  });
});
