import type { Hazard, Layer, Severity } from "@halfscope/core";
import { layerNormParts } from "@halfscope/onnx";
import { flushThreshold, minNormalHalf } from "../half.js";
import { format, formatNear, guardedDivisor, type HazardOptions, severityOfMagnitude } from "./context.js";

/** What goes wrong inside a normalization that is written as many nodes: the square, and the epsilon. */
export function normHazards({ view, range }: HazardOptions, layer: Layer): Hazard[] {
  if (layer.kind !== "layer-norm" && layer.kind !== "rms-norm") return [];
  const parts = layerNormParts(view, layer);
  const found: Hazard[] = [];
  if (parts?.square !== undefined) {
    const max = range?.(parts.square)?.max;
    const severity: Severity = max === undefined ? "info" : (severityOfMagnitude(max) ?? "info");
    found.push({
      code: "decomposed-layer-norm",
      severity,
      layer: layer.id,
      tensor: parts.square,
      evidence:
        max === undefined
          ? `The normalization is written as ${layer.nodes.length} nodes and squares its input: FP16 overflows where ${layer.kind === "rms-norm" ? "|x|" : "|x - mean|"} reaches 256. The output then becomes 0 without any NaN.`
          : `Its square reaches ${formatNear(max)}; FP16 ends at 65504${severity === "error" ? ", so it overflows to Infinity and the output becomes 0 without any NaN" : ""}.`,
      fix: fusedForm(layer),
      values: max === undefined ? {} : { maxSquare: max },
    });
  }
  const epsilon = parts?.epsilon;
  if (epsilon !== undefined && epsilon.tensor !== undefined && epsilon.value > 0 && epsilon.value < minNormalHalf) {
    const variance = parts?.variance === undefined ? undefined : range?.(parts.variance)?.min;
    const effect = variance === undefined ? undefined : guardedDivisor(Math.max(0, variance), epsilon.value, "add");
    found.push({
      code: "epsilon-underflow",
      severity: effect?.severity ?? "warning",
      layer: layer.id,
      tensor: epsilon.tensor,
      evidence:
        `Its epsilon ${format(epsilon.value)} becomes ${epsilon.value <= flushThreshold ? "0" : "a subnormal number"} in FP16` +
        (variance === undefined || effect === undefined
          ? "."
          : `; the smallest variance measured is ${format(variance)}, ${effectWords(effect)}.`),
      fix: "Raise epsilon to at least 6.1e-5, or pin this layer.",
      values: { epsilon: epsilon.value, ...(variance !== undefined && { minVariance: variance }) },
    });
  }
  return found;
}

/** The end of a sentence that names the smallest number an epsilon was added to. */
export function effectWords({ severity, change }: ReturnType<typeof guardedDivisor>, zero = "a division by zero"): string {
  if (severity === "error") return `so ${zero} follows`;
  return severity === "warning" ? `so FP16 changes the sum by ${format(100 * change)} %` : "far above it, so nothing is lost here";
}

/** What to do about a normalization that is written as many nodes. */
export const fusedForm = (layer: Layer): string =>
  layer.kind === "rms-norm"
    ? "Export with opset 23 or newer, so that it becomes one RMSNormalization node that engines compute in FP32; otherwise pin this layer."
    : "Export with opset 17 or newer, so that it becomes one LayerNormalization node that engines compute in FP32; otherwise pin this layer.";
