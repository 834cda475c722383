import type { Hazard } from "@halfscope/core";
import { bySeverity, type HazardOptions } from "./context.js";
import { coordinateHazards } from "./coordinates.js";
import { divisorHazards } from "./epsilons.js";
import { fullForms, innerStates } from "./limits.js";
import { findMasks } from "./masks.js";
import { normHazards } from "./norms.js";
import { positionHazards } from "./positions.js";
import { hiddenHazards, rangeHazards } from "./ranges.js";
import { reductionHazards } from "./reductions.js";
import { handSoftmaxHazards } from "./softmax.js";
import { weightHazards } from "./weights.js";

export {
  type HalfLoss,
  type HazardOptions,
  type MeasuredRange,
  type Range,
  rangeOf,
  type WeightScan,
} from "./context.js";

/**
 * Reasons why FP16 may fail, from the graph, the weights and, when given, measured ranges; sorted by severity, families in the order of their weight.
 * `error`: will or did fail; `warning`: it is near; `info`: worth knowing. What has one cause is told once, by the family that knows the cause.
 */
export async function findHazards(o: HazardOptions): Promise<Hazard[]> {
  // The others are about FP16's range and its distances between numbers; bfloat16 has FP32's range.
  if (o.floats.type === "bfloat16") return [...innerStates(o), ...fullForms(o)];
  const norms = o.layers.flatMap((layer) => normHazards(o, layer));
  const softmaxes = handSoftmaxHazards(o);
  const masks = findMasks(o);
  const explained = innerTensors(o, [...norms, ...softmaxes]);
  const weights = await weightHazards(o, masks);
  const hazards = [
    ...norms,
    ...masks.hazards,
    ...softmaxes,
    ...rangeHazards(o, masks.tensors, explained),
    ...divisorHazards(o),
    ...positionHazards(o),
    ...weights,
    ...hiddenHazards(o),
    ...coordinateHazards(o),
    ...reductionHazards(o, explained),
    ...innerStates(o),
    ...fullForms(o),
  ];
  const seen = new Set<string>();
  return hazards.sort(bySeverity).filter((h) => {
    // An epsilon or a mask that all layers share is one thing to mend: the layer where it is worst stands for it.
    const key = `${h.code}\0${h.tensor}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Tensors inside the layers whose overflow these hazards speak of already; what a layer gives to others is not inside. */
function innerTensors({ view, layers }: HazardOptions, hazards: readonly Hazard[]): Set<string> {
  const told = hazards.filter((h) => h.severity !== "info" && (h.code === "decomposed-layer-norm" || h.code === "decomposed-softmax"));
  const inner = new Set(told.map((h) => h.tensor));
  const ids = new Set(told.map((h) => h.layer));
  for (const layer of layers)
    if (ids.has(layer.id))
      for (const i of layer.nodes) for (const t of view.nodes[i]?.outputs ?? []) if (!layer.outputs.includes(t)) inner.add(t);
  return inner;
}
