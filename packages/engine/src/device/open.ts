import type { BackendName } from "@halfscope/core";
import type { DeviceBackend } from "./backend.js";
import { openOrt } from "./ort/index.js";
import { openTensorRt } from "./tensorrt/backend.js";

/**
 * A real engine's library, loaded and found to work on this machine. Throws EngineError ERR_BACKEND_UNAVAILABLE, in one line that says what is missing; no
 * backend stands in for another. Dispose of it when its engines are no longer needed.
 */
export async function openBackend(name: BackendName): Promise<DeviceBackend> {
  return name === "tensorrt" ? openTensorRt() : openOrt(name);
}
