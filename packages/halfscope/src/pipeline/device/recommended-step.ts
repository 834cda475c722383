import type { EngineRecord } from "@halfscope/core";
import { measureEngine } from "./measure-engine.js";
import { savePlan } from "./save-plan.js";
import type { DeviceSession } from "./session.js";

/** The recommended pins on the engine: the mixed file, or weakly typed the model with constraints that have to be obeyed. */
export async function recommendedStep(s: DeviceSession, pins: readonly string[], mixed: string): Promise<EngineRecord> {
  const { savePlan: out } = s.options;
  const record = await measureEngine(
    s,
    { role: "recommended", title: "recommended pins", pins, path: mixed },
    out === undefined ? undefined : (engine, _, precision) => savePlan(s, engine, precision, out),
  );
  for (const proof of record.proofs ?? [])
    if (proof.outcome === "ignored" || proof.outcome === "not-found")
      s.warn(`The pin of "${proof.layer}" did not take effect on the engine: ${proof.evidence}`);
  return record;
}
