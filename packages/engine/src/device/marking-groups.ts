import { byteLength, elementCount, type TensorTypes } from "@halfscope/core";
import type { ComparedTensors } from "./backend.js";

/** A tensor to observe. */
export interface Markable {
  tensor: string;
  /** On the device; undefined where its sizes are not known. */
  bytes: number | undefined;
}

export interface MarkingGroup {
  tensors: readonly string[];
  /** Sum, with the estimate for tensors of unknown size. */
  bytes: number;
}

export interface MarkingGroups {
  groups: readonly MarkingGroup[];
  /** Tensors larger than the limit, and sizes that were estimated. */
  notes: readonly string[];
}

export interface GroupOptions {
  /** Device memory that a group's outputs may take. */
  limitBytes: number;
  /** Tensors in one group at most. Defaults to no limit. */
  limitTensors?: number;
}

/** Bytes that a tensor takes as an output: sizes that are not known make the whole unknown. `dtype` where it is not the model's own. */
export function markableOf(tensor: string, types: TensorTypes, dtype?: "float16" | "bfloat16" | "float32"): Markable {
  const type = types.get(tensor);
  const dims = type?.dims;
  if (type === undefined || dims === undefined || !dims.every((d) => d !== undefined)) return { tensor, bytes: undefined };
  return { tensor, bytes: byteLength(dtype ?? type.dtype, elementCount(dims)) };
}

/**
 * Splits tensors into groups that are built and run one after the other, in the order they come in: the same tensors give the same groups, and neighbours,
 * which fuse with each other anyway, stay together. A tensor of unknown size counts as the largest known one; one beyond the limit is a group of its own.
 */
export function groupTensors(
  tensors: readonly Markable[],
  { limitBytes, limitTensors = Number.POSITIVE_INFINITY }: GroupOptions,
): MarkingGroups {
  const largest = tensors.reduce((most, t) => Math.max(most, t.bytes ?? 0), 0);
  const groups: { tensors: string[]; bytes: number }[] = [];
  const notes: string[] = [];
  let current: { tensors: string[]; bytes: number } | undefined;
  for (const { tensor, bytes = largest } of tensors) {
    if (current === undefined || current.bytes + bytes > limitBytes || current.tensors.length >= limitTensors) {
      current = { tensors: [], bytes: 0 };
      groups.push(current);
    }
    current.tensors.push(tensor);
    current.bytes += bytes;
    if (bytes > limitBytes)
      notes.push(`"${tensor}" alone takes ${bytes} bytes, more than the ${limitBytes} that a group may take; it is observed on its own.`);
  }
  const unknown = tensors.filter((t) => t.bytes === undefined).length;
  if (unknown > 0)
    notes.push(
      `The sizes of ${unknown} of ${tensors.length} tensors are not known before the run; each counts as the largest known one, ${largest} bytes.`,
    );
  return { groups, notes };
}

/** Results of groups as if they were one: a tensor compared in any of them is compared, the first result counts; seconds add. */
export function mergeCompared(parts: readonly ComparedTensors[]): ComparedTensors {
  const stats: ComparedTensors["stats"] = new Map();
  for (const part of parts) for (const [tensor, value] of part.stats) if (!stats.has(tensor)) stats.set(tensor, value);
  const notCompared = new Map<string, { tensor: string; reason: string }>();
  for (const part of parts)
    for (const missing of part.notCompared)
      if (!stats.has(missing.tensor) && !notCompared.has(missing.tensor)) notCompared.set(missing.tensor, missing);
  return { stats, notCompared: [...notCompared.values()], seconds: parts.reduce((sum, p) => sum + p.seconds, 0) };
}
