import type { EngineRecord } from "@halfscope/core";
import { type EngineSpec, measureEngine } from "./measure-engine.js";
import type { DeviceSession } from "./session.js";

/** The recommended pins on the engine: the mixed file, or weakly typed the model with constraints that have to be obeyed. */
export const recommendedSpec = (pins: readonly string[], mixed: string): EngineSpec => ({
  role: "recommended",
  title: pins.length === 0 ? "no pins, as recommended" : "recommended pins",
  pins,
  path: mixed,
  needed: true,
});

/** Builds and measures it, and warns of pins that are not in it. Throws what the build throws: what was asked for is this engine. */
export async function recommendedStep(s: DeviceSession, spec: EngineSpec): Promise<EngineRecord> {
  const record = await measureEngine(s, spec);
  for (const proof of record.proofs ?? [])
    if (proof.outcome === "ignored" || proof.outcome === "not-found")
      s.warn(`The pin of "${proof.layer}" did not take effect on the engine: ${proof.evidence}`);
  return record;
}
