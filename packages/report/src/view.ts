import {
  type ErrorStats,
  type ErrorSummary,
  type Layer,
  type LayerSensitivity,
  type Measurements,
  type Origin,
  type RankedLayer,
  type ResultDocument,
  relativeL2,
  type Trial,
  type Verdict,
  wordOf,
} from "@halfscope/core";
import { type DeviceView, deviceViewOf } from "./device/device-view.js";
import { shellWord } from "./names.js";

/** How one candidate as a whole fared on the final outputs. */
export interface CandidateError {
  /** Relative L2 of the worst final output; what is not finite is told by `nonFinite`. */
  error: number;
  maxAbs: number | undefined;
  nonFinite: boolean;
  fp32Share: number | undefined;
}

/** A result with its parts looked up by layer: what the sections share. */
export interface View {
  result: ResultDocument;
  /** What the candidate computes in, in words. */
  word: "FP16" | "BF16";
  tolerance: number;
  layers: ReadonlyMap<string, Layer>;
  ranked: ReadonlyMap<string, RankedLayer>;
  sensitivity: ReadonlyMap<string, LayerSensitivity>;
  /** Layer -> largest finite |reference| among its measured tensors. */
  reach: ReadonlyMap<string, number>;
  pins: ReadonlySet<string>;
  origins: readonly Origin[];
  originLayers: ReadonlySet<string>;
  /** Every layer in FP16: as a plain cast writes it (constants may become infinite), and with constants kept finite. */
  plain: CandidateError | undefined;
  finite: CandidateError | undefined;
  /** With the recommended pins: as verified on the written file, else as tried. */
  mixed: CandidateError | undefined;
  /** What a real engine showed, where one was asked. */
  engine: DeviceView | undefined;
  /** Command lines that would measure what is missing. */
  commands: { compare: string; sweep: string; recommend: string; verify: string; debug: string };
}

export { wordOf };
/** Where the candidate's numbers end: what constants beyond become finite as. BF16 has FP32's range but for its last half of a percent. */
export const rangeEnd: Readonly<Record<"FP16" | "BF16", string>> = { FP16: "65504", BF16: "3.39e38" };

export function viewOf(result: ResultDocument): View {
  const { recommendation, sensitivity, ranking } = result;
  const model = shellWord(result.model.path);
  const tolerance = recommendation?.tolerance ?? result.verdict?.tolerance ?? result.options.tolerance;
  const option = tolerance === 0.01 ? "" : ` --tolerance ${tolerance}`;
  const precision = result.options.precision === "bfloat16" ? " --precision bf16" : "";
  const origins = (ranking?.origins ?? []).toSorted((a, b) => loudness[a.kind] - loudness[b.kind]);
  return {
    result,
    word: wordOf(result),
    tolerance,
    layers: new Map(result.layers.map((l) => [l.id, l])),
    ranked: new Map(ranking?.layers.map((l) => [l.layer, l])),
    sensitivity: new Map(sensitivity?.layers.map((l) => [l.layer, l])),
    reach: reachOf(result.accumulated ?? result.isolated),
    pins: new Set((recommendation?.pins ?? result.overrides?.pins ?? []).map((p) => p.layer)),
    origins,
    originLayers: new Set(origins.filter((o) => o.kind !== "harmless-overflow").map((o) => o.layer)),
    plain: fromOutputs(result.accumulated?.outputs),
    finite: fromVerdict(result.verdictAllHalf, 0) ?? fromTrial(recommendation?.trials.find((t) => t.pins.length === 0)),
    mixed: mixedOf(result),
    engine: deviceViewOf(result, tolerance),
    commands: {
      compare: `halfscope compare ${model} -o results${option}${precision}`,
      sweep: `halfscope sweep ${model} -o results${option}${precision}`,
      recommend: `halfscope recommend results${option}`,
      verify: `halfscope verify ${model} mixed.onnx${option}`,
      debug: `halfscope debug ${model} -o results${option}${precision}`,
    },
  };
}

/** Silent overflow before everything: nothing else in a run would show it. */
const loudness: Readonly<Record<Origin["kind"], number>> = {
  "silent-overflow": 0,
  overflow: 1,
  "constant-overflow": 2,
  "harmless-overflow": 3,
};

export const isBroken = (e: ErrorSummary | undefined): boolean =>
  e !== undefined && (e.nonFiniteMismatch > 0 || Number.isNaN(e.relativeL2));

/** Every layer in FP16, by the measurement that says most: constants finite where that was measured. */
export const allHalfOf = (v: View): CandidateError | undefined => v.finite ?? v.plain;

export const meets = (c: CandidateError, tolerance: number): boolean => !c.nonFinite && c.error <= tolerance;

function fromOutputs(outputs: Readonly<Record<string, ErrorStats>> | undefined): CandidateError | undefined {
  const all = Object.values(outputs ?? {});
  if (all.length === 0) return undefined;
  return {
    error: worst(all.map(relativeL2)),
    maxAbs: worst(all.map((s) => s.maxAbs)),
    nonFinite: all.some((s) => s.nonFiniteMismatch > 0),
    fp32Share: 0,
  };
}

const fromVerdict = (v: Verdict | undefined, fp32Share: number | undefined): CandidateError | undefined =>
  v && { error: v.error, maxAbs: v.maxAbs, nonFinite: v.outcome === "not-finite", fp32Share };

const fromTrial = (t: Trial | undefined): CandidateError | undefined =>
  t && { error: t.measuredError, maxAbs: undefined, nonFinite: t.nonFinite, fp32Share: t.fp32Share };

/** The trial that measured exactly the recommended pins. */
export function chosenTrial(result: ResultDocument): Trial | undefined {
  const { recommendation } = result;
  if (recommendation === undefined) return undefined;
  const pins = new Set(recommendation.pins.map((p) => p.layer));
  return recommendation.trials.find((t) => t.pins.length === pins.size && t.pins.every((p) => pins.has(p)));
}

function mixedOf(result: ResultDocument): CandidateError | undefined {
  const trial = chosenTrial(result);
  const verified = fromVerdict(result.verdict, trial?.fp32Share);
  if (verified !== undefined || result.recommendation === undefined) return verified;
  const { measuredError, heldBackError } = result.recommendation;
  return {
    error: worst(heldBackError === undefined ? [measuredError] : [measuredError, heldBackError]),
    maxAbs: undefined,
    nonFinite: trial?.nonFinite ?? !Number.isFinite(measuredError),
    fp32Share: trial?.fp32Share,
  };
}

function reachOf(m: Measurements | undefined): Map<string, number> {
  const reach = new Map<string, number>();
  for (const { layer, stats } of m?.tensors ?? []) {
    const largest = Math.max(Math.abs(stats.minReference), Math.abs(stats.maxReferenceValue));
    if (Number.isFinite(largest)) reach.set(layer, Math.max(reach.get(layer) ?? 0, largest));
  }
  return reach;
}

/** Largest, where NaN is larger than every number. */
export const worst = (values: readonly number[]): number =>
  values.reduce((a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : Math.max(a, b)), 0);
