import { type ErrorStats, mergeStats, type OutputFigures, type Verdict } from "@halfscope/core";
import type { RestoredSites } from "@halfscope/precision";
import { type OutputError, outputErrorFrom } from "./judge/output-error.js";

/** The verdict on a candidate file, from each sample's output statistics, or as a judge sees the samples where `judged` has its word on each. NaN or Inf that the reference has not never passes, nor does a comparison of nothing. */
export function verdictFrom(
  samples: readonly ReadonlyMap<string, ErrorStats>[],
  tolerance: number,
  sites: RestoredSites,
  mapped: { mapped: number; unmapped: number },
  judged?: readonly OutputError[],
): Verdict {
  const errors = judged ?? samples.map((s) => outputErrorFrom(s.values()));
  const figures = worstFigures(errors);
  const outputs = new Map<string, ErrorStats>();
  for (const sample of samples)
    for (const [name, stats] of sample) {
      const before = outputs.get(name);
      outputs.set(name, before === undefined ? stats : mergeStats(before, stats));
    }
  const error = errors.reduce((m, e) => Math.max(m, e.error), 0);
  const nonFinite = errors.some((e) => e.nonFinite) || samples.length === 0 || samples.some((s) => s.size === 0);
  return {
    outcome: nonFinite ? "not-finite" : error <= tolerance ? "within" : "not-within",
    tolerance,
    error,
    maxAbs: errors.reduce((m, e) => Math.max(m, e.maxAbs), 0),
    outputs: Object.fromEntries(outputs),
    samples: samples.length,
    ...(figures && { figures }),
    ...(sites.types.includes("bfloat16") && { types: sites.types }),
    sitesOn: sites.tensors.size,
    halfWeights: sites.halfWeights,
    casts: sites.casts,
    mappedTensors: mapped.mapped,
    unmappedTensors: mapped.unmapped,
  };
}

/** Of each output those of the sample where it is worst; undefined where nobody asked for them. */
function worstFigures(errors: readonly OutputError[]): Readonly<Record<string, OutputFigures>> | undefined {
  const found = new Map<string, OutputFigures>();
  for (const { figures } of errors)
    for (const [name, f] of Object.entries(figures ?? {})) {
      const before = found.get(name);
      if (before === undefined || f.relativeL2 > before.relativeL2) found.set(name, f);
    }
  return found.size === 0 ? undefined : Object.fromEntries(found);
}
