import { type ResultDocument, type Sensitivity, wordOf } from "@halfscope/core";
import { describeOrigins } from "./describe-comparison.js";
import { describeFigures, describeJudgement } from "./describe-outputs.js";
import { table } from "./table.js";
import { clip, number, percent, safe } from "./text.js";

const shown = 25;

/** What `sweep` prints for people. */
export function describeSensitivity(result: ResultDocument): string {
  const s = result.sensitivity;
  if (s === undefined)
    return result.part === undefined
      ? "No sweep was made."
      : `Part ${result.part.shard ?? "of a sweep"} is done; ${result.part.left ?? "other"} candidates are left to other parts.`;
  const sums = s.layers.some((l) => l.accumulation !== undefined);
  const kinds = new Map(result.layers.map((l) => [l.id, l.kind]));
  return [
    ...describeOrigins(result),
    ...(s.basePins.length > 0 ? [`Swept with ${s.basePins.length} layers pinned: ${clip(safe(s.basePins.join(", ")))}.`] : []),
    `All sites in ${wordOf(result)}: ${number(s.measuredError)} relative L2 measured, ${number(s.predictedError)} predicted from the sites${additionOf(s)}.`,
    ...describeJudged(s),
    "",
    `Layers, by what they cost the final outputs (${Math.min(shown, s.layers.length)} of ${s.layers.length}):`,
    table(
      ["layer", "kind", "output error", "activation", "weight", ...(sums ? ["sums"] : []), "sites", ""],
      s.layers
        .slice(0, shown)
        .map((l) => [
          l.layer,
          kinds.get(l.layer) ?? "",
          number(l.outputError),
          number(l.activation),
          number(l.weight),
          ...(sums ? [number(l.accumulation)] : []),
          l.sites,
          [l.overflow && "overflow", l.estimated && "estimated", l.belowFloor && "noise"].filter(Boolean).join(", "),
        ]),
      { numeric: sums ? [2, 3, 4, 5, 6] : [2, 3, 4, 5] },
    ),
  ].join("\n");
}

const additionOf = (s: Sensitivity): string =>
  s.predictedInSquares === undefined
    ? " (root of summed squares)"
    : ` (weights with their signs, fresh roundings in squares; all in squares ${number(s.predictedInSquares)})`;

/** What the numbers rest on, a line each: samples, padding, a metric, the noise floor, what was not measured alone. */
function describeJudged(s: Sensitivity): string[] {
  const { judgement, noise, adaptive } = s;
  const lines: string[] = [];
  lines.push(...describeJudgement(judgement));
  if (s.metric !== undefined) lines.push(`With all sites it is ${number(s.metric)}; below is relative L2, which adds up.`);
  if ((s.samples ?? 1) > 1) lines.push(`Over ${s.samples} samples: root of the mean square.`);
  lines.push(...describeFigures(s.figures));
  if (noise !== undefined)
    lines.push(
      `Noise floor ${number(Math.max(0, ...noise.perOutput))} from ${noise.perturbations > 0 ? `${noise.perturbations} runs ${noise.relative === undefined ? "without a site that costs next to nothing" : "with inputs moved by a millionth"}` : `${noise.samples} samples`}: ${noise.below} of ${s.sites.length} groups cost less.`,
    );
  if (adaptive !== undefined)
    lines.push(
      `${adaptive.estimated} groups were not measured alone, ${percent(adaptive.estimatedShare)} of the squared error, and ${percent(1 - adaptive.captured)} not even by layer; the whole over its ${adaptive.sets.length} sets ${number(adaptive.additivity.blocks)}.`,
    );
  return lines.map(clip);
}
