import type { Inspection } from "../pipeline/inspect.js";
import { table } from "./table.js";
import { amount, clip, quote, safe, shorten } from "./text.js";

/** What `inspect` prints for people. */
export function describeInspection({ model, inputs, outputs, layers, hazards, notes }: Inspection): string {
  const kinds = new Map<string, number>();
  for (const l of layers) kinds.set(l.kind, (kinds.get(l.kind) ?? 0) + 1);
  const computing = layers.filter((l) => l.kind !== "shape");
  // An id says its block already, as a rule.
  const blocks = computing.some((l) => !l.id.startsWith(l.blockPath));
  const face = (values: Inspection["inputs"]) =>
    values.map((v) => `${shorten(safe(v.name), 80)} ${v.dtype}[${v.dims?.map((d) => safe(String(d))).join(", ") ?? "?"}]`).join(", ");
  const lines = [
    `${safe(model.path)}`,
    `${model.nodes} nodes, ${amount(model.parameters)} parameters, ${amount(model.sizeBytes)}B; ${safe(model.producer) || "unknown producer"}; opsets ${Object.entries(
      model.opsets,
    )
      .map(([d, v]) => `${safe(d)} ${v}`)
      .join(", ")}`,
    quote(`inputs: ${face(inputs)}`, 0),
    quote(`outputs: ${face(outputs)}`, 0),
    "",
    table(
      ["layer", "kind", "what it is", ...(blocks ? ["block"] : [])],
      computing.map((l) => [l.id, l.kind, l.title, ...(blocks ? [l.blockPath] : [])]),
      { names: [0, 2, 3] },
    ),
    "",
    `${layers.length} layers: ${[...kinds]
      .sort((a, b) => b[1] - a[1])
      .map(([k, n]) => `${n} ${k}`)
      .join(", ")}`,
  ];
  if (hazards.length > 0) lines.push("", "Hazards", ...describeHazards(hazards));
  else lines.push("", "No hazards found.");
  lines.push(...notes.map((n) => quote(`note: ${n}`, 0)));
  return lines.join("\n");
}

/** A hazard that every layer of a kind has is told a few times, and then counted. */
const shownOfEach = 3;

function describeHazards(hazards: Inspection["hazards"]): string[] {
  const lines: string[] = [];
  const groups = new Map<string, Inspection["hazards"][number][]>();
  for (const h of hazards) groups.set(`${h.severity}: ${h.code}`, [...(groups.get(`${h.severity}: ${h.code}`) ?? []), h]);
  for (const [title, group] of groups) {
    for (const h of group.slice(0, shownOfEach)) lines.push(`  ${title} at ${clip(safe(h.layer || h.tensor))}`, quote(h.evidence, 4));
    if (group.length > shownOfEach) lines.push(`  ... and ${group.length - shownOfEach} more like it (all of them in --json)`);
    lines.push(quote(group[0]?.fix ?? "", 4));
  }
  return lines;
}
