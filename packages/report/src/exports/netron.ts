import { byTensor, jsonNumber, shownError, worst } from "./node-errors.js";
import { type ExportedFormat, type ExportSubject, whyNameless } from "./subject.js";

interface Item {
  kind: "model" | "node" | "value";
  target: string;
  name: string;
  value: number | string;
}

/**
 * An attachment for Netron: open the model, then drop the file on it. Metrics of a node show its errors, those of a value the errors of that tensor alone, which also
 * serve nodes without a name. Netron finds names up to the first line feed and drops what it does not find.
 */
export function exportNetron(subject: ExportSubject): ExportedFormat {
  const { result, nodes, nameCounts } = subject;
  const modes = [
    ["isolated error", byTensor(result.isolated)],
    ["accumulated error", byTensor(result.accumulated)],
  ] as const;
  const sensitivities = new Map(result.sensitivity?.layers.map((l) => [l.layer, l.outputError]));
  const reasons = new Map(subject.plan.pins.map((p) => [p.layer, p.reason]));
  const metrics: Item[] = [];
  const metadata: Item[] = [];
  const model = (name: string, value: number | undefined) => {
    if (value !== undefined) metrics.push({ kind: "model", target: "", name, value: jsonNumber(value) });
  };
  model("error with every layer in FP16", result.verdictAllHalf?.error);
  model("error of the mixed model", result.verdict?.error);
  let shown = 0;
  for (const node of nodes) {
    const measured = modes.map(([name, stats]) => {
      const errors = node.outputs.flatMap((o) => {
        const found = stats.get(o);
        if (found === undefined) return [];
        const value = shownError(found);
        if (!o.includes("\n")) metrics.push({ kind: "value", target: o, name, value });
        return [value];
      });
      return [name, worst(errors)] as const;
    });
    if (whyNameless(node.name, nameCounts) !== undefined || node.name.includes("\n")) continue;
    shown++;
    const target = node.name;
    for (const [name, value] of measured) if (value !== undefined) metrics.push({ kind: "node", target, name, value });
    const sensitivity = sensitivities.get(node.layer);
    if (sensitivity !== undefined)
      metrics.push({ kind: "node", target, name: "its layer changes the final outputs by", value: jsonNumber(sensitivity) });
    metadata.push({ kind: "node", target, name: "halfscope layer", value: node.layer });
    if (node.pinned)
      metadata.push({ kind: "node", target, name: "pinned to FP32", value: reasons.get(node.layer) ?? "the whole plan is FP32" });
  }
  const missing = nodes.length - shown;
  return {
    files: [{ path: "attachment.json", content: `${JSON.stringify({ signature: "netron:attachment", metrics, metadata }, null, 1)}\n` }],
    lost: [],
    notes:
      missing === 0
        ? []
        : [
            `${missing} of ${nodes.length} nodes have no name of their own: Netron shows their errors on the tensors that they give, not on the nodes.`,
          ],
  };
}
