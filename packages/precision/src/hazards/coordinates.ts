import type { Hazard, Severity } from "@halfscope/core";
import type { Node } from "@halfscope/onnx";
import { roundToHalf, ulpOf } from "../half.js";
import { format, type HazardOptions, layerOf, magnitudeOf, staysFull } from "./context.js";

/** Inputs that say where or how large, by operator: `DOMAIN:TYPE`. */
const scaleInputs: Readonly<Record<string, readonly number[]>> = { ":Resize": [1, 2], ":Upsample": [1] };

/** Sizes and places in images: scales that are computed, and coordinates that are read. */
export function coordinateHazards(o: HazardOptions): Hazard[] {
  return o.view.order.flatMap((node) => {
    if (node.domain !== "") return [];
    if (node.opType === "GridSample") return gridHazard(o, node) ?? [];
    if (node.opType === "RoiAlign" || node.opType === "MaxRoiPool") return boxHazard(o, node) ?? [];
    return scaleHazard(o, node) ?? [];
  });
}

/** A scale that is rounded on its way changes the size of what Resize gives, or moves it. Stored scales stay in FP32. */
function scaleHazard(o: HazardOptions, node: Node): Hazard | undefined {
  const inputs = scaleInputs[`${node.domain}:${node.opType}`] ?? [];
  for (const i of inputs) {
    const tensor = node.inputs[i] ?? "";
    const root = (o.floats.rootsOf.get(tensor) ?? []).find((r) => r.kind !== "weight" && !r.fixed);
    if (tensor === "" || root === undefined) continue;
    const measured = o.range?.(root.tensor);
    const exact = measured !== undefined && roundToHalf(measured.min) === measured.min && roundToHalf(measured.max) === measured.max;
    const values = measured === undefined ? "" : ` (measured ${format(measured.min)} to ${format(measured.max)})`;
    return {
      code: "inexact-coordinates",
      severity: exact ? "info" : "warning",
      layer: layerOf(o, root.producer ?? node),
      tensor: root.tensor,
      evidence: `The ${i === 1 && node.opType === "Resize" ? "region" : "scales"} of ${node.opType} are computed${values}, in FP16 unless pinned: a third becomes 0.33325, and the size that comes out, or what is read, changes.`,
      fix: "Pin the layer that computes them: it costs no time; or give sizes instead of scales.",
      values: measured === undefined ? {} : { min: measured.min, max: measured.max },
    };
  }
  return undefined;
}

/** Places run from -1 to 1 over the width: FP16 numbers below 1 lie 2^-11 apart, which is width * 2^-12 pixels. */
function gridHazard(o: HazardOptions, node: Node): Hazard | undefined {
  if (staysFull(o, node)) return undefined;
  const sizes = o.types?.get(node.inputs[0] ?? "")?.dims?.slice(2) ?? [];
  const width = Math.max(0, ...sizes.map((d) => d ?? 0));
  const step = width * 2 ** -12;
  const severity = stepSeverity(step);
  return (
    severity &&
    told(
      o,
      node,
      severity,
      `reads a picture of ${width} pixels at places from -1 to 1, where FP16 numbers lie ${format(step)} pixels apart`,
      { width, step },
    )
  );
}

/** Boxes are given in pixels of the original picture. */
function boxHazard(o: HazardOptions, node: Node): Hazard | undefined {
  const measured = o.range?.(node.inputs[1] ?? "");
  if (measured === undefined || staysFull(o, node)) return undefined;
  const largest = magnitudeOf(measured);
  const step = ulpOf(largest) * (node.attributes.get("spatial_scale")?.float ?? 1);
  const severity = stepSeverity(step);
  return (
    severity &&
    told(
      o,
      node,
      severity,
      `reads boxes with coordinates up to ${format(largest)}, where FP16 numbers lie ${format(step)} pixels of its input apart`,
      { largest, step },
    )
  );
}

/** From half a pixel on other pixels are read; an eighth is what interpolation shows. */
const stepSeverity = (step: number): Severity | undefined => (step >= 0.5 ? "warning" : step >= 0.125 ? "info" : undefined);

const told = (o: HazardOptions, node: Node, severity: Severity, how: string, values: Record<string, number>): Hazard => ({
  code: "inexact-coordinates",
  severity,
  layer: layerOf(o, node),
  tensor: node.inputs[1] ?? "",
  evidence: `${node.opType} ${how}.`,
  fix: "Pin the layer that computes the coordinates and this one.",
  values,
});
