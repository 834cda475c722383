import type { DeviceEngine } from "@halfscope/engine";
import { savePlan as writePlan } from "@halfscope/engine";
import type { DeviceSession } from "./session.js";

/** Writes a built engine's plan file with its sidecar. Throws ERR_OUTPUT_NOT_WRITABLE. */
export async function savePlan(
  s: DeviceSession,
  engine: DeviceEngine,
  precision: Parameters<typeof writePlan>[2]["precision"],
  path: string,
): Promise<void> {
  const facts = { title: engine.label, precision, modelDigest: s.bench.model.digest, profiles: s.profiles };
  await writePlan(path, await engine.serialize(), facts, s.environment);
  s.bench.progress.note(`The engine's plan: ${path}`);
}
