import type { Measurements } from "@halfscope/core";
import { jsonNumber, shownError } from "./node-errors.js";
import type { ExportedFormat, ExportFile, ExportSubject } from "./subject.js";

/** Upper ends of relative error and what they look like, pale to dark: errors of FP16 span many powers of ten, which a gradient cannot show. */
const thresholds = [
  { value: 1e-4, bgColor: "#eef7ee", textColor: "#1b1b1b" },
  { value: 1e-3, bgColor: "#d5ebd0", textColor: "#1b1b1b" },
  { value: 1e-2, bgColor: "#fdedb3", textColor: "#1b1b1b" },
  { value: 1e-1, bgColor: "#f9b36b", textColor: "#1b1b1b" },
  { value: Number.MAX_VALUE, bgColor: "#d7483b", textColor: "#ffffff" },
];
const notFinite = { bgColor: "#6a1b6d", textColor: "#ffffff" };
const pinnedColour = { bgColor: "#3f6fb5", textColor: "#ffffff" };

type Value = { value: number | string; bgColor?: string; textColor?: string };

/**
 * Node data for Model Explorer: one file per quantity, each for one graph and keyed by output tensors, which needs no ids of graphs or nodes and so serves any adapter that
 * names tensors as ONNX does, also for nodes without a name.
 */
export function exportModelExplorer(subject: ExportSubject): ExportedFormat {
  const { result, nodes, plan } = subject;
  const files: ExportFile[] = [];
  const notes: string[] = [];
  const write = (path: string, name: string, entries: Iterable<readonly [string, Value]>, extra: object = { thresholds }) => {
    // A map of own keys only: a tensor may be called "__proto__". One called "results" makes Model Explorer take the file for one of several graphs.
    const all = [...entries];
    const usable = all.filter(([tensor]) => tensor !== "" && tensor !== "results");
    if (all.length > usable.length) notes.push('A tensor called "results" is left out: Model Explorer would misread the file.');
    if (usable.length === 0) return;
    const results = usable.map(([tensor, value]) => `${JSON.stringify(tensor)}: ${JSON.stringify(value)}`).join(",\n");
    const head = JSON.stringify({ name, ...extra }).slice(1, -1);
    files.push({ path, content: `{${head},\n"results": {\n${results}\n}}\n` });
  };
  const measured = (m: Measurements | undefined) =>
    (m?.tensors ?? []).map((t) => {
      const value = shownError(t.stats);
      return [t.tensor, typeof value === "string" ? { value, ...notFinite } : { value }] as const;
    });
  write("isolated.json", "isolated error (relative L2)", measured(result.isolated));
  write("accumulated.json", "accumulated error (relative L2)", measured(result.accumulated));
  const sensitivities = new Map(result.sensitivity?.layers.map((l) => [l.layer, jsonNumber(l.outputError)]));
  write(
    "sensitivity.json",
    "change of the final outputs by the node's layer (relative L2)",
    nodes.flatMap((n) => {
      const value = sensitivities.get(n.layer);
      const output = n.outputs.find((o) => o !== "");
      return value === undefined || output === undefined
        ? []
        : [[output, typeof value === "string" ? { value, ...notFinite } : { value }] as const];
    }),
  );
  write(
    "pins.json",
    "pinned to FP32",
    nodes.flatMap((n) => {
      const output = n.outputs.find((o) => o !== "");
      return n.pinned && output !== undefined ? [[output, { value: "FP32", ...pinnedColour }] as const] : [];
    }),
    { showExpandedSummaryOnGroupNode: true },
  );
  if (plan.pins.length === 0) notes.push("No layer is pinned: there is no pins.json.");
  return { files, lost: [], notes };
}
