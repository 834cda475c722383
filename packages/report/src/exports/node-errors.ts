import { type ErrorStats, type Measurements, relativeL2 } from "@halfscope/core";

/** JSON has no NaN and no infinities; the viewers show text as it is. */
export const jsonNumber = (x: number): number | string =>
  Number.isFinite(x) ? x : Number.isNaN(x) ? "NaN" : x > 0 ? "Infinity" : "-Infinity";

/** Relative L2 error as viewers show it: text where something is NaN or infinite in the candidate alone, for no number says that. */
export const shownError = (stats: ErrorStats): number | string =>
  stats.nonFiniteMismatch > 0 ? "not finite" : jsonNumber(relativeL2(stats));

/** Statistics by tensor. */
export const byTensor = (measured: Measurements | undefined): ReadonlyMap<string, ErrorStats> =>
  new Map(measured?.tensors.map((t) => [t.tensor, t.stats]));

/** The worst of some errors: text is worse than any number. */
export function worst(errors: readonly (number | string)[]): number | string | undefined {
  const words = errors.find((e) => typeof e === "string");
  return words ?? (errors.length === 0 ? undefined : Math.max(...(errors as number[])));
}
