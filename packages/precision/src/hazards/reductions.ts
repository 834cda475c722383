import type { Hazard, Severity } from "@halfscope/core";
import { type Node, type ReductionLength, reductionLength } from "@halfscope/onnx";
import { overflowThreshold } from "../half.js";
import { countOf, format, type HazardOptions, layerOf, magnitudeOf, staysFull } from "./context.js";
import { exactIntegers } from "./positions.js";

/** A sum of equal addends that is kept in FP16 stalls after this many: 2048 + 1 is 2048 again. */
const stallingLength = 2048;

interface Long {
  readonly node: Node;
  readonly length: ReductionLength;
  readonly severity: Severity;
  /** Sum before a mean divides it, or the largest running sum, where measured. */
  readonly sum: number | undefined;
}

/**
 * Sums so long that it matters whether a runtime keeps them in FP16. Runtimes mostly keep FP32 sums, and so does the emulation, so this is
 * information; a running sum, which is given out, and a mean whose sum is measured beyond the range are warnings. One line for each type of operator.
 */
export function reductionHazards(o: HazardOptions, explained: ReadonlySet<string>): Hazard[] {
  const groups = new Map<string, Long[]>();
  const dims = (t: string) => o.types?.get(t)?.dims ?? o.view.initializers.get(t)?.dims;
  for (const node of o.view.order) {
    const output = node.outputs[0] ?? "";
    if (staysFull(o, node) || !o.floats.roots.has(output)) continue;
    const length = reductionLength(o.view, node, dims);
    if (length === undefined) continue;
    const long = judge(o, node, length, explained.has(output));
    if (long === undefined) continue;
    const key = `${node.opType} ${long.severity}`;
    groups.set(key, [...(groups.get(key) ?? []), long]);
  }
  return [...groups.values()].map((group) => hazardOf(o, group));
}

function judge(o: HazardOptions, node: Node, length: ReductionLength, explained: boolean): Long | undefined {
  const measured = o.range?.(node.outputs[0] ?? "");
  const largest = measured && magnitudeOf(measured);
  const sum = largest === undefined ? undefined : length.kind === "mean" ? largest * length.length : largest;
  if (length.kind === "running" && sum !== undefined && sum > exactIntegers) return { node, length, severity: "warning", sum };
  if (length.kind === "mean" && sum !== undefined && sum >= overflowThreshold && !explained)
    return { node, length, severity: "warning", sum };
  return length.length > stallingLength ? { node, length, severity: "info", sum } : undefined;
}

function hazardOf(o: HazardOptions, group: readonly Long[]): Hazard {
  const longest = group.reduce((a, b) =>
    (b.sum ?? 0) > (a.sum ?? 0) || (a.sum === undefined && b.length.length > a.length.length) ? b : a,
  );
  const { node, length, severity, sum } = longest;
  const lengths = group.map((g) => g.length.length);
  const [least, most] = [Math.min(...lengths), Math.max(...lengths)];
  const of = `${countOf(group.length, "node")} of type ${node.opType} ${group.length === 1 ? "adds" : "add"} up ${least === most ? most : `${least} to ${most}`} numbers`;
  return {
    code: "long-reduction",
    severity,
    layer: layerOf(o, node),
    tensor: node.outputs[0] ?? "",
    evidence: `${of}${severity === "warning" && sum !== undefined ? warningFor(length, sum) : ": a runtime that keeps the sum in FP16 stalls from 2048 addends of one size on. Most keep it in FP32, as the measurement assumes."}`,
    fix:
      severity === "warning"
        ? "Pin this layer; or divide before adding up."
        : "Nothing where the runtime keeps FP32 sums (the usual default on GPUs); otherwise pin these layers.",
    values: { length: length.length, nodes: group.length, ...(sum !== undefined && { sum }) },
  };
}

const warningFor = ({ kind }: ReductionLength, sum: number): string =>
  kind === "running"
    ? `: the running sum reaches ${format(sum)}, and beyond 2048 additions of 1 are lost in FP16.`
    : `: the sum before the division reaches ${format(sum)}, so a runtime that adds up in FP16 overflows (the measurement assumes FP32 sums).`;
