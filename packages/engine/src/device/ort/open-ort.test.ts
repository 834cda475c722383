import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { turnTf32Off } from "./open-ort.js";
import { sessionSetup, tf32Variable } from "./provider-options.js";

beforeEach(() => vi.stubEnv(tf32Variable, undefined));
afterEach(() => {
  vi.unstubAllEnvs();
});

describe("TF32 of ONNX Runtime's TensorRT provider", () => {
  test("is turned off for the process before CUDA is loaded", () => {
    expect(turnTf32Off("engine", false, true)).toBeUndefined();
    expect(process.env[tf32Variable]).toBe("0");
    // Then it is off for CUDA's provider too, whatever its option says.
    const { notes } = sessionSetup("ort-cuda", { label: "", path: "", precision: { kind: "full" }, options: { tf32: true } });
    expect(notes).toMatchObject([{ text: expect.stringMatching(/off for the whole process/) }]);
  });

  test.each([
    ["after CUDA's libraries were loaded", true, true, /loaded without it, by another backend/],
    ["in a worker thread", false, false, /only the main thread could set it/],
  ])("cannot be turned off %s; nothing is changed then", (_, late, mainThread, why) => {
    expect(turnTf32Off("engine", late, mainThread)).toMatchObject({ code: "ERR_BACKEND_UNAVAILABLE", hint: expect.stringMatching(why) });
    expect(process.env[tf32Variable]).toBeUndefined();
    vi.stubEnv(tf32Variable, "0");
    expect(turnTf32Off("engine", late, mainThread)).toBeUndefined();
    vi.stubEnv(tf32Variable, "1");
    expect(turnTf32Off("engine", late, mainThread)).toMatchObject({ hint: expect.stringMatching(/it is 1/) });
  });
});
