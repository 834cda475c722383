import { type ErrorStats, exponentBias, type Hazard, type Layer, type Severity, type TensorTypes } from "@halfscope/core";
import type { FileSpan, GraphView, Node } from "@halfscope/onnx";
import type { FloatGraph } from "../float-graph.js";
import { maxHalf, minNormalHalf, overflowThreshold, roundToHalf } from "../half.js";

/** What conversion to FP16 does to the values of one weight. */
export interface HalfLoss {
  count: number;
  /** Finite values that become infinite; non-zero values that become zero; largest finite magnitude. */
  overflowed: number;
  flushed: number;
  maxAbs: number;
  /**
   * Squared error of the values below the smallest normal FP16 number (those that become zero included) relative to the squared norm, 0 to 1.
   * Undefined where a scan does not tell: then counts are what is judged by.
   */
  lostShare?: number;
}
/** Measures `HalfLoss` of FP32 little-endian values in a file or in memory. The addon does it at the speed of the disk. */
export type WeightScan = (source: FileSpan | Uint8Array) => Promise<HalfLoss>;

/** What the reference's values of a tensor were. */
export interface MeasuredRange {
  /** Of the finite values; +Infinity and -Infinity where there are none. */
  readonly min: number;
  readonly max: number;
  /** Smallest magnitude that is not zero, rounded down to a power of two where it is not an end of the range; undefined where it is not known. */
  readonly smallest?: number;
  /** Values that are not numbers. */
  readonly nan?: number;
}
/** Measured range of the reference's values of a tensor, when a run has been made. */
export type Range = (tensor: string) => MeasuredRange | undefined;

export interface HazardOptions {
  view: GraphView;
  layers: readonly Layer[];
  floats: FloatGraph;
  scan: WeightScan;
  range?: Range;
  /** Shapes of tensors: without them, only the lengths of sums over weights are known. */
  types?: TensorTypes;
}

/** The range that a measurement tells. */
export function rangeOf(s: ErrorStats): MeasuredRange {
  const smallest = smallestOf(s);
  return { min: s.minReference, max: s.maxReferenceValue, nan: s.nanReference, ...(smallest !== undefined && { smallest }) };
}

function smallestOf(s: ErrorStats): number | undefined {
  if (s.minReference > 0 && Number.isFinite(s.minReference)) return s.minReference;
  if (s.maxReferenceValue < 0 && Number.isFinite(s.maxReferenceValue)) return -s.maxReferenceValue;
  // Bin 0 holds zeros together with what lies below all bins: the count of numbers below the normal ones tells whether there are any.
  const firstNormal = Math.log2(minNormalHalf) + exponentBias;
  const below = s.exponents.slice(1, firstNormal).reduce((n, c) => n + c, 0);
  if (s.subnormalReference > below) return 2 ** -exponentBias;
  const bin = s.exponents.findIndex((n, i) => i > 0 && n > 0);
  return bin < 0 ? undefined : 2 ** (bin - exponentBias);
}

/** Measured values are near the end of FP16 from a fourth of it on. */
export const rangeMargin = 4;

/** Largest magnitude of a range; 0 for one without finite values. */
export const magnitudeOf = (r: { min: number; max: number }): number => {
  const larger = Math.max(Math.abs(r.min), Math.abs(r.max));
  return r.min > r.max ? 0 : larger;
};

/** How a magnitude stands to the FP16 range: beyond it (error), within a factor of four (warning), or far (undefined). */
export const severityOfMagnitude = (magnitude: number): Severity | undefined =>
  magnitude >= overflowThreshold ? "error" : magnitude >= maxHalf / rangeMargin ? "warning" : undefined;

/** A divisor that FP16 changes by more than this is worth a warning: eight times what rounding alone does. */
const notableChange = 2 ** -8;

/**
 * What FP16 makes of a small number and the epsilon that keeps it from zero: nothing at all (error), another number (warning), or the same but for
 * rounding. `change`: relative to the exact divisor.
 */
export function guardedDivisor(least: number, epsilon: number, kind: "add" | "max"): { severity: Severity; change: number } {
  const combine = (a: number, b: number) => (kind === "add" ? a + b : Math.max(a, b));
  const exact = combine(least, epsilon);
  const half = roundToHalf(combine(roundToHalf(least), roundToHalf(epsilon)));
  const change = Math.abs(half - exact) / exact;
  return { severity: half === 0 ? "error" : change > notableChange ? "warning" : "info", change };
}

export const layerOf = (o: HazardOptions, node: Node | undefined): string => (node && o.floats.layerOf.get(node.index)) ?? "";

/** The node computes in FP32 whatever is pinned: nothing that it does can fail in FP16. */
export const staysFull = (o: HazardOptions, node: Node): boolean => o.floats.fixedNodes.has(node.index);

const rank: Record<Severity, number> = { error: 0, warning: 1, info: 2 };
export const bySeverity = (a: Hazard, b: Hazard): number => rank[a.severity] - rank[b.severity];
export const worse = (a: Severity, b: Severity): Severity => (rank[a] <= rank[b] ? a : b);

/** Three significant digits. */
export const format = (x: number): string => (Number.isFinite(x) ? Number(x.toPrecision(3)).toString() : String(x));
/** Five digits where three would hide on which side of a threshold a number lies. */
export const formatNear = (x: number): string => (Number.isFinite(x) ? Number(x.toPrecision(5)).toString() : String(x));
export const countOf = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

/** Some names of operators for a sentence, the commonest first. */
export function operatorsOf(nodes: readonly Node[], shown = 4): string {
  const counts = new Map<string, number>();
  for (const n of nodes) counts.set(n.opType, (counts.get(n.opType) ?? 0) + 1);
  const names = [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  return names.length <= shown ? names.join(", ") : `${names.slice(0, shown).join(", ")} and ${names.length - shown} more types`;
}
