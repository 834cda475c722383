import { type RuleSuggestion, ruleSuggestions } from "@halfscope/analysis";
import type { EngineRecord } from "@halfscope/core";
import { measureEngine } from "./measure-engine.js";
import type { DeviceSession } from "./session.js";

/** Rules that every guide names. */
const advised: ReadonlySet<RuleSuggestion["rule"]> = new Set(["layer-norm", "softmax", "embedding"]);

/** What guides advise to pin in this model, in graph order; empty where it has none of it. */
export async function guidePins(s: DeviceSession): Promise<string[]> {
  const { roundings } = await s.bench.subject();
  const wanted = new Set(ruleSuggestions(s.bench.layers, roundings).flatMap((r) => (advised.has(r.rule) ? r.layers : [])));
  return s.bench.layers.map((l) => l.id).filter((id) => wanted.has(id));
}

/** The engine with normalizations, Softmaxes and embeddings pinned, as guides advise: what that costs and buys. Undefined where the model has none. */
export async function guidesStep(s: DeviceSession): Promise<EngineRecord | undefined> {
  const pins = await guidePins(s);
  return pins.length === 0 ? undefined : measureEngine(s, { role: "guides", title: "as guides advise", pins });
}
