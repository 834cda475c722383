import { PinCosts } from "@halfscope/analysis";
import type { FixReport } from "@halfscope/core";
import { type Fix, withPins } from "@halfscope/precision";
import { verifyAllHalf } from "./verify.js";
import type { Workbench } from "./workbench.js";

/** Pins that are tried one by one on the fixed model; each costs a pass per sample. */
const mostTried = 16;

/**
 * What rounding costs before and after fixes, and with those of the pins that no fix answers: all of them, and (given a tolerance) what is left when each that the
 * fixed model does without is let go of. Disposes of `fixed`.
 */
export async function halfErrors(
  bench: Workbench,
  fixed: Workbench,
  fixes: readonly Fix[],
  o: { pins?: readonly string[] | undefined; pinTolerance?: number | undefined },
): Promise<Pick<FixReport, "allHalfBefore" | "allHalfAfter" | "withPins">> {
  using model = fixed;
  const errors = { allHalfBefore: await allHalfError(bench), allHalfAfter: await allHalfError(model) };
  if (o.pins === undefined) return errors;
  const known = new Set(model.layers.map((l) => l.id));
  const answered = new Set(fixes.flatMap((f) => f.layers));
  const left = o.pins.filter((l) => known.has(l) && !answered.has(l));
  const replaced = o.pins.filter((l) => answered.has(l));
  const error = await allHalfError(model, left);
  const { roundings, types } = await model.subject();
  const costs = new PinCosts(roundings.floats, types);
  const shareOf = (pins: readonly string[]) => costs.of(pins).fp32Share;
  const tolerance = o.pinTolerance;
  const needed = tolerance !== undefined && error <= tolerance ? await neededPins(model, left, tolerance, errors.allHalfAfter) : undefined;
  return {
    ...errors,
    withPins: {
      pins: left,
      replaced,
      error,
      fp32Share: shareOf(left),
      ...(needed && { needed: { ...needed, fp32Share: shareOf(needed.pins) } }),
    },
  };
}

async function neededPins(
  model: Workbench,
  pins: readonly string[],
  tolerance: number,
  without: number,
): Promise<{ pins: readonly string[]; error: number }> {
  if (without <= tolerance) return { pins: [], error: without };
  let kept = { pins, error: await allHalfError(model, pins) };
  for (const pin of pins.slice(0, mostTried)) {
    const set = kept.pins.filter((l) => l !== pin);
    const error = await allHalfError(model, set);
    if (error <= tolerance) kept = { pins: set, error };
  }
  return kept;
}

/** Relative L2 of the final outputs with every layer in FP16 but the pinned ones; Infinity when they are not finite. */
export async function allHalfError(bench: Workbench, pinned: readonly string[] = []): Promise<number> {
  const verdict = await verifyAllHalf(bench, 1, (plan) => withPins(plan, pinned));
  return verdict.outcome === "not-finite" ? Number.POSITIVE_INFINITY : verdict.error;
}
