import { type DeviceCapabilities, type DeviceEnvironment, EngineError } from "@halfscope/core";
import { loadAddon } from "../../addon-load.js";
import type { DeviceBackend } from "../backend.js";
import { OrtBackend } from "./ort-backend.js";
import { type OrtBackendName, typings } from "./provider-options.js";

const titles: Readonly<Record<OrtBackendName, string>> = {
  "ort-cpu": "ONNX Runtime, CPU provider",
  "ort-cuda": "ONNX Runtime, CUDA provider",
  "ort-tensorrt": "ONNX Runtime, TensorRT provider",
};

const capabilitiesOf = (name: OrtBackendName): DeviceCapabilities => ({
  typings,
  profiles: name === "ort-tensorrt",
  debugTensors: false,
  unfusedTensors: false,
  strictNans: false,
  layerTimes: false,
  realHalf: name !== "ort-cpu",
});

/** ONNX Runtime with an execution provider. Throws EngineError ERR_BACKEND_UNAVAILABLE where it cannot be had, never falls back to another provider. */
export async function openOrt(name: OrtBackendName): Promise<DeviceBackend> {
  const { library } = loadAddon();
  if (name !== "ort-cpu") throw new EngineError("ERR_BACKEND_UNAVAILABLE", `${titles[name]}: not there yet.`);
  const environment: DeviceEnvironment = {
    backend: name,
    library: titles[name],
    version: library.version,
    libraryPath: library.library,
    capabilities: capabilitiesOf(name),
  };
  return new OrtBackend(name, environment);
}
