import type { Inspection } from "../pipeline/inspect.js";
import { safe, table } from "./text.js";

/** What `inspect` prints for people. */
export function describeInspection({ model, inputs, outputs, layers, hazards, notes }: Inspection): string {
  const kinds = new Map<string, number>();
  for (const l of layers) kinds.set(l.kind, (kinds.get(l.kind) ?? 0) + 1);
  const face = (values: Inspection["inputs"]) =>
    values.map((v) => `${safe(v.name)} ${v.dtype}[${v.dims?.map((d) => safe(String(d))).join(", ") ?? "?"}]`).join(", ");
  const lines = [
    `${safe(model.path)}`,
    `${model.nodes} nodes, ${(model.parameters / 1e6).toFixed(1)} M parameters, ${(model.sizeBytes / 1e6).toFixed(1)} MB; ${safe(model.producer) || "unknown producer"}; opsets ${Object.entries(
      model.opsets,
    )
      .map(([d, v]) => `${safe(d)} ${v}`)
      .join(", ")}`,
    `inputs: ${face(inputs)}`,
    `outputs: ${face(outputs)}`,
    "",
    table(
      ["layer", "kind", "what it is", "block"],
      layers.filter((l) => l.kind !== "shape").map((l) => [l.id, l.kind, l.title, l.blockPath]),
    ),
    "",
    `${layers.length} layers: ${[...kinds]
      .sort((a, b) => b[1] - a[1])
      .map(([k, n]) => `${n} ${k}`)
      .join(", ")}`,
  ];
  if (hazards.length > 0)
    lines.push(
      "",
      "Hazards",
      ...hazards.map((h) => `  ${h.severity}: ${h.code} at ${safe(h.layer || h.tensor)}\n    ${safe(h.evidence)}\n    ${h.fix}`),
    );
  else lines.push("", "No hazards found.");
  lines.push(...notes.map((n) => `note: ${safe(n)}`));
  return lines.join("\n");
}
