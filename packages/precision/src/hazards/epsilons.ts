import type { Hazard, Severity } from "@halfscope/core";
import { type Divisor, divisorsOf, type Guard } from "@halfscope/onnx";
import { flushThreshold, minNormalHalf } from "../half.js";
import { format, guardedDivisor, type HazardOptions, layerOf, type MeasuredRange, staysFull, worse } from "./context.js";
import { effectWords } from "./norms.js";

/** Divisions and logarithms outside of the normalizations, which are judged as such: their epsilons, and divisors that are measured near zero. */
export function divisorHazards(o: HazardOptions): Hazard[] {
  const norms = new Set(o.layers.filter((l) => l.kind === "layer-norm" || l.kind === "rms-norm").flatMap((l) => l.nodes));
  return divisorsOf(o.view).flatMap((d) => {
    if (norms.has(d.node.index) || staysFull(o, d.node)) return [];
    if (d.constant !== undefined) return constantDivisor(o, d, d.constant);
    const epsilon = d.guard === undefined ? undefined : epsilonHazard(o, d, d.guard);
    const small = smallDivisor(o, d);
    // Where both see the same zero, the epsilon is the cause.
    return epsilon !== undefined && epsilon.severity !== "info" ? [epsilon] : [epsilon, small].filter((h) => h !== undefined);
  });
}

function constantDivisor(o: HazardOptions, d: Divisor, { value, tensor }: { value: number; tensor: string }): Hazard[] {
  const magnitude = Math.abs(value);
  if (magnitude === 0 || magnitude >= minNormalHalf) return [];
  const lost = magnitude <= flushThreshold;
  return [
    {
      code: "small-divisor",
      severity: lost ? "error" : "warning",
      layer: layerOf(o, d.node),
      tensor,
      evidence: `${nameOf(d)} the constant ${format(value)}, which ${lost ? "becomes 0 in FP16" : "is a subnormal number in FP16, with fewer than 11 bits"}.`,
      fix: "Multiply by the reciprocal or scale both sides by a power of two; otherwise pin this layer.",
      values: { value },
    },
  ];
}

/** Words for what is done with a divisor. */
const nameOf = (d: Divisor): string => (d.kind === "logarithm" ? `${d.node.opType} is taken of` : `${d.node.opType} divides by`);

function epsilonHazard(o: HazardOptions, d: Divisor, guard: Guard): Hazard | undefined {
  if (guard.value >= minNormalHalf || staysFull(o, guard.node)) return undefined;
  const measured = o.range?.(guard.of);
  const least = measured && leastMagnitude(measured);
  const lost = guard.value <= flushThreshold;
  const effect = least === undefined ? undefined : guardedDivisor(least, guard.value, guard.kind);
  const written = guard.kind === "add" ? `its epsilon ${format(guard.value)}` : `its lower limit ${format(guard.value)}`;
  const zero = d.kind === "logarithm" ? "a logarithm of zero" : "a division by zero";
  return {
    code: "epsilon-underflow",
    severity: effect?.severity ?? (lost ? "warning" : "info"),
    layer: layerOf(o, d.node),
    tensor: guard.tensor,
    evidence:
      `${nameOf(d)} a number that ${written} keeps from zero, and FP16 ${lost ? "turns that into 0" : "keeps that as a subnormal number only"}` +
      (least === undefined || effect === undefined
        ? "."
        : `; the smallest magnitude measured is ${format(least)}, ${effectWords(effect, zero)}.`),
    fix: "Raise it to at least 6.1e-5, or pin this layer.",
    values: { epsilon: guard.value, ...(least !== undefined && { minMeasured: least }) },
  };
}

/** Zero where the range begins or crosses there: an epsilon is there for exactly that. */
function leastMagnitude(r: MeasuredRange): number | undefined {
  if (r.min > r.max) return undefined;
  if (r.min > 0) return r.min;
  if (r.max < 0) return -r.max;
  return r.min === 0 || r.max === 0 ? 0 : r.smallest;
}

/** A divisor that was not zero in FP32, and is or may be in FP16. */
function smallDivisor(o: HazardOptions, d: Divisor): Hazard | undefined {
  let worst: { severity: Severity; tensor: string; smallest: number; squared: boolean } | undefined;
  for (const { tensor, squared } of d.tensors) {
    const measured = o.range?.(tensor)?.smallest;
    if (measured === undefined) continue;
    const smallest = squared ? measured ** 2 : measured;
    if (smallest >= minNormalHalf) continue;
    const severity: Severity = smallest <= flushThreshold ? "error" : "warning";
    // What happens inside an operator depends on the runtime.
    const found = squared ? "warning" : severity;
    if (worst === undefined || (worst.severity !== found && worse(found, worst.severity) === found))
      worst = { severity: found, tensor, smallest, squared };
  }
  if (worst === undefined) return undefined;
  const { severity, tensor, smallest, squared } = worst;
  const what = squared ? "of squares that go down to" : "numbers that go down to";
  const becomes = smallest <= flushThreshold ? "become 0 in FP16" : "are subnormal in FP16, with fewer than 11 bits";
  const result =
    smallest > flushThreshold
      ? ""
      : d.kind === "logarithm"
        ? ": the logarithm is then -Infinity"
        : ": the quotient is then infinite or NaN";
  return {
    code: "small-divisor",
    severity,
    layer: layerOf(o, d.node),
    tensor,
    evidence: `${nameOf(d)} ${what} ${format(smallest)}, which ${becomes}${result}.`,
    fix:
      d.kind === "logarithm"
        ? "Use LogSoftmax, or a lower limit of at least 6.1e-5, in front of the logarithm; otherwise pin this layer."
        : "Keep the divisor above 6.1e-5 (a lower limit, or a power of two as a scale on both sides); otherwise pin this layer.",
    values: { smallest },
  };
}
