/** Hazards of small models, without ONNX Runtime: shapes, types and measured ranges are given by the test. */
import type { Hazard, TensorType } from "@halfscope/core";
import { listLayers, readModel, readSpanSync, viewGraph } from "@halfscope/onnx";
import { buildFloatGraph, findHazards, type HalfLoss, minNormalHalf, type Range, roundToHalf, type WeightScan } from "@halfscope/precision";
import { type ModelParts, writeModel } from "./model-file.js";

/** The obvious implementation of a scan, without the addon. */
export const plainScan: WeightScan = async (source) => {
  const bytes = source instanceof Uint8Array ? source : readSpanSync(source);
  const values = new Float32Array(Uint8Array.from(bytes).buffer);
  const loss: HalfLoss = { count: values.length, overflowed: 0, flushed: 0, maxAbs: 0 };
  let lost = 0;
  let sum = 0;
  for (const x of values) {
    if (!Number.isFinite(x)) continue;
    loss.maxAbs = Math.max(loss.maxAbs, Math.abs(x));
    if (!Number.isFinite(roundToHalf(x))) loss.overflowed++;
    if (x !== 0 && roundToHalf(x) === 0) loss.flushed++;
    if (Math.abs(x) < minNormalHalf) lost += (x - roundToHalf(x)) ** 2;
    sum += x * x;
  }
  return { ...loss, lostShare: sum === 0 ? 0 : lost / sum };
};

type Measured = NonNullable<ReturnType<Range>>;
export interface HazardCase {
  /** Measured ranges; a run has been made where this is given. */
  range?: Readonly<Record<string, Measured>>;
  /** Types other than float32 of 2x4, by tensor. Graph inputs and initializers tell theirs. */
  types?: Readonly<Record<string, Partial<TensorType>>>;
  scan?: WeightScan;
}

export async function hazardsOf(folder: string, model: ModelParts, o: HazardCase = {}): Promise<Hazard[]> {
  const read = await readModel(writeModel(folder, model));
  const view = viewGraph(read.graph);
  const layers = listLayers(read, view);
  const types = new Map<string, TensorType>();
  for (const name of view.producer.keys()) types.set(name, { dtype: "float32", dims: [2, 4] });
  for (const v of read.graph.inputs) types.set(v.name, { dtype: v.dtype, dims: v.dims?.map((d) => d.size) });
  for (const i of view.initializers.values()) types.set(i.name, { dtype: i.dtype, dims: i.dims });
  for (const [name, type] of Object.entries(o.types ?? {})) types.set(name, { dtype: "float32", dims: [2, 4], ...type });
  const { range } = o;
  return findHazards({
    view,
    layers,
    floats: buildFloatGraph(read, view, types, layers),
    scan: o.scan ?? plainScan,
    types,
    ...(range && { range: (t: string) => range[t] }),
  });
}

/** A graph input or output of 2x4 floats. */
export const face = (name: string): { name: string; dims: number[] } => ({ name, dims: [2, 4] });
/** Only code and severity, for telling a list at a glance. */
export const told = (hazards: readonly Hazard[]): string[] => hazards.map((h) => `${h.severity} ${h.code}`);
