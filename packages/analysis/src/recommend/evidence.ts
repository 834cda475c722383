import type { LayerSensitivity } from "@halfscope/core";
import type { RecommendOptions } from "./recommend.js";

type About = Pick<RecommendOptions, "basePins" | "sensitivity" | "costs">;

const sensitivityOf = (layer: string, o: About): LayerSensitivity | undefined => o.sensitivity.layers.find((l) => l.layer === layer);

/** Why a layer is pinned, one sentence. */
export function reasonOf(layer: string, o: About): string {
  const base = o.basePins.find((p) => p.layer === layer);
  if (base !== undefined) return base.reason;
  const s = sensitivityOf(layer, o);
  if (s === undefined || s.outputError === 0) return "neighbour of a pinned layer: what they share is rounded until both are in FP32";
  return `its roundings alone change the final outputs by ${s.outputError.toPrecision(2)} (relative L2)`;
}

/** The numbers behind it. */
export function evidenceOf(layer: string, o: About): Readonly<Record<string, number | string>> {
  const s = sensitivityOf(layer, o);
  return {
    ...(s && { outputError: s.outputError, activation: s.activation, weight: s.weight }),
    shareOfWork: o.costs.of([layer]).fp32Share,
  };
}
