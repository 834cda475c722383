import { isFloat, isTensorValue, type TensorValue } from "@halfscope/core";
import type { FeedInput } from "@halfscope/engine";
import { maskName, paddingMasks } from "../judge/judge-padding.js";
import type { Request } from "./requests.js";
import { padAlong, sliceAlong } from "./tensor-axis.js";

/** How requests of different lengths come into one batch: zeros behind the shorter ones, in the mask too. */
export interface PaddingAxes {
  mask: string;
  /** Axes as long as the sequence, by input. */
  axes: ReadonlyMap<string, readonly number[]>;
}

/**
 * The inputs that a mask speaks for, or why there are none. The mask is an integer or boolean input of shape [batch, length] named attention_mask or input_mask, its
 * length is open, and all inputs of that length are integers or booleans too: 0 is an id, a segment and a place that exist, and no float of ours means "nothing".
 */
export function findPadding(signature: readonly FeedInput[], batch: ReadonlyMap<string, number>): PaddingAxes | { reason: string } {
  const mask = signature.find((i) => maskName.test(i.name) && i.dims?.length === 2 && !isFloat(i.dtype) && i.dtype !== "string");
  if (mask === undefined) return { reason: "no integer or boolean input of shape [batch, length] is named attention_mask or input_mask" };
  const length = mask.dims?.[1];
  if (length?.size !== undefined) return { reason: `the length of "${mask.name}" is fixed at ${length.size}: every request is as long` };
  if (batch.get(mask.name) !== 0) return { reason: `the first axis of "${mask.name}" is not the batch` };
  const axes = new Map<string, readonly number[]>();
  for (const input of signature) {
    const own = (input.dims ?? []).flatMap((d, axis) =>
      d.size === undefined && batch.get(input.name) !== axis && sameLength(d.symbol, length?.symbol, input, axis) ? [axis] : [],
    );
    if (own.length > 0) axes.set(input.name, own);
  }
  const floating = [...axes.keys()].find((name) => isFloat(signature.find((i) => i.name === name)?.dtype ?? "unknown"));
  if (floating !== undefined) return { reason: `"${floating}" is as long as the sequence and holds floats: what pads it is not known` };
  return { mask: mask.name, axes };
}

/** By name where the mask's length has one; else the second axis of every matrix. */
const sameLength = (symbol: string | undefined, length: string | undefined, input: FeedInput, axis: number): boolean =>
  length !== undefined ? symbol === length : symbol === undefined && axis === 1 && input.dims?.length === 2;

/** Positions of a request up to the last that its mask keeps. */
export function lengthOf(request: Request, { mask, axes }: PaddingAxes): number {
  const value = request.get(mask);
  if (value === undefined || !isTensorValue(value)) return 0;
  const whole = value.dims[axes.get(mask)?.[0] ?? 1] ?? 0;
  const [known] = paddingMasks(new Map([[mask, value]]));
  return known === undefined ? whole : Math.max(1, known.kept.lastIndexOf(1) + 1);
}

export const cutRequest = (request: Request, p: PaddingAxes, length: number): Request =>
  alongAll(request, p, (t, axis) => ((t.dims[axis] ?? 0) > length ? sliceAlong(t, axis, 0, length) : t));

export const padRequest = (request: Request, p: PaddingAxes, length: number): Request =>
  alongAll(request, p, (t, axis) => ((t.dims[axis] ?? 0) < length ? padAlong(t, axis, length) : t));

function alongAll(request: Request, { axes }: PaddingAxes, change: (t: TensorValue, axis: number) => TensorValue): Request {
  return new Map([...request].map(([name, value]) => [name, isTensorValue(value) ? (axes.get(name) ?? []).reduce(change, value) : value]));
}

/**
 * Lengths for the requests of a padded batch: their own where there are three different ones (two of two requests), else cut to shares of the longest (1, 3/4, 1/2,
 * 1/4 of four), for a batch of equals says nothing about padding. At least one position each.
 */
export function paddedLengths(own: readonly number[]): number[] {
  const longest = Math.max(...own);
  if (new Set(own).size >= Math.min(own.length, 3)) return [...own];
  return own.map((n, i) => Math.max(1, Math.min(n, Math.round((longest * (own.length - i)) / own.length))));
}
