import { encodeNode } from "@halfscope/onnx";
import { maxHalf, minSubnormalHalf } from "../half.js";
import type { Values } from "./evaluate.js";
import { type Fix, type FixEdit, type FixSubject, freshName } from "./fix.js";
import { computable, type NormPattern, probe, probeKinds, sameRows } from "./norm-pattern.js";
import { constantNode } from "./stored.js";

/** Values inside are kept so far from the end of FP16: other inputs may be larger than those measured. */
const headroom = 8;

/**
 * A normalization does not see a factor of its input: with the input times 2^-k and epsilon times 4^-k it gives the same, exactly, as powers of two round nothing, and its
 * squares and sums are small enough for FP16. For models whose operator set lacks the fused node. A text where the formula is not of that kind, or nothing inside
 * was measured beyond the range.
 */
export function scaleNorm(o: FixSubject, pattern: NormPattern): Fix | string {
  const { layer, epsilon } = pattern;
  const power = computable(() => powerOfTwo(o, pattern));
  if (typeof power === "string") return power;
  const factor = 2 ** -power;
  const exact = epsilon.value * factor ** 2;
  if (epsilon.tensors.length === 0) return "its epsilon was not found";
  const same = computable(() => holds(pattern, factor, exact));
  if (same !== true) return same === false ? "a factor of its input changes its result" : same;
  const edit = (scaled: number) => scalingEdit(o, pattern, factor, scaled);
  const plain = edit(exact);
  if (typeof plain === "string") return plain;
  const title = (scaled: number) =>
    `${layer.id}: its input times 2^-${power} and its epsilon ${show(epsilon.value)} to ${show(scaled)}, so that its squares and sums stay in the FP16 range`;
  const fix: Fix = { id: `scale-norm:${layer.id}`, kind: "scale-norm", title: title(exact), layers: [layer.id], edit: plain };
  // Below the smallest number of FP16 nothing would keep a row of equal numbers from a division by zero.
  const guarded = exact < minSubnormalHalf ? edit(minSubnormalHalf) : "not needed";
  return typeof guarded === "string" ? fix : { ...fix, title: title(minSubnormalHalf), edit: guarded, milder: fix };
}

/** The pattern reads another input and another epsilon. */
function scalingEdit(o: FixSubject, pattern: NormPattern, factor: number, scaled: number): FixEdit | string {
  const { input, output, epsilon } = pattern;
  const readers = pattern.nodes.filter((n) => !n.outputs.includes(input) && n.inputs.includes(input));
  const guards = pattern.nodes.filter((n) => n.inputs.some((t) => epsilon.tensors.includes(t)));
  const [first, firstGuard] = [readers, guards].map((nodes) => nodes.map((n) => n.index).sort((a, b) => a - b)[0]);
  if (first === undefined || firstGuard === undefined) return "its input was not found";
  const [x, by, eps] = ["scaled", "factor", "epsilon"].map((role) => freshName(o, `${output}_${role}`)) as [string, string, string];
  const inputs = new Map<number, Map<string, string>>();
  for (const n of readers) inputs.set(n.index, new Map([[input, x]]));
  for (const n of guards) inputs.set(n.index, new Map([...(inputs.get(n.index) ?? []), ...epsilon.tensors.map((t) => [t, eps] as const)]));
  const scaling = [
    constantNode(by, by, [], new Float64Array([factor])),
    encodeNode({ name: x, opType: "Mul", inputs: [input, by], outputs: [x] }),
  ];
  const guard = constantNode(eps, eps, [], new Float64Array([scaled]));
  const before = new Map<number, Uint8Array[]>([[first, scaling]]);
  before.set(firstGuard, [...(before.get(firstGuard) ?? []), guard]);
  return { inputs, before };
}

/** The least k with which everything measured inside keeps its distance from the end of FP16. */
function powerOfTwo({ range, hazards }: FixSubject, pattern: NormPattern): number | string {
  if (range === undefined) return "nothing was measured";
  const degrees = degreesOf(pattern);
  let least = 0;
  let most = Number.POSITIVE_INFINITY;
  const limit = (magnitude: number, degree: number) => {
    if (!(magnitude > 0) || degree === 0) return;
    const k = Math.log2((magnitude * headroom) / maxHalf) / degree;
    if (degree > 0) least = Math.max(least, Math.ceil(k));
    else most = Math.min(most, Math.floor(k));
  };
  for (const [tensor, degree] of degrees) {
    const measured = range(tensor);
    if (measured !== undefined && measured.min <= measured.max) limit(Math.max(Math.abs(measured.min), Math.abs(measured.max)), degree);
  }
  for (const h of hazards) if (h.layer === pattern.layer.id && h.code === "hidden-overflow") limit(h.values.hidden ?? 0, 2);
  if (least <= 0) return "nothing inside it was measured near the end of FP16";
  return least > most || least > 24 ? "what it divides by would leave the FP16 range" : least;
}

/** With which power of a factor of the input each tensor inside grows. */
function degreesOf(pattern: NormPattern): Map<string, number> {
  const x = probe(pattern, 3);
  const large: Values = { dims: x.dims, data: x.data.map((v, i) => 64 * v + 640 * ((i % 3) - 1)) };
  const once = pattern.compute(large);
  const twice = pattern.compute({ dims: x.dims, data: large.data.map((v) => 2 * v) });
  const degrees = new Map<string, number>();
  for (const tensor of pattern.nodes.flatMap((n) => n.outputs)) {
    if (tensor === "" || tensor === pattern.input || tensor === pattern.output) continue;
    const a = largest(once(tensor));
    const b = largest(twice(tensor));
    if (a > 0 && b > 0) degrees.set(tensor, Math.round(Math.log2(b / a)));
  }
  return degrees;
}

const largest = (v: Values): number => v.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);

/** Scaled input and epsilon give what the pattern gave. */
function holds(pattern: NormPattern, factor: number, scaled: number): boolean {
  const epsilon: Values = { dims: [], data: new Float64Array([scaled]) };
  const given = new Map(pattern.epsilon.tensors.map((t) => [t, epsilon] as const));
  for (let shift = 0; shift < probeKinds; shift++) {
    const x = probe(pattern, shift);
    const small: Values = { dims: x.dims, data: x.data.map((v) => v * factor) };
    if (!sameRows(pattern.compute(small, given)(pattern.output), pattern.compute(x)(pattern.output), pattern.size)) return false;
  }
  return true;
}

const show = (x: number): string => Number(x.toPrecision(3)).toString();
