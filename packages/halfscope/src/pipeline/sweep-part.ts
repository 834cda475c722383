import { environmentInWords } from "@halfscope/analysis";
import type { ResultDocument, Sensitivity } from "@halfscope/core";
import type { Compared } from "./compare-step.js";

/** A result with what a sweep found; where other shards have candidates still, only the note that this is a part: a ranking of half of the sites would mislead. */
export function withSweep(
  result: ResultDocument,
  sensitivity: Sensitivity,
  basePins: Compared["basePins"],
  shard?: string,
): ResultDocument {
  const { part: _, sensitivity: __, ...rest } = result;
  const { left } = sensitivity;
  if (left !== undefined) return { ...rest, part: { ...(shard !== undefined && { shard }), basePins, left } };
  return { ...rest, sensitivity, warnings: [...rest.warnings, ...mixedWarnings(sensitivity)] };
}

export function mixedWarnings({ mixed }: Sensitivity): string[] {
  if (mixed === undefined) return [];
  return [
    `Candidates were swept in ${mixed.environments.length} environments (${mixed.environments.map(environmentInWords).join("; ")}): their last digits differ, and up to a relative difference of ${mixed.tolerance} was taken for equal.`,
  ];
}

/** Layers that were pinned before the sweep, and why, from a saved result. */
export function basePinsOf({ part, sensitivity }: ResultDocument): Compared["basePins"] | undefined {
  if (sensitivity === undefined) return part?.basePins;
  const { basePinReasons: reasons = {} } = sensitivity;
  return sensitivity.basePins.map((layer) => ({
    layer,
    reason: (Object.hasOwn(reasons, layer) && reasons[layer]) || "part of an overflow's region",
  }));
}
