import type { BenchDifference, BenchRefusal } from "@halfscope/core";
import { number, safe } from "./text.js";

/** Milliseconds with three digits. */
export const ms = (x: number | undefined): string => (x === undefined ? "-" : x >= 999.5 ? String(Math.round(x)) : x.toPrecision(3));
export const rate = (x: number | undefined): string => (x === undefined ? "-" : x >= 999.5 ? String(Math.round(x)) : x.toPrecision(3));
export const several = (n: number, one: string): string => `${n} ${one}${n === 1 ? "" : "s"}`;
export const factor = (x: number): string => (x >= 9.95 ? String(Math.round(x)) : x.toPrecision(2));

export const shapeOf = (name: string): string => (name === "as declared" ? "" : `, ${safe(name)}`);

export const bits = (x: BenchDifference | undefined): string =>
  x === undefined
    ? "-"
    : x.bitIdentical
      ? "same bits"
      : x.notFinite > 0
        ? "not finite"
        : x.relativeL2 === 0 && x.decisions !== undefined
          ? "decides otherwise"
          : "differs";
export const worstOf = (x: BenchDifference | undefined): string => (x === undefined ? "-" : number(x.relativeL2));
export const word = (r: BenchRefusal): string => ({ refused: "not served", failed: "FAILED", stopped: "not measured" })[r.kind];

/** Each reason once, with where it holds. */
export function refusals<T extends { shape: string; batch: number }>(
  all: readonly T[],
  of: (c: T) => BenchRefusal | undefined,
  whose = "",
): string[] {
  const reasons = new Map<string, { word: string; reason: string; shapes: Map<string, number[]> }>();
  for (const c of all) {
    const r = of(c);
    if (r === undefined) continue;
    const key = `${r.kind} ${r.reason}`;
    const entry = reasons.get(key) ?? { word: word(r), reason: r.reason, shapes: new Map<string, number[]>() };
    reasons.set(key, entry);
    entry.shapes.set(c.shape, [...(entry.shapes.get(c.shape) ?? []), c.batch]);
  }
  return [...reasons.values()].map(({ word: what, reason, shapes }) => `${what} (${whose}${placesOf(shapes)}): ${reason}`);
}

const mostPlaces = 4;

/** "batches 1, 4 of sequence=128; batch 1 of sequence=384". */
export function placesOf(shapes: ReadonlyMap<string, readonly number[]>): string {
  const places = [...shapes].map(
    ([shape, batches]) =>
      `${batches.length === 1 ? "batch" : "batches"} ${batches.join(", ")}${shape === "as declared" ? "" : ` of ${safe(shape)}`}`,
  );
  const more = places.length - mostPlaces;
  return `${places.slice(0, mostPlaces).join("; ")}${more > 0 ? `; ${several(more, "shape")} more` : ""}`;
}
