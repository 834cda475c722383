import type { Hazard, Layer, Severity } from "@halfscope/core";
import type { Root } from "../float-graph.js";
import {
  countOf,
  format,
  formatNear,
  type HazardOptions,
  layerOf,
  type MeasuredRange,
  magnitudeOf,
  severityOfMagnitude,
  staysFull,
} from "./context.js";
import { fusedForm } from "./norms.js";
import { largestExponent } from "./softmax.js";

interface Reach {
  readonly tensor: string;
  readonly magnitude: number;
  readonly severity: Severity;
}

/**
 * Tensors whose reference comes near the end of FP16 or passes it, once per layer. `masks`: tensors whose large negative values are meant.
 * `explained`: tensors that another hazard speaks of.
 */
export function rangeHazards(o: HazardOptions, masks: ReadonlySet<string>, explained: ReadonlySet<string>): Hazard[] {
  const { range } = o;
  if (range === undefined) return [];
  const byId = new Map(o.layers.map((l) => [l.id, l]));
  const layers = new Map<string, Reach[]>();
  for (const root of o.floats.roots.values()) {
    if (root.kind === "weight" || explained.has(root.tensor) || !maybeHalf(root)) continue;
    const measured = range(root.tensor);
    if (measured === undefined) continue;
    const magnitude = masks.has(root.tensor) ? Math.max(0, measured.max) : magnitudeOf(measured);
    const severity = severityOfMagnitude(magnitude);
    const layer = layerOf(o, root.producer ?? root.edges[0]?.node);
    if (severity === undefined || saturates(o, root.tensor, byId.get(layer))) continue;
    layers.set(layer, [...(layers.get(layer) ?? []), { tensor: root.tensor, magnitude, severity }]);
  }
  return [...layers].map(([id, reaches]) => hazardOf(id, byId.get(id), reaches));
}

/** Operators that give the same for an infinity as for a large number. */
const saturating = new Set(["Tanh", "Erf", "Sigmoid", "HardSigmoid"]);

/**
 * Whether an activation takes the tensor to nothing but a function that is flat there: x^3 inside the GELU of tanh passes 65504 from 40.3 on, and
 * tanh of Infinity is 1 as it should be.
 */
function saturates({ view }: HazardOptions, tensor: string, layer: Layer | undefined): boolean {
  if (layer === undefined || (layer.kind !== "gelu" && layer.kind !== "activation")) return false;
  const inside = new Set(layer.nodes);
  const pending = [tensor];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const users = view.consumers.get(at) ?? [];
    if (users.length === 0 || view.graphOutputs.has(at)) return false;
    for (const { node } of users) {
      if (node.domain !== "" || !inside.has(node.index)) return false;
      if (!saturating.has(node.opType)) pending.push(...node.outputs);
    }
  }
  return true;
}

/** Some reader or the producer may be FP16, so that the values are rounded somewhere. */
const maybeHalf = (root: Root): boolean => !root.fixed || root.edges.some((e) => !e.fixed);

function hazardOf(id: string, layer: Layer | undefined, reaches: readonly Reach[]): Hazard {
  const worst = reaches.reduce((a, b) => (b.magnitude > a.magnitude ? b : a));
  const inNorm = (layer?.kind === "layer-norm" || layer?.kind === "rms-norm") && !layer.outputs.includes(worst.tensor);
  const passing = reaches.filter((r) => r.severity === "error").length;
  const others = reaches.length > 1 ? ` (${countOf(reaches.length, "tensor")} of this layer come near, ${passing} pass)` : "";
  return {
    code: "range-overflow",
    severity: worst.severity,
    layer: id,
    tensor: worst.tensor,
    evidence:
      worst.severity === "error"
        ? `The reference reaches ${formatNear(worst.magnitude)} here; FP16 ends at 65504, so it overflows to Infinity${others}.`
        : `The reference reaches ${formatNear(worst.magnitude)} here, within a factor of ${format(65504 / worst.magnitude)} of the end of FP16${others}.`,
    fix: inNorm
      ? fusedForm(layer)
      : worst.severity === "error"
        ? "Scale the weights in front down and those behind up by a power of two, use BF16, or pin this layer and what adds to it."
        : "Measure with inputs that are as large as they come; scale by a power of two or pin this layer if they pass 65504.",
    values: { maxAbs: worst.magnitude, tensors: reaches.length },
  };
}

/** Operators that square, raise or sum inside what their output does not show; runtimes that write them as single FP16 operators overflow there. */
export function hiddenHazards(o: HazardOptions): Hazard[] {
  const { range } = o;
  if (range === undefined) return [];
  return o.view.order.flatMap((node) => {
    if (node.domain !== "" || staysFull(o, node)) return [];
    const hidden = hiddenIn(node.opType, node.attributes.get("p")?.int ?? 2, range(node.inputs[0] ?? ""), range(node.outputs[0] ?? ""));
    if (hidden === undefined || severityOfMagnitude(hidden.magnitude) !== "error") return [];
    return [
      {
        code: "hidden-overflow",
        severity: "warning",
        layer: layerOf(o, node),
        tensor: node.outputs[0] ?? "",
        evidence: `${node.opType} ${hidden.how}: ${format(hidden.magnitude)}, where FP16 ends at 65504. A runtime that computes it in FP16 step by step overflows, though inputs and outputs fit.`,
        fix: "Check what the runtime does inside this operator; scale its input down by a power of two, or pin this layer.",
        values: { hidden: hidden.magnitude },
      } satisfies Hazard,
    ];
  });
}

function hiddenIn(
  opType: string,
  p: number,
  input: MeasuredRange | undefined,
  output: MeasuredRange | undefined,
): { magnitude: number; how: string } | undefined {
  switch (opType) {
    case "ReduceL2":
      return output && { magnitude: magnitudeOf(output) ** 2, how: "sums squares before it takes the root" };
    case "LpPool":
    case "GlobalLpPool":
      return output && p === 2 ? { magnitude: magnitudeOf(output) ** 2, how: "sums squares before it takes the root" } : undefined;
    case "LpNormalization":
      return input && p === 2 ? { magnitude: magnitudeOf(input) ** 2, how: "squares its input" } : undefined;
    case "ReduceLogSumExp":
      return input && input.max > largestExponent
        ? { magnitude: Math.min(Math.exp(input.max), Number.MAX_VALUE), how: "sums exponentials" }
        : undefined;
    case "ReduceLogSum":
      return (
        output && { magnitude: Math.min(Math.exp(Math.max(0, output.max)), Number.MAX_VALUE), how: "sums before it takes the logarithm" }
      );
    default:
      return undefined;
  }
}
