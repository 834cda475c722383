import type { Hazard, Layer, Severity } from "@halfscope/core";
import { type FileSpan, type GraphView, layerNormParts, softmaxParts } from "@halfscope/onnx";
import type { FloatGraph } from "./float-graph.js";
import { flushThreshold, maxHalf, minNormalHalf, overflowThreshold } from "./half.js";

/** What conversion to FP16 does to the values of one weight. */
export interface HalfLoss {
  count: number;
  /** Finite values that become infinite; non-zero values that become zero; largest finite magnitude. */
  overflowed: number;
  flushed: number;
  maxAbs: number;
}
/** Measures `HalfLoss` of FP32 little-endian values in a file or in memory. The addon does it at the speed of the disk. */
export type WeightScan = (source: FileSpan | Uint8Array) => Promise<HalfLoss>;
/** Measured range of the reference's values of a tensor, when a run has been made. */
export type Range = (tensor: string) => { min: number; max: number } | undefined;

export interface HazardOptions {
  view: GraphView;
  layers: readonly Layer[];
  floats: FloatGraph;
  scan: WeightScan;
  range?: Range;
}

/** Constants of at least this magnitude that reach a Softmax are taken for a mask. */
const maskThreshold = 1e3;
/** A decomposed LayerNormalization is safe while its squares stay this factor below the FP16 range. */
const squareMargin = 4;
/** An epsilon that is lost does no harm while the smallest variance is this many times larger. */
const epsilonMargin = 1e3;

/** Reasons why FP16 may fail, from the graph, the weights and, when given, measured ranges. Sorted by severity, then graph order. */
export async function findHazards(o: HazardOptions): Promise<Hazard[]> {
  const hazards = [...o.layers.flatMap((layer) => [...layerNormHazards(o, layer), ...maskHazards(o, layer)]), ...(await weightHazards(o))];
  const rank: Record<Severity, number> = { error: 0, warning: 1, info: 2 };
  const seen = new Set<string>();
  const masks = new Set(hazards.filter((h) => h.code === "mask-constant").map((h) => h.tensor));
  return hazards
    .filter((h) => {
      const key = `${h.code}\0${h.tensor}`;
      // One mask serves all layers: say it once, and not again as an overflowing weight.
      if (seen.has(key) || (h.code === "weight-overflow" && masks.has(h.tensor))) return false;
      seen.add(key);
      return true;
    })
    .sort((a, b) => rank[a.severity] - rank[b.severity]);
}

function layerNormHazards({ view, range }: HazardOptions, layer: Layer): Hazard[] {
  if (layer.kind !== "layer-norm" && layer.kind !== "rms-norm") return [];
  const parts = layerNormParts(view, layer);
  const found: Hazard[] = [];
  if (parts?.square !== undefined) {
    const measured = range?.(parts.square);
    const max = measured?.max;
    const severity: Severity =
      max === undefined ? "info" : max >= overflowThreshold ? "error" : max >= maxHalf / squareMargin ? "warning" : "info";
    found.push({
      code: "decomposed-layer-norm",
      severity,
      layer: layer.id,
      tensor: parts.square,
      evidence:
        max === undefined
          ? `The normalization is written as ${layer.nodes.length} nodes and squares its input: FP16 overflows where |x - mean| reaches 256. The output then becomes 0 without any NaN.`
          : `Its square reaches ${format(max)}; FP16 ends at 65504${max >= overflowThreshold ? ", so it overflows to Infinity and the output becomes 0 without any NaN" : ""}.`,
      fix: "Export with opset 17 or newer, so that it becomes one LayerNormalization node that engines compute in FP32; otherwise pin this layer.",
      values: max === undefined ? {} : { maxSquare: max },
    });
  }
  const epsilon = parts?.epsilon;
  if (epsilon !== undefined && epsilon.tensor !== undefined && epsilon.value > 0 && epsilon.value < minNormalHalf) {
    const variance = parts?.variance === undefined ? undefined : range?.(parts.variance)?.min;
    const lost = epsilon.value <= flushThreshold;
    const near = variance !== undefined && variance < epsilon.value * epsilonMargin;
    const tiny = variance !== undefined && variance <= flushThreshold;
    found.push({
      code: "epsilon-underflow",
      severity: near || tiny ? "error" : "warning",
      layer: layer.id,
      tensor: epsilon.tensor,
      evidence:
        `Its epsilon ${format(epsilon.value)} ${lost ? "becomes 0" : "becomes a subnormal number"} in FP16` +
        (variance === undefined
          ? "."
          : `; the smallest variance measured is ${format(variance)}, ${near || tiny ? "so a division by zero is near" : "far above it, so nothing is lost here"}.`),
      fix: "Raise epsilon to at least 6.1e-5, or pin this layer.",
      values: { epsilon: epsilon.value, ...(variance !== undefined && { minVariance: variance }) },
    });
  }
  return found;
}

function maskHazards({ view }: HazardOptions, layer: Layer): Hazard[] {
  if (layer.kind !== "softmax") return [];
  const parts = softmaxParts(view, layer);
  return (parts?.maskConstants ?? [])
    .filter(({ value }) => Math.abs(value) >= maskThreshold && Math.abs(value) >= overflowThreshold)
    .map(({ tensor, value }) => ({
      code: "mask-constant" as const,
      severity: Number.isFinite(value) ? ("error" as const) : ("warning" as const),
      layer: layer.id,
      tensor,
      evidence: Number.isFinite(value)
        ? `The mask constant ${format(value)} lies beyond the FP16 range: a plain conversion makes it ${value < 0 ? "-" : ""}Infinity, and Infinity times 0 is NaN.`
        : "The mask constant is infinite: a row that is masked as a whole becomes NaN, in FP32 too.",
      fix: "Write the constant as -65504 (`halfscope apply` does) or -1e4; a pin is not needed.",
      values: { value },
    }));
}

async function weightHazards({ view, floats, scan }: HazardOptions): Promise<Hazard[]> {
  const found: Hazard[] = [];
  for (const root of floats.roots.values()) {
    if (root.kind !== "weight" || root.edges.length === 0) continue;
    const init = view.initializers.get(root.tensor);
    const data = init?.data ?? root.producer?.attributes.get("value")?.tensor?.data;
    if (data === undefined || data.kind === "unsupported") continue;
    const loss = await scan(data.kind === "bytes" ? data.bytes : data.span);
    const layer = floats.layerOf.get(root.edges[0]?.node.index ?? -1) ?? "";
    if (loss.overflowed > 0)
      found.push({
        code: "weight-overflow",
        severity: "error",
        layer,
        tensor: root.tensor,
        evidence: `${loss.overflowed} of ${loss.count} values lie beyond the FP16 range (largest magnitude ${format(loss.maxAbs)}); a plain conversion makes them infinite.`,
        fix: "`halfscope apply` writes them as +-65504; if the measurement shows that this is not enough, pin the layer.",
        values: { overflowed: loss.overflowed, count: loss.count, maxAbs: loss.maxAbs },
      });
    else if (loss.count >= 16 && loss.flushed / loss.count >= 0.01)
      found.push({
        code: "weight-underflow",
        severity: "info",
        layer,
        tensor: root.tensor,
        evidence: `${loss.flushed} of ${loss.count} values are too small for FP16 and become 0.`,
        fix: "Look at the measured weight error of this layer; usually nothing needs to be done.",
        values: { flushed: loss.flushed, count: loss.count },
      });
  }
  return found;
}

const format = (x: number): string => (Number.isFinite(x) ? Number(x.toPrecision(3)).toString() : String(x));
