import {
  type ErrorStats,
  exponentBias,
  type HalfType,
  halfWords,
  type Measurement,
  type Measurements,
  type Origin,
  relativeL2,
} from "@halfscope/core";
import type { GraphView, Node } from "@halfscope/onnx";
import { maxBfloat, maxHalf, overflowThreshold } from "@halfscope/precision";

/** Where a type's numbers end: the largest, the magnitude that rounds to Infinity, and the sentence. */
const ends = {
  float16: { largest: maxHalf, overflows: overflowThreshold, words: "FP16 ends at 65504" },
  bfloat16: { largest: maxBfloat, overflows: (2 - 2 ** -8) * 2 ** 127, words: "BF16 ends at 3.39e38" },
} as const;

/** Finite outputs behind an overflow that are off by less than this are taken for unharmed. */
export const harmThreshold = 0.03;

/** A tensor whose content is lost by this much because values became zero counts as lost to underflow. */
const lostThreshold = 0.3;

const isBroken = (s: ErrorStats): boolean => s.overflowed > 0 || s.nanCandidate > s.nanReference;
const isLost = (s: ErrorStats): boolean =>
  s.nonFiniteMismatch === 0 && s.flushed > s.count / 100 && s.flushed <= belowRange(s) && relativeL2(s) > lostThreshold;
/** Reference values (zeros too) below half of the smallest FP16 number. Zeros that come from cancellation are not underflow, and no origin. */
const belowRange = (s: ErrorStats): number => s.exponents.slice(0, exponentBias - 24).reduce((n, e) => n + e, 0);

/**
 * First origins: tensors where the candidate overflows or turns to NaN although every activation that went in was still fine, with what became
 * of it. `overflowingConstants` are weights and constants beyond the FP16 range; a node that reads one is charged to the constant.
 * In graph order. `type` is what the candidate computes in; nothing is lost below bfloat16's range that FP32 keeps in its normal numbers.
 */
export function findOrigins(
  accumulated: Measurements,
  view: GraphView,
  overflowingConstants: ReadonlySet<string>,
  type: HalfType = "float16",
): Origin[] {
  const byTensor = new Map(accumulated.tensors.map((t) => [t.tensor, t]));
  const broken = (tensor: string): boolean => {
    const found = byTensor.get(tensor);
    return found !== undefined && isBroken(found.stats);
  };
  const outputsFinite = Object.values(accumulated.outputs).every((s) => s.nonFiniteMismatch === 0);
  const origins: Origin[] = [];
  for (const t of accumulated.tensors) {
    const node = view.nodes[t.node];
    if (node === undefined) continue;
    const inputs = sourcesOf(node, t.tensor, view);
    if (type === "float16" && isLost(t.stats) && inputs.every((i) => relativeL2Of(byTensor.get(i)) < harmThreshold)) {
      const underflow = underflowOrigin(t, view, byTensor);
      if (underflow !== undefined) origins.push(underflow);
    }
    if (!isBroken(t.stats) || inputs.some(broken)) continue;
    const constant = accumulated.constants === "overflow" ? [t.tensor, ...node.inputs].find((i) => overflowingConstants.has(i)) : undefined;
    const elements = t.stats.overflowed + Math.max(0, t.stats.nanCandidate - t.stats.nanReference);
    const harm = harmBehind(t, view, byTensor);
    const kind = !harm.harmful
      ? "harmless-overflow"
      : constant !== undefined
        ? "constant-overflow"
        : outputsFinite
          ? "silent-overflow"
          : "overflow";
    // Where the reference itself is small, an infinity comes from a zero that went in: a logarithm or a division.
    const cause = largest(t.stats) < ends[type].largest ? node.inputs.find((i) => (byTensor.get(i)?.stats.flushed ?? 0) > 0) : undefined;
    origins.push({
      kind,
      tensor: constant ?? t.tensor,
      layer: t.layer,
      elements,
      count: t.stats.count,
      maxReference: largest(t.stats),
      ...(cause !== undefined && { cause }),
      evidence: evidenceOf(kind, t, elements, constant ?? cause, harm, type),
    });
  }
  return origins;
}

/** What a tensor is made of: its node's inputs, or for what comes out of a body, what crosses its border. */
function sourcesOf(node: Node, tensor: string, view: GraphView): readonly string[] {
  if (!view.bodies.has(node)) return node.inputs;
  return view.links.filter((l) => l.holder === node && l.to === tensor).flatMap((l) => l.from);
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
      for (const output of readersResults(use.node, t, view)) {
        const found = byTensor.get(output);
        if (seen.has(output)) continue;
        seen.add(output);
        if (found === undefined) {
          // What a body is given is not measured by itself; what is made of it is.
          if (view.links.some((l) => l.to === output)) queue.push(output);
          continue;
        }
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

/** What a reader makes of a tensor; from inside a body, what of its holder's results it becomes. */
const readersResults = (node: Node, tensor: string, view: GraphView): readonly string[] =>
  view.bodies.has(node) ? view.links.filter((l) => l.holder === node && l.from.includes(tensor)).map((l) => l.to) : node.outputs;

const relativeL2Of = (m: Measurement | undefined): number =>
  m === undefined ? 0 : m.stats.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : relativeL2(m.stats);

/** A tensor that FP16 wiped out, if what reads it is wrong too: nothing is NaN, and nothing warns. */
function underflowOrigin(t: Measurement, view: GraphView, byTensor: ReadonlyMap<string, Measurement>): Origin | undefined {
  const readers = (view.consumers.get(t.tensor) ?? []).flatMap((u) => u.node.outputs);
  const worst = Math.max(0, ...readers.map((r) => relativeL2Of(byTensor.get(r))));
  if (worst <= harmThreshold && !view.graphOutputs.has(t.tensor)) return undefined;
  return {
    kind: "silent-overflow",
    tensor: t.tensor,
    layer: t.layer,
    elements: t.stats.flushed,
    count: t.stats.count,
    maxReference: largest(t.stats),
    evidence: `${t.stats.flushed} of ${t.stats.count} elements are too small for FP16 and become 0; what reads them is wrong by ${(100 * worst).toPrecision(3)} %.`,
  };
}

const largest = (s: ErrorStats): number => Math.max(Math.abs(s.minReference), Math.abs(s.maxReferenceValue));

/** `cause`: a constant that overflows, or an input that was flushed to zero. */
function evidenceOf(kind: Origin["kind"], t: Measurement, elements: number, cause: string | undefined, harm: Harm, type: HalfType): string {
  const round =
    t.rounds === undefined || t.rounds.firstBroken < 0 ? "" : `, first in round ${t.rounds.firstBroken + 1} of ${t.rounds.count},`;
  const where = `${elements} of ${t.stats.count} elements${round}`;
  if (kind === "constant-overflow")
    return `The constant "${cause}" becomes infinite when it is converted; ${where} of "${t.tensor}" are then infinite or NaN.`;
  const maxReference = largest(t.stats);
  const reached =
    cause !== undefined
      ? `values of "${cause}" are too small for ${halfWords[type]} and became 0`
      : maxReference >= ends[type].overflows
        ? `the reference reaches ${maxReference.toPrecision(4)}, ${ends[type].words}`
        : "what went in was rounded to where the result is no longer finite";
  if (kind === "harmless-overflow")
    return `${where} overflow (${reached}), but what follows is not harmed${harm.tensor === undefined ? "" : ` (worst: relative error ${harm.error.toPrecision(2)} at "${harm.tensor}")`}.`;
  if (kind === "silent-overflow")
    return `${where} overflow (${reached}); nothing is NaN at the end, but "${harm.tensor ?? t.tensor}" behind it is wrong by ${Number.isFinite(harm.error) ? `${(100 * harm.error).toPrecision(3)} %` : "everything"}.`;
  return `${where} overflow (${reached}) and reach the final outputs.`;
}
