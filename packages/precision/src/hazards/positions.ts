import type { Hazard, Severity } from "@halfscope/core";
import { anglesOf, floatIndices, type Node } from "@halfscope/onnx";
import { roundToHalf, ulpOf } from "../half.js";
import { countOf, format, type HazardOptions, layerOf, magnitudeOf, operatorsOf, staysFull } from "./context.js";

/** Whole numbers are exact in FP16 up to here: 11 bits. */
export const exactIntegers = 2048;
/** From this angle on FP16 numbers lie 1/8 apart, and sine and cosine are off by up to 1/16. */
const coarseAngle = 128;

/** Positions, indices, sizes and angles whose magnitude leaves FP16 no digits behind the point, or not even before it. */
export function positionHazards(o: HazardOptions): Hazard[] {
  const angles = angleHazards(o);
  const indices = indexHazards(o);
  const told = new Set([...angles, ...indices].flatMap((h) => h.told));
  return [...angles.map((a) => a.hazard), ...indices.map((i) => i.hazard), ...integerHazards(o, told)];
}

interface Told {
  readonly hazard: Hazard;
  /** Tensors that need no hazard of their own any more. */
  readonly told: readonly string[];
}

const madeInFull = (o: HazardOptions, tensor: string): boolean => {
  const node = o.view.producer.get(tensor);
  return node !== undefined && staysFull(o, node);
};

function angleHazards(o: HazardOptions): Told[] {
  return anglesOf(o.view).flatMap(({ tensor, waves, positions }) => {
    const computing = waves.filter((w) => !staysFull(o, w));
    const measured = o.range?.(tensor);
    if (computing.length === 0 || (madeInFull(o, tensor) && o.floats.roots.get(tensor)?.edges.every((e) => e.fixed))) return [];
    const largest = measured && magnitudeOf(measured);
    if (largest === undefined ? positions === undefined : largest < coarseAngle && positions === undefined) return [];
    const functions = operatorsOf(computing);
    const source = positions === undefined ? "" : ` made of positions ("${positions}")`;
    const step = largest === undefined ? 0 : ulpOf(largest);
    const hazard: Hazard = {
      code: "inexact-positions",
      severity: largest === undefined ? "info" : angleSeverity(largest),
      layer: layerOf(o, o.view.producer.get(tensor) ?? waves[0]),
      tensor,
      evidence:
        largest === undefined
          ? `${functions} of angles${source}: FP16 numbers lie 1/8 apart from 128 on and 2 apart from 2048 on, so long sequences turn by wrong angles.`
          : `${functions} of angles up to ${format(largest)}${source}: FP16 numbers there lie ${format(step)} apart, so an angle is off by up to ${format(step / 2)} rad` +
            (largest < coarseAngle ? ", which is little with these inputs; longer sequences have larger angles." : "."),
      fix: "Pin the layers that make the angles (sine and cosine themselves may be FP16), or precompute their tables in FP32.",
      values: largest === undefined ? {} : { maxAngle: largest, step },
    };
    return [{ hazard, told: [tensor, ...(positions === undefined ? [] : [positions])] }];
  });
}

const angleSeverity = (largest: number): Severity => (largest > exactIntegers ? "error" : largest >= coarseAngle ? "warning" : "info");

/** Indices and sizes that are computed as floats, for instance Floor(size * scale). All that fit are one line. */
function indexHazards(o: HazardOptions): Told[] {
  const quiet: { cast: Node; tensors: readonly string[] }[] = [];
  const found: Told[] = [];
  for (const { cast, tensors } of floatIndices(o.view)) {
    // All in FP32 whatever is pinned, or no float at all that halfscope rounds.
    const rounded = tensors.filter((t) => !madeInFull(o, t) && (o.floats.roots.size === 0 || o.floats.roots.has(t)));
    if (rounded.length === 0) continue;
    const worst = rounded
      .flatMap((tensor) => {
        const r = o.range?.(tensor);
        return r === undefined
          ? []
          : [{ tensor, magnitude: magnitudeOf(r), exact: roundToHalf(r.max) === r.max && roundToHalf(r.min) === r.min }];
      })
      .reduce<{ tensor: string; magnitude: number; exact: boolean } | undefined>(
        (a, b) => (a && a.magnitude >= b.magnitude ? a : b),
        undefined,
      );
    if (worst === undefined || worst.magnitude <= exactIntegers) {
      quiet.push({ cast, tensors: rounded });
      continue;
    }
    found.push({
      hazard: {
        code: "inexact-positions",
        severity: worst.exact ? "warning" : "error",
        layer: layerOf(o, o.view.producer.get(worst.tensor) ?? cast),
        tensor: worst.tensor,
        evidence: `An index or size is computed as a float and reaches ${worst.magnitude}: FP16 holds whole numbers exactly up to 2048 only${worst.exact ? ", and this one by chance" : `, and this one becomes ${roundToHalf(worst.magnitude)}`}.`,
        fix: "Pin this layer: it costs no time; or compute indices as integers.",
        values: { maxAbs: worst.magnitude },
      },
      told: tensors,
    });
  }
  const [first] = quiet;
  if (first === undefined) return found;
  const largest = Math.max(
    0,
    ...quiet
      .flatMap((q) => q.tensors)
      .flatMap((t) => o.range?.(t) ?? [])
      .map(magnitudeOf),
  );
  const measured = o.range !== undefined && largest > 0;
  found.push({
    hazard: {
      code: "inexact-positions",
      severity: "info",
      layer: layerOf(o, first.cast),
      tensor: first.tensors[0] ?? "",
      evidence: `${countOf(quiet.length, "index or size", "indices or sizes")} computed as floats${measured ? `, up to ${format(largest)}` : ""}: FP16 holds whole numbers exactly up to 2048 only, and rounds quotients and scales.`,
      fix: "Pin these layers if indices come out wrong: it costs no time.",
      values: { casts: quiet.length, ...(measured && { maxAbs: largest }) },
    },
    told: quiet.flatMap((q) => q.tensors),
  });
  return found;
}

/** Integers that become floats: ids, lengths, times. Nothing is said unless they are measured beyond 2048. */
function integerHazards(o: HazardOptions, told: ReadonlySet<string>): Hazard[] {
  const { range } = o;
  if (range === undefined) return [];
  return [...o.floats.roots.values()].flatMap(({ tensor, producer, edges, fixed }) => {
    const makesIntegers = producer?.domain === "" && ["Cast", "Range", "CumSum"].includes(producer.opType);
    if (!makesIntegers || told.has(tensor) || (fixed && edges.every((e) => e.fixed))) return [];
    // A Cast from another float makes no integers.
    if (producer.opType === "Cast" && o.floats.rootsOf.has(producer.inputs[0] ?? "")) return [];
    const measured = range(tensor);
    if (measured === undefined || !(magnitudeOf(measured) > exactIntegers)) return [];
    const whole = Number.isInteger(measured.min) && Number.isInteger(measured.max);
    if (!whole) return [];
    const largest = magnitudeOf(measured);
    return [
      {
        code: "inexact-positions",
        severity: "warning",
        layer: layerOf(o, producer),
        tensor,
        evidence: `${producer.opType} gives whole numbers up to ${largest}, which FP16 holds exactly up to 2048 only: neighbours there become equal (${format(ulpOf(largest))} apart).`,
        fix: "Pin this layer and what computes with these numbers: it costs little time.",
        values: { maxAbs: largest },
      } satisfies Hazard,
    ];
  });
}
