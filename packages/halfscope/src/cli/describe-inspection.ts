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
/** Lists by type of operator: each line is another thing, so more of them are shown. */
const lists: ReadonlySet<string> = new Set(["no-half-form", "inner-state", "long-reduction"]);
const shownOfList = 12;
type Told = Inspection["hazards"][number];

function describeHazards(hazards: Inspection["hazards"]): string[] {
  const lines: string[] = [];
  for (const group of grouped(hazards, (h) => `${h.severity}: ${h.code}`)) {
    const [first] = group;
    // Layers of which the same is to be said share the sentence.
    const alike = [...grouped(group, (h) => `${h.evidence}\0${h.fix}`)];
    const shown = alike.slice(0, lists.has(first.code) ? shownOfList : shownOfEach);
    const rest = group.length - shown.reduce((n, part) => n + part.length, 0);
    let fix = "";
    for (const part of shown) {
      // Fixes may differ inside a group: one stands for all evidence above it.
      if (fix !== "" && fix !== part[0].fix) lines.push(quote(fix, 4));
      fix = part[0].fix;
      lines.push(...quote(`${first.severity}: ${first.code} at ${placesOf(part)}`, 2).split("\n"), quote(part[0].evidence, 4));
    }
    if (rest > 0) lines.push(`  ... and ${rest} more like it (all of them in --json)`);
    lines.push(quote(fix, 4));
  }
  return lines;
}

function* grouped(hazards: readonly Told[], key: (h: Told) => string): Generator<[Told, ...Told[]]> {
  const groups = new Map<string, [Told, ...Told[]]>();
  for (const h of hazards) {
    const group = groups.get(key(h));
    if (group === undefined) groups.set(key(h), [h]);
    else group.push(h);
  }
  yield* groups.values();
}

function placesOf(part: readonly Told[]): string {
  const names = part.slice(0, shownOfEach).map((h) => clip(safe(h.layer || h.tensor)));
  return part.length > names.length ? `${names.join(", ")} and ${part.length - names.length} more` : names.join(", ");
}
