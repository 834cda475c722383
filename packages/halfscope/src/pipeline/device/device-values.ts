import { floatsOf } from "@halfscope/analysis";
import { type ErrorStats, type FeedValue, isTensorValue, mergeStats, type TensorValue } from "@halfscope/core";
import { compareTensors, convertToBfloat16, convertToHalf, type DeviceEngine, type Feed } from "@halfscope/engine";

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

/** Statistics of each named output that both sides have in one size. */
export async function compareOutputs(reference: Outputs, candidate: Outputs, names: readonly string[]): Promise<Map<string, ErrorStats>> {
  const found = new Map<string, ErrorStats>();
  for (const name of names) {
    const [a, b] = [inFull(reference.get(name)), inFull(candidate.get(name))];
    if (a !== undefined && b !== undefined && a.data.length === b.data.length) found.set(name, await compareTensors(a, b));
  }
  return found;
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
