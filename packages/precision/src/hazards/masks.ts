import type { Hazard, Layer } from "@halfscope/core";
import { type MaskConstant, type SoftmaxParts, softmaxParts } from "@halfscope/onnx";
import { overflowThreshold } from "../half.js";
import { countOf, format, type HazardOptions, type MeasuredRange } from "./context.js";

/** What several finders need to know of masks. */
export interface MaskFacts {
  readonly hazards: readonly Hazard[];
  /** Computed tensors in which large negative values are there on purpose. */
  readonly tensors: ReadonlySet<string>;
  /** Constants whose values nobody has read yet that serve as masks, with the layer. */
  readonly stored: ReadonlyMap<string, string>;
}

/** Constants and inputs that switch scores off, in any of the ways in which models write masks. One that serves several layers is told once. */
export function findMasks(o: HazardOptions): MaskFacts {
  const tensors = new Set<string>();
  const stored = new Map<string, string>();
  const constants = new Map<string, { constant: MaskConstant; layers: Layer[]; nan: number | undefined }>();
  const inputs = new Map<string, { layers: Layer[]; at: SoftmaxParts["maskInputs"][number] }>();
  const sums: Hazard[] = [];
  for (const layer of o.layers) {
    const parts = softmaxParts(o.view, layer);
    if (parts === undefined) continue;
    for (const t of parts.maskTensors) tensors.add(t);
    for (const t of parts.storedMasks) if (!stored.has(t)) stored.set(t, layer.id);
    for (const constant of parts.maskConstants) {
      const known = constants.get(constant.tensor);
      const nan = o.range?.(parts.output)?.nan;
      const multiplied = constant.multiplied || (known?.constant.multiplied ?? false);
      constants.set(constant.tensor, {
        constant: { ...(known?.constant ?? constant), multiplied },
        layers: [...(known?.layers ?? []), layer],
        nan: nan === undefined ? known?.nan : nan + (known?.nan ?? 0),
      });
    }
    for (const at of parts.maskInputs) inputs.set(at.tensor, { layers: [...(inputs.get(at.tensor)?.layers ?? []), layer], at });
    sums.push(...sumOfMasks(o, layer, parts));
  }
  const hazards = [
    ...[...constants.values()].flatMap((c) => constantHazard(o, c)),
    ...[...inputs.values()].flatMap((i) => inputHazard(i, o.range?.(i.at.tensor))),
    ...sums,
  ];
  return { hazards, tensors, stored };
}

const maskFix = "Write the constant as -1e4, or as -65504 as `halfscope apply` does; a pin is not needed.";

function constantHazard(o: HazardOptions, c: { constant: MaskConstant; layers: Layer[]; nan: number | undefined }): Hazard[] {
  const { tensor, value, multiplied } = c.constant;
  if (!(Math.abs(value) >= overflowThreshold)) return [];
  // Where(IsNaN(p), 0, p) behind a softmax repairs rows that are masked as a whole.
  const repaired = c.layers.every((l) => l.operators.includes("IsNaN"));
  const { severity, evidence } = Number.isFinite(value)
    ? finiteMask(value, multiplied, repaired)
    : infiniteMask(multiplied, repaired, o.range === undefined ? undefined : c.nan);
  const serves = c.layers.length > 1 ? ` It serves ${countOf(c.layers.length, "softmax layer")}.` : "";
  return [
    {
      code: "mask-constant",
      severity,
      layer: c.layers[0]?.id ?? "",
      tensor,
      evidence: evidence + serves,
      fix: maskFix,
      values: { value, ...(c.layers.length > 1 && { layers: c.layers.length }) },
    },
  ];
}

type Told = Pick<Hazard, "severity" | "evidence">;

function finiteMask(value: number, multiplied: boolean, repaired: boolean): Told {
  const becomes = `The mask constant ${format(value)} lies beyond the FP16 range: a plain conversion makes it ${value < 0 ? "-" : ""}Infinity`;
  if (multiplied) return { severity: "error", evidence: `${becomes}, and Infinity times 0 is NaN.` };
  if (repaired)
    return { severity: "info", evidence: `${becomes}; the model repairs rows that are masked as a whole, so it does no harm here.` };
  return {
    severity: "warning",
    evidence: `${becomes}. A row that is masked as a whole then is NaN, which it is not in FP32; other rows come out right.`,
  };
}

/** An infinite constant is as harmful in FP32: only where it is multiplied, or a whole row is masked. */
function infiniteMask(multiplied: boolean, repaired: boolean, nan: number | undefined): Told {
  const whole = "a row that is masked as a whole becomes NaN, in FP32 too";
  if (multiplied)
    return { severity: "warning", evidence: `The mask constant is infinite and is multiplied: Infinity times 0 is NaN, and ${whole}.` };
  if (repaired) return { severity: "info", evidence: "The mask constant is infinite; the model repairs rows that are masked as a whole." };
  if (nan === undefined)
    return { severity: "info", evidence: `The mask constant is infinite, which does no harm unless a whole row is masked: ${whole}.` };
  return nan > 0
    ? { severity: "warning", evidence: `The mask constant is infinite, and whole rows are masked: the reference itself holds ${nan} NaN.` }
    : { severity: "info", evidence: "The mask constant is infinite; no whole row is masked with these inputs, so it does no harm." };
}

/** A mask that is fed with values beyond the range. */
function inputHazard(i: { layers: Layer[]; at: SoftmaxParts["maskInputs"][number] }, measured: MeasuredRange | undefined): Hazard[] {
  if (measured === undefined || measured.min > measured.max) return [];
  const value = i.at.subtracted ? measured.max : measured.min;
  if ((i.at.subtracted ? value : -value) < overflowThreshold) return [];
  const told = finiteMask(value, i.at.multiplied, false);
  return [
    {
      code: "mask-constant",
      severity: told.severity,
      layer: i.layers[0]?.id ?? "",
      tensor: i.at.tensor,
      evidence: told.evidence.replace("The mask constant", "The mask that is fed reaches").replace(" lies beyond", ", beyond"),
      fix: "Feed a mask of -1e4 where it says more; a pin is not needed.",
      values: { value },
    },
  ];
}

/** Masks within the range that are added up beyond it. */
function sumOfMasks({ range }: HazardOptions, layer: Layer, parts: SoftmaxParts): Hazard[] {
  const within = parts.maskConstants.filter((c) => Math.abs(c.value) < overflowThreshold);
  const sum = within.reduce((s, c) => s + Math.abs(c.value), 0);
  if (within.length < 2 || within.length !== parts.maskConstants.length || sum < overflowThreshold) return [];
  const least = parts.maskTensors.reduce((min, t) => Math.min(min, range?.(t)?.min ?? 0), 0);
  if (range !== undefined && least > -overflowThreshold) return [];
  return [
    {
      code: "mask-sum",
      severity: range === undefined ? "info" : "warning",
      layer: layer.id,
      tensor: within[0]?.tensor ?? "",
      evidence:
        `${countOf(within.length, "mask constant")} (${within.map((c) => format(c.value)).join(", ")}) may meet in one sum, and together they pass the FP16 range` +
        (range === undefined ? "" : ` (measured: ${format(least)})`) +
        ": it becomes -Infinity, and a row that is masked as a whole NaN.",
      fix: "Write each constant as -1e4; a pin is not needed.",
      values: { sum: -sum, ...(range !== undefined && { minMeasured: least }) },
    },
  ];
}
