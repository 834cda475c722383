/** The engine that a program was asked for. */
import type { DeviceBackend } from "@halfscope/engine";
import { openBackend } from "@halfscope/engine";
import { type CommonOptions, useLibrary } from "./options.js";

export async function openEngine(o: Pick<CommonOptions, "engine" | "library">): Promise<DeviceBackend> {
  useLibrary(o);
  const backend = await openBackend(o.engine);
  const { library, version, gpu, driver } = backend.environment;
  console.error(`${library} ${version}${gpu === undefined ? "" : `, ${gpu}, driver ${driver ?? "unknown"}`}`);
  if (!backend.environment.capabilities.realHalf)
    console.error("This engine computes FP16 in FP32: a rehearsal. What it writes is no evidence.");
  return backend;
}
