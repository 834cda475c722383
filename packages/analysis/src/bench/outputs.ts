import type { TensorValue } from "@halfscope/core";
import { sliceAlong } from "./tensor-axis.js";

/** Outputs of one call, by name. */
export type Outputs = ReadonlyMap<string, TensorValue>;

/** Where a batch's output holds its requests: `rows` places along `axis` for each. */
export type OutputAxis = { axis: number; rows: number } | { reason: string };

/**
 * Finds it by the sizes of one request's output and of a batch's: the only axis that grew, by the factor of the batch. An output that did not grow is given once for
 * the whole batch (a loss, a table) or depends on the data; neither can be shared out.
 */
export function outputAxis(single: readonly number[], batched: readonly number[], batch: number): OutputAxis {
  const shapes = `[${single.join(", ")}] of one request, [${batched.join(", ")}] of ${batch}`;
  if (single.length !== batched.length) return { reason: `its rank changes with the batch: ${shapes}` };
  const grown = single.flatMap((size, axis) => (size === batched[axis] ? [] : [axis]));
  const [axis, ...others] = grown;
  if (axis === undefined)
    return batch === 1
      ? { axis: 0, rows: single[0] ?? 1 }
      : { reason: `it does not grow with the batch (${shapes}): it is not one request's` };
  if (others.length > 0 || batched[axis] !== (single[axis] ?? 0) * batch)
    return { reason: `no axis is ${batch} times that of a single request: ${shapes}; its sizes depend on the data` };
  return { axis, rows: single[axis] ?? 0 };
}

/** One request's part of a batch's output. */
export const outputOfRequest = (batched: TensorValue, at: { axis: number; rows: number }, place: number): TensorValue =>
  sliceAlong(batched, at.axis, place * at.rows, (place + 1) * at.rows);

/** A batch's outputs by place; what cannot be shared out goes into `not`, with the reason. `single` is one request's. */
export function sharedOut(batched: Outputs, single: Outputs, batch: number, not: Map<string, string>): Outputs[] {
  const places = Array.from({ length: batch }, () => new Map<string, TensorValue>());
  for (const [name, value] of batched) {
    const at = outputAxis(single.get(name)?.dims ?? [], value.dims, batch);
    if ("reason" in at) not.set(name, at.reason);
    else for (const [place, outputs] of places.entries()) outputs.set(name, outputOfRequest(value, at, place));
  }
  return places;
}

/**
 * The part of an output of a padded request that stands for the request itself: axes that are as long as the padding where the unpadded request's are as long as
 * the request lose what is behind it. Gives a reason where the sizes differ in any other way.
 */
export function withoutPadding(
  padded: TensorValue,
  own: readonly number[],
  longest: number,
  length: number,
): TensorValue | { reason: string } {
  if (padded.dims.length !== own.length) return { reason: `its rank is ${padded.dims.length} padded and ${own.length} alone` };
  let part = padded;
  for (const [axis, size] of own.entries()) {
    if (padded.dims[axis] === size) continue;
    if (padded.dims[axis] !== longest || size !== length)
      return { reason: `it is [${padded.dims.join(", ")}] padded and [${own.join(", ")}] alone: its sizes do not follow the length` };
    part = sliceAlong(part, axis, 0, length);
  }
  return part;
}
