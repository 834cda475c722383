import type { ErrorStats, Layer, Measurement, Measurements, Site } from "@halfscope/core";

/** Statistics of a finite tensor without any error, with what a test wants different. */
export const statsOf = (more: Partial<ErrorStats> = {}): ErrorStats => ({
  count: 100,
  maxAbs: 0,
  maxIndex: 0,
  maxReference: 1,
  maxCandidate: 1,
  sumAbs: 0,
  sumSquaredError: 0,
  sumSquaredReference: 100,
  maxUlp: 0,
  sumUlp: 0,
  minReference: -1,
  maxReferenceValue: 1,
  minCandidate: -1,
  maxCandidateValue: 1,
  nanReference: 0,
  nanCandidate: 0,
  infReference: 0,
  infCandidate: 0,
  overflowed: 0,
  flushed: 0,
  subnormalReference: 0,
  subnormalCandidate: 0,
  nonFiniteMismatch: 0,
  exponents: new Array<number>(64).fill(0),
  ...more,
});
/** A tensor of this relative L2 error. */
export const off = (relative: number, more: Partial<ErrorStats> = {}): ErrorStats =>
  statsOf({ maxAbs: relative, sumAbs: 100 * relative, sumSquaredError: 100 * relative ** 2, ...more });
export const allNan = (more: Partial<ErrorStats> = {}): ErrorStats =>
  statsOf({ nanCandidate: 100, nonFiniteMismatch: 100, maxIndex: -1, sumSquaredReference: 0, ...more });
export const overflown = (elements: number, reference: number, more: Partial<ErrorStats> = {}): ErrorStats =>
  statsOf({ overflowed: elements, infCandidate: elements, nonFiniteMismatch: elements, maxReferenceValue: reference, ...more });

export const measurementsOf = (
  tensors: readonly Measurement[],
  outputs: Measurements["outputs"],
  more: Partial<Measurements> = {},
): Measurements => ({
  mode: "accumulated",
  constants: "overflow",
  tensors,
  outputs,
  coverage: { compared: tensors.length, "not-float": 0, constant: 0, "not-executed": 0, "not-supported": 0 },
  notSupported: [],
  ...more,
});

export const layerOf = (id: string, more: Partial<Layer> = {}): Layer => ({
  id,
  kind: "operator",
  blockPath: "",
  title: id,
  nodes: [],
  operators: [],
  inputs: [],
  outputs: [id],
  weights: [],
  ...more,
});
export const siteOf = (tensor: string, touching: readonly string[], kind: Site["kind"] = "activation"): Site => ({
  id: `${kind}:${tensor}`,
  kind,
  tensor,
  layer: touching[0],
  touching,
});
