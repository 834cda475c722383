import type { Hazard, Severity } from "@halfscope/core";
import { constantScalar, type FileSpan } from "@halfscope/onnx";
import type { Root } from "../float-graph.js";
import { flushThreshold } from "../half.js";
import { countOf, format, type HalfLoss, type HazardOptions } from "./context.js";
import type { MaskFacts } from "./masks.js";

/** Below this many values a tensor is a constant, not a weight. */
const fewValues = 16;
/** Share of a weight's squared norm that is worth a word: rounding itself takes 8e-8 on average (2^-22 / 3). */
const lossInfo = 1e-6;
/** One percent of the norm, and most of it. */
const lossWarning = 1e-4;
const lossError = 0.5;

/** Weights and constants that a plain conversion makes infinite or zero. Masks among them, which only their values tell, are masks. */
export async function weightHazards(o: HazardOptions, masks: MaskFacts): Promise<Hazard[]> {
  const found: Hazard[] = [];
  const asMask = new Set(masks.hazards.map((h) => h.tensor));
  for (const root of o.floats.roots.values()) {
    if (root.kind !== "weight" || root.edges.length === 0 || root.edges.every((e) => e.fixed)) continue;
    const source = valuesOf(o, root);
    if (source === undefined || asMask.has(root.tensor)) continue;
    const loss = await o.scan(source);
    const layer = o.floats.layerOf.get(root.edges[0]?.node.index ?? -1) ?? "";
    const hazard = lossHazard(root, loss, layer, masks) ?? factorHazard(o, root, layer);
    if (hazard !== undefined) found.push(hazard);
  }
  return found;
}

/** Values of an initializer, or of a Constant or ConstantOfShape node in any of its forms. */
function valuesOf({ view }: HazardOptions, root: Root): FileSpan | Uint8Array | undefined {
  const attributes = root.producer?.attributes;
  const data = (view.initializers.get(root.tensor) ?? attributes?.get("value")?.tensor)?.data;
  if (data !== undefined) return data.kind === "bytes" ? data.bytes : data.kind === "file" ? data.span : undefined;
  const single = attributes?.get("value_float")?.float;
  const values = single === undefined ? attributes?.get("value_floats")?.floats : [single];
  return values === undefined ? undefined : new Uint8Array(Float32Array.from(values).buffer);
}

function lossHazard(root: Root, loss: HalfLoss, layer: string, masks: MaskFacts): Hazard | undefined {
  const { count, overflowed, flushed, maxAbs, lostShare } = loss;
  const { tensor } = root;
  if (overflowed > 0) {
    const maskedLayer = masks.stored.get(tensor);
    if (maskedLayer !== undefined)
      return {
        code: "mask-constant",
        severity: "warning",
        layer: maskedLayer,
        tensor,
        evidence: `${overflowed} of ${count} values of this mask lie beyond the FP16 range (largest magnitude ${format(maxAbs)}): a plain conversion makes them -Infinity, and a row that is masked as a whole becomes NaN.`,
        fix: "Write the constant as -1e4, or as -65504 as `halfscope apply` does; a pin is not needed.",
        values: { value: -maxAbs, overflowed, count },
      };
    return {
      code: "weight-overflow",
      severity: "error",
      layer,
      tensor,
      evidence: `${overflowed} of ${count} values lie beyond the FP16 range (largest magnitude ${format(maxAbs)}); a plain conversion makes them infinite.`,
      fix: "`halfscope apply` writes them as +-65504; if the measurement shows that this is not enough, pin the layer.",
      values: { overflowed, count, maxAbs },
    };
  }
  if (count < fewValues) return undefined;
  if (lostShare === undefined) {
    if (flushed / count < 0.01) return undefined;
    return {
      code: "weight-underflow",
      severity: "info",
      layer,
      tensor,
      evidence: `${flushed} of ${count} values are too small for FP16 and become 0.`,
      fix: "Look at the measured weight error of this layer; usually nothing needs to be done.",
      values: { flushed, count },
    };
  }
  if (lostShare < lossInfo) return undefined;
  const severity: Severity = lostShare >= lossError ? "error" : lostShare >= lossWarning ? "warning" : "info";
  return {
    code: "weight-underflow",
    severity,
    layer,
    tensor,
    evidence: `FP16 loses ${format(100 * Math.sqrt(lostShare))} % of this weight's norm: ${flushed} of ${count} values become 0, others lose digits below 6.1e-5.`,
    fix:
      severity === "info"
        ? "Look at the measured weight error of this layer; usually nothing needs to be done."
        : "Scale the weight up by a power of two and what follows down by the same; otherwise pin this layer.",
    values: { flushed, count, lostShare },
  };
}

/** A factor that becomes zero takes everything with it; an addend that does is an epsilon, or of no weight. */
function factorHazard({ view }: HazardOptions, root: Root, layer: string): Hazard | undefined {
  const edge = root.edges.find((e) => !e.fixed && e.node.domain === "" && e.node.opType === "Mul");
  const scalar = edge && constantScalar(view, edge.tensor);
  if (scalar === undefined || scalar.value === 0 || Math.abs(scalar.value) > flushThreshold) return undefined;
  return {
    code: "weight-underflow",
    severity: "error",
    layer,
    tensor: root.tensor,
    evidence: `The factor ${format(scalar.value)} becomes 0 in FP16, and with it all that it is multiplied with (${countOf(root.edges.length, "use")}).`,
    fix: "Scale in two steps, or pin this layer.",
    values: { value: scalar.value },
  };
}
