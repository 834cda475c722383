import { EngineError, type GpuClocks } from "@halfscope/core";
import { fromNative } from "../addon-errors.js";
import { loadAddonAlone } from "../addon-load.js";

/**
 * How fast the GPU that CUDA uses runs at this moment, as the driver's management library (NVML) tells it; a few milliseconds, off the event loop. Undefined where there is no
 * GPU or no such library, or where it does not tell (some virtual machines). Throws EngineError ERR_BACKEND_UNAVAILABLE only where there is no addon.
 */
export async function readGpuClocks(): Promise<GpuClocks | undefined> {
  const addon = loadAddonAlone();
  try {
    return await addon.cudaClocks?.();
  } catch (error) {
    const known = fromNative(error, "Reading the GPU's clocks");
    if (known instanceof EngineError && known.code === "ERR_BACKEND_UNAVAILABLE") return undefined;
    throw known;
  }
}
