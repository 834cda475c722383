import { floatsOf } from "@halfscope/analysis";
import { type EngineRecord, type ErrorStats, type FeedValue, isTensorValue, mergeStats, type TensorValue } from "@halfscope/core";
import { compareTensors, convertToBfloat16, convertToHalf, type DeviceEngine, type Feed } from "@halfscope/engine";
import { LeftOut } from "./left-out.js";

export type Outputs = ReadonlyMap<string, TensorValue>;

/** A sample as the engine takes it: a file may want its float inputs in FP16 or bfloat16. Inputs that the engine does not have are left out. */
export async function feedFor(engine: DeviceEngine, feed: Pick<Feed, "tensors">): Promise<Pick<Feed, "tensors">> {
  const tensors = new Map<string, FeedValue>();
  for (const { name, dtype } of engine.inputs) {
    const value = feed.tensors.get(name);
    if (value === undefined) continue;
    tensors.set(name, isTensorValue(value) ? await inType(value, dtype) : value);
  }
  return { tensors };
}

async function inType(value: TensorValue, dtype: string): Promise<TensorValue> {
  if (value.dtype !== "float32") return value;
  if (dtype === "float16") return { dtype, dims: value.dims, data: (await convertToHalf(value.data, false)).half };
  if (dtype === "bfloat16") return { dtype, dims: value.dims, data: (await convertToBfloat16(value.data, false)).bfloat16 };
  return value;
}

/** A float tensor of any width in FP32; undefined for others. */
export function inFull(value: TensorValue | undefined): TensorValue | undefined {
  if (value === undefined || value.dtype === "float32") return value;
  const floats = floatsOf(value);
  if (floats === undefined) return undefined;
  const { data, dims } = floats;
  return { dtype: "float32", dims, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** One sample's outputs: each name is in one of the two. */
export interface ComparedOutputs {
  stats: ReadonlyMap<string, ErrorStats>;
  /** Reasons by output. */
  notCompared: ReadonlyMap<string, string>;
}

/** Statistics of each named output that both sides have in one shape, and why there are none of the others. `sides` are named in reasons. */
export async function compareOutputs(
  reference: Outputs,
  candidate: Outputs,
  names: readonly string[],
  sides: readonly [reference: string, candidate: string] = ["the reference", "the candidate"],
): Promise<ComparedOutputs> {
  const stats = new Map<string, ErrorStats>();
  const notCompared = new Map<string, string>();
  for (const name of names) {
    const values = [reference.get(name), candidate.get(name)] as const;
    const [a, b] = [inFull(values[0]), inFull(values[1])];
    // One count of bytes is not one shape: [2, 3] against [3, 2] would pair elements that have nothing to do with each other.
    if (a !== undefined && b !== undefined && shapeOf(a) === shapeOf(b)) stats.set(name, await compareTensors(a, b));
    else notCompared.set(name, `${sides[0]} gives ${whatIs(values[0])}, ${sides[1]} ${whatIs(values[1])}`);
  }
  return { stats, notCompared };
}

const shapeOf = ({ dims }: TensorValue): string => `[${dims.join(", ")}]`;
const whatIs = (value: TensorValue | undefined): string =>
  value === undefined ? "none" : inFull(value) === undefined ? `${value.dtype} ${shapeOf(value)}` : shapeOf(value);

/** Samples as one: statistics over those in which an output was compared, and of outputs that were not compared in all of them in how many. */
export function mergeCompared(samples: readonly ComparedOutputs[]): Pick<EngineRecord, "notCompared"> & { stats: Map<string, ErrorStats> } {
  const left = new LeftOut(samples.length);
  for (const [i, { notCompared }] of samples.entries()) for (const [output, reason] of notCompared) left.add(output, i, reason);
  const notCompared = [...left.coverage()].map(([output, coverage]) => ({ output, ...coverage }));
  return { stats: mergeSamples(samples.map((s) => s.stats)), ...(notCompared.length > 0 && { notCompared }) };
}

/** Statistics of several samples as one, tensor by tensor. */
export function mergeSamples(samples: readonly ReadonlyMap<string, ErrorStats>[]): Map<string, ErrorStats> {
  const merged = new Map<string, ErrorStats>();
  for (const sample of samples)
    for (const [name, stats] of sample) {
      const before = merged.get(name);
      merged.set(name, before === undefined ? stats : mergeStats(before, stats));
    }
  return merged;
}
