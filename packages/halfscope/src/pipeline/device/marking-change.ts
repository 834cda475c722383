import { type ErrorStats, relativeL2 } from "@halfscope/core";
import { compareOutputs, mergeSamples, type Outputs } from "./device-values.js";
import type { KeptTensors } from "./engine-journal.js";
import type { DeviceSession } from "./session.js";

/** What marking a group did to the final outputs; of several groups, what it changed most counts. What could not be compared is told with each engine. */
export async function addMarking(
  s: DeviceSession,
  found: KeptTensors,
  unmarked: readonly Outputs[],
  marked: readonly Outputs[],
  reference: readonly Outputs[],
  markedStats: ReadonlyMap<string, ErrorStats>,
): Promise<void> {
  const [differences, plain] = [[] as ReadonlyMap<string, ErrorStats>[], [] as ReadonlyMap<string, ErrorStats>[]];
  for (const [i, outputs] of unmarked.entries()) {
    differences.push((await compareOutputs(outputs, marked[i] ?? new Map(), s.outputs)).stats);
    plain.push((await compareOutputs(reference[i] ?? new Map(), outputs, s.outputs)).stats);
  }
  const unmarkedStats = mergeSamples(plain);
  for (const [output, difference] of mergeSamples(differences)) {
    const [m, u] = [markedStats.get(output), unmarkedStats.get(output)];
    if (m === undefined || u === undefined) continue;
    const change = { output, difference, markedError: errorOf(m), unmarkedError: errorOf(u) };
    const before = found.marking.findIndex((c) => c.output === output);
    if (before < 0) found.marking.push(change);
    else if (errorOf(difference) > errorOf(found.marking[before]?.difference ?? difference)) found.marking[before] = change;
  }
}

/** Sums leave out what is not finite; such a tensor is infinitely wrong, not exact. */
export const errorOf = (e: ErrorStats): number => (e.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : relativeL2(e));
