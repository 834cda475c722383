import { type Agreement, type DeviceTensor, type ErrorStats, finitePairs, meanAbs, relativeL2 } from "@halfscope/core";
import { tensorAgreement } from "./tensor-agreement.js";

/** How many of the worst layers are looked at. */
const worstLayers = 10;

const rmsOf = (s: ErrorStats): number => (finitePairs(s) === 0 ? 0 : Math.sqrt(s.sumSquaredReference / finitePairs(s)));
/** Sums leave out what is not finite; such a tensor is infinitely wrong, not exact. */
const measuredMean = (s: ErrorStats): number => (s.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : meanAbs(s));
const measuredRelative = (s: ErrorStats): number => (s.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : relativeL2(s));

/**
 * Prediction against engine: verdicts as they are, ratio and order over the tensors, and how far the worst layers by either are the same ones. Parts for which there
 * are too few tensors are left out.
 */
export function agreementOf(
  verdicts: Agreement["verdicts"],
  tensors: readonly DeviceTensor[],
  depths: ReadonlyMap<string, number>,
): Agreement {
  const predicted = tensors.filter((t) => t.predicted !== undefined);
  const found = tensorAgreement(
    predicted.map((t) => ({
      tensor: t.tensor,
      predicted: t.predicted?.meanAbs ?? Number.NaN,
      measured: measuredMean(t.measured),
      rms: rmsOf(t.measured),
      depth: depths.get(t.tensor) ?? 0,
    })),
  );
  const worst = sharedWorst(predicted);
  const { pairs, median, low, high, spearman, nullSpearman } = found;
  return {
    verdicts,
    ...(pairs.length > 0 && { ratio: { tensors: pairs.length, median, p5: low, p95: high } }),
    ...(pairs.length > 2 && { order: { tensors: pairs.filter((p) => p.rms > 0).length, spearman, nullSpearman } }),
    ...(worst && { worst }),
  };
}

/** Layers by the largest relative error of their tensors, predicted and measured. Undefined where there are too few to have a worst. */
function sharedWorst(tensors: readonly DeviceTensor[]): Agreement["worst"] {
  const [byPrediction, byMeasurement] = [new Map<string, number>(), new Map<string, number>()];
  for (const { layer, measured, predicted } of tensors) {
    byPrediction.set(layer, Math.max(byPrediction.get(layer) ?? 0, predicted?.relativeL2 ?? 0));
    byMeasurement.set(layer, Math.max(byMeasurement.get(layer) ?? 0, measuredRelative(measured)));
  }
  const of = Math.min(worstLayers, byPrediction.size >> 1);
  if (of < 1) return undefined;
  const first = (m: ReadonlyMap<string, number>) => [...m].sort((a, b) => (a[1] === b[1] ? 0 : a[1] < b[1] ? 1 : -1)).slice(0, of);
  const ours = new Set(first(byPrediction).map(([layer]) => layer));
  return { of, shared: first(byMeasurement).filter(([layer]) => ours.has(layer)).length };
}
