import type { ResultDocument } from "@halfscope/core";
import { wordOf } from "@halfscope/report";
import { describeOrigins } from "./describe-comparison.js";
import { table } from "./table.js";
import { clip, number, safe } from "./text.js";

const shown = 25;

/** What `sweep` prints for people. */
export function describeSensitivity(result: ResultDocument): string {
  const s = result.sensitivity;
  if (s === undefined)
    return result.part === undefined
      ? "No sweep was made."
      : `Part ${result.part.shard ?? "of a sweep"} is done; ${result.part.left ?? "other"} candidates are left to other parts.`;
  const kinds = new Map(result.layers.map((l) => [l.id, l.kind]));
  return [
    ...describeOrigins(result),
    ...(s.basePins.length > 0 ? [`Swept with ${s.basePins.length} layers pinned: ${clip(safe(s.basePins.join(", ")))}.`] : []),
    `All sites in ${wordOf(result)}: ${number(s.measuredError)} relative L2 measured, ${number(s.predictedError)} predicted from the sites (root of summed squares).`,
    "",
    `Layers, by what they cost the final outputs (${Math.min(shown, s.layers.length)} of ${s.layers.length}):`,
    table(
      ["layer", "kind", "output error", "activation", "weight", "overflow", "sites"],
      s.layers
        .slice(0, shown)
        .map((l) => [
          l.layer,
          kinds.get(l.layer) ?? "",
          number(l.outputError),
          number(l.activation),
          number(l.weight),
          l.overflow ? "yes" : "",
          l.sites,
        ]),
      { numeric: [2, 3, 4, 6] },
    ),
  ].join("\n");
}
