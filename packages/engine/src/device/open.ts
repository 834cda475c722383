import { type BackendName, EngineError } from "@halfscope/core";
import type { DeviceBackend } from "./backend.js";
import { openOrt } from "./ort/index.js";

/**
 * A real engine's library, loaded and found to work on this machine. Throws EngineError ERR_BACKEND_UNAVAILABLE, in one line that says what is missing; no
 * backend stands in for another. Dispose of it when its engines are no longer needed.
 */
export async function openBackend(name: BackendName): Promise<DeviceBackend> {
  if (name !== "tensorrt") return openOrt(name);
  throw new EngineError("ERR_BACKEND_UNAVAILABLE", "This version of halfscope has no TensorRT backend yet.", {
    hint: "ort-tensorrt runs TensorRT through ONNX Runtime.",
  });
}
