import { type ErrorStats, type Measurement, type Measurements, type Origin, relativeL2 } from "@halfscope/core";
import type { GraphView } from "@halfscope/onnx";

/** Finite outputs behind an overflow that are off by less than this are taken for unharmed. */
const harmThreshold = 0.03;

const isBroken = (s: ErrorStats): boolean => s.overflowed > 0 || s.nanCandidate > s.nanReference;

/**
 * First origins: tensors where the candidate overflows or turns to NaN although every activation that went in was still fine, with what became
 * of it. `overflowingConstants` are weights and constants beyond the FP16 range; a node that reads one is charged to the constant.
 * In graph order.
 */
export function findOrigins(accumulated: Measurements, view: GraphView, overflowingConstants: ReadonlySet<string>): Origin[] {
  const byTensor = new Map(accumulated.tensors.map((t) => [t.tensor, t]));
  const broken = (tensor: string): boolean => {
    const found = byTensor.get(tensor);
    return found !== undefined && isBroken(found.stats);
  };
  const outputsFinite = Object.values(accumulated.outputs).every((s) => s.nonFiniteMismatch === 0);
  const origins: Origin[] = [];
  for (const t of accumulated.tensors) {
    if (!isBroken(t.stats)) continue;
    const node = view.graph.nodes[t.node];
    if (node === undefined || node.inputs.some(broken)) continue;
    const constant = accumulated.constants === "overflow" ? node.inputs.find((i) => overflowingConstants.has(i)) : undefined;
    const elements = t.stats.overflowed + Math.max(0, t.stats.nanCandidate - t.stats.nanReference);
    const harm = harmBehind(t, view, byTensor);
    const kind = !harm.harmful
      ? "harmless-overflow"
      : constant !== undefined
        ? "constant-overflow"
        : outputsFinite
          ? "silent-overflow"
          : "overflow";
    const maxReference = Math.max(Math.abs(t.stats.minReference), Math.abs(t.stats.maxReferenceValue));
    origins.push({
      kind,
      tensor: constant ?? t.tensor,
      layer: t.layer,
      elements,
      count: t.stats.count,
      maxReference,
      evidence: evidenceOf(kind, t, elements, maxReference, constant, harm),
    });
  }
  return origins;
}

interface Harm {
  harmful: boolean;
  /** Finite tensor behind the overflow with the largest relative error. */
  tensor: string | undefined;
  error: number;
}

/** Follows what is not finite forward to the first tensors that are finite again, and looks at how wrong those are. */
function harmBehind(origin: Measurement, view: GraphView, byTensor: ReadonlyMap<string, Measurement>): Harm {
  let worst: Harm = { harmful: view.graphOutputs.has(origin.tensor), tensor: undefined, error: 0 };
  const seen = new Set<string>([origin.tensor]);
  const queue = [origin.tensor];
  for (let t = queue.pop(); t !== undefined; t = queue.pop()) {
    for (const use of view.consumers.get(t) ?? [])
      for (const output of use.node.outputs) {
        const found = byTensor.get(output);
        if (found === undefined || seen.has(output)) continue;
        seen.add(output);
        if (isBroken(found.stats)) {
          queue.push(output);
          if (view.graphOutputs.has(output)) worst = { harmful: true, tensor: output, error: Number.POSITIVE_INFINITY };
        } else {
          const error = relativeL2(found.stats);
          if (error > worst.error) worst = { harmful: worst.harmful || error > harmThreshold, tensor: output, error };
        }
      }
  }
  return worst;
}

function evidenceOf(
  kind: Origin["kind"],
  t: Measurement,
  elements: number,
  maxReference: number,
  constant: string | undefined,
  harm: Harm,
): string {
  const where = `${elements} of ${t.stats.count} elements`;
  if (kind === "constant-overflow")
    return `The constant "${constant}" becomes infinite when it is converted; ${where} of "${t.tensor}" are then infinite or NaN.`;
  const reached =
    maxReference >= 65520
      ? `the reference reaches ${maxReference.toPrecision(4)}, FP16 ends at 65504`
      : "what it adds up goes beyond 65504";
  if (kind === "harmless-overflow")
    return `${where} overflow (${reached}), but what follows is not harmed${harm.tensor === undefined ? "" : ` (worst: relative error ${harm.error.toPrecision(2)} at "${harm.tensor}")`}.`;
  if (kind === "silent-overflow")
    return `${where} overflow (${reached}); nothing is NaN at the end, but "${harm.tensor ?? t.tensor}" behind it is wrong by ${Number.isFinite(harm.error) ? `${(100 * harm.error).toPrecision(3)} %` : "everything"}.`;
  return `${where} overflow (${reached}) and reach the final outputs.`;
}
