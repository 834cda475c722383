import type { ErrorStats, Recommendation, ResultDocument, Sensitivity, Suggestion, Trial, Verdict } from "@halfscope/core";
import type { ExampleLayer } from "./example-layers.js";

export interface DecisionParts {
  silent: ExampleLayer | undefined;
  layers: readonly ExampleLayer[];
  output: string;
  outputStats: (relativeError: number) => ErrorStats;
  verified: boolean;
}

/** What choosing pins and verifying add to an example's sweep. */
export function exampleDecision(swept: ResultDocument & { sensitivity: Sensitivity }, o: DecisionParts): Partial<ResultDocument> {
  const { tolerance } = swept.options;
  const { sensitivity } = swept;
  const base = sensitivity.basePins;
  const share = (pins: readonly string[]) => pins.length / (4 * o.layers.length);
  const errorWith = (pins: readonly string[]) => {
    if (o.silent !== undefined && !pins.includes(o.silent.id)) return 0.71;
    const pinned = new Set(pins);
    return 1.02 * Math.hypot(...sensitivity.layers.map((l) => (pinned.has(l.layer) ? 0 : l.outputError)));
  };
  const trial = (pins: readonly string[], purpose: string, predicted = true): Trial => ({
    pins,
    purpose,
    predictedError: predicted ? errorWith(pins) / 1.02 : undefined,
    measuredError: errorWith(pins),
    nonFinite: false,
    fp32Share: share(pins),
    casts: 2 * pins.length,
  });
  const walk = sensitivity.layers.slice(0, 40).map((l) => l.layer);
  const enough = Math.max(
    1,
    walk.findIndex((_, i) => errorWith([...base, ...walk.slice(0, i)]) <= tolerance),
  );
  const pinsNeeded = errorWith([]) > tolerance;
  const pins = pinsNeeded ? [...base, ...walk.slice(0, enough)] : [];
  const rules: readonly (readonly [Suggestion["rule"], readonly string[]])[] = [
    ["layer-norm", ["layer-norm"]],
    ["softmax", ["softmax", "attention-scores"]],
    ["embedding", ["embedding"]],
    ["residual-add", ["residual-add"]],
    ["output-head", ["output-head"]],
  ];
  const suggestions = rules.map(([rule, kinds]): Suggestion => {
    const layers = o.layers.filter((l) => kinds.includes(l.kind)).map((l) => l.id);
    const errorWithout = errorWith(base);
    const withRule = errorWith([...base, ...layers]);
    const gone = 1 - withRule / errorWithout;
    return {
      rule,
      layers,
      errorWithout,
      errorWith: withRule,
      fp32Share: share(layers),
      verdict:
        gone > 0.1
          ? `Helps: it removes ${(100 * gone).toFixed(0)} % of the error, not enough by itself.`
          : gone > 0.005
            ? `Makes little difference here: ${(100 * gone).toFixed(1)} % of the error.`
            : "Makes no difference here.",
    };
  });
  const trials = [
    trial([], "all FP16", false),
    ...(base.length > 0 ? [trial(base, "overflow origins")] : []),
    ...suggestions.map((s) => ({ ...trial([...base, ...s.layers], `rule: ${s.rule}`, false) })),
    ...(pinsNeeded ? [24, 12, 6, 3].filter((n) => n > enough).map((n) => trial([...base, ...walk.slice(0, n)], "greedy")) : []),
    ...(pinsNeeded
      ? [
          trial(pins, "greedy"),
          ...pins.slice(0, 6).map((p) =>
            trial(
              pins.filter((q) => q !== p),
              "trim",
              false,
            ),
          ),
        ]
      : []),
  ];
  const costs = new Map(sensitivity.layers.map((l) => [l.layer, l]));
  const recommendation: Recommendation = {
    tolerance,
    outcome: pinsNeeded ? "pins-found" : "no-pins-needed",
    pins: pins.map((layer) => {
      const cost = costs.get(layer);
      return cost === undefined
        ? {
            layer,
            reason: `overflow at "${layer}": 128 of 131072 elements overflow (the reference reaches 9.000e+4, FP16 ends at 65504).`,
            evidence: { shareOfWork: share([layer]) },
          }
        : {
            layer,
            reason: `its roundings alone change the final outputs by ${cost.outputError.toPrecision(2)} (relative L2)`,
            evidence: { outputError: cost.outputError, activation: cost.activation, weight: cost.weight, shareOfWork: share([layer]) },
          };
    }),
    measuredError: errorWith(pins),
    heldBackError: 1.04 * errorWith(pins),
    samples: 6,
    unseenBound: 1.1 * errorWith(pins),
    confirmed: { samples: 6, beyond: 0, error: 1.05 * errorWith(pins) },
    trials,
    suggestions,
    front: trials.flatMap((t, i) => (trials.some((u) => u.fp32Share <= t.fp32Share && u.measuredError < t.measuredError) ? [] : [i])),
    predictedFront: walk.map((_, i) => {
      const set = [...base, ...walk.slice(0, i)];
      return { fp32Share: share(set), pins: set.length, error: errorWith(set) / 1.02 };
    }),
    ...(pinsNeeded && { minimal: { proved: Math.min(6, pins.length), of: pins.length } }),
    like: {
      given: `LayerNormalization,${walk[0] ?? ""}`,
      layers: walk.slice(0, 3),
      error: errorWith(walk.slice(0, 3)),
      fp32Share: share(walk.slice(0, 3)),
      verdict: "Does not meet the tolerance of 0.01 (3 pins, 0.26 % of the work, error 0.71); the recommended set: less.",
    },
    cost: { source: "bytes moved in FP32 and operations of products", operations: 7.7e10, bytes: 1.9e9, layersOfUnknownSize: 2 },
  };
  const verdict = (error: number, sitesOn: number): Verdict => ({
    outcome: error <= tolerance ? "within" : "not-within",
    tolerance,
    error,
    maxAbs: 4 * error,
    outputs: { [o.output]: o.outputStats(error) },
    samples: 2,
    sitesOn,
    halfWeights: 388,
    casts: 3 * pins.length,
    mappedTensors: 1217,
    unmappedTensors: 0,
  });
  return {
    recommendation,
    overrides: {
      schema: "halfscope/overrides/1",
      modelDigest: swept.model.digest,
      defaultPrecision: "float16",
      constants: "finite",
      pins: recommendation.pins,
    },
    ...(o.verified && { verdict: verdict(1.04 * errorWith(pins), 1200), verdictAllHalf: verdict(errorWith([]), 1217) }),
  };
}
