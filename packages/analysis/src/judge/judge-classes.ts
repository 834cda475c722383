import type { OutputFigures } from "@halfscope/core";
import { type GraphView, type Node, topOf } from "@halfscope/onnx";

/** For results: the rule that `scoreOutputs` and `classFigures` follow. */
export const classRule =
  "an output that a MatMul or Gemm with a weight gives (behind it at most a bias, a scale, a Softmax and changes of shape) with 2 or more classes on its last axis; rows of the reference that are nowhere negative and sum to 1 are probabilities, others logits";

type Classes = NonNullable<OutputFigures["classes"]>;

const reshaping = /^(Identity|Cast|Reshape|Squeeze|Unsqueeze|Flatten|Transpose|Slice|Split|Dropout|Softmax|LogSoftmax)$/;
const elementwise = /^(Add|Sub|Mul|Div)$/;

/** Outputs that a linear layer gives: the only ones whose last axis is worth reading as classes. Hidden states have the same shape. */
export function scoreOutputs(view: GraphView): ReadonlySet<string> {
  const isConstant = (t: string | undefined) =>
    t !== undefined && (view.initializers.has(t) || (view.producer.get(t)?.opType ?? "") === "Constant");
  const isLinear = (tensor: string): boolean => {
    let at = tensor;
    for (let steps = 0; steps < 32; steps++) {
      const node: Node | undefined = view.producer.get(at);
      if (node === undefined || topOf(view, node) !== node) return false;
      if (node.opType === "MatMul" || node.opType === "Gemm") return isConstant(node.inputs[1]);
      const [first, second] = node.inputs;
      if (elementwise.test(node.opType) && isConstant(second)) at = first ?? "";
      else if (elementwise.test(node.opType) && isConstant(first)) at = second ?? "";
      else if (reshaping.test(node.opType)) at = first ?? "";
      else return false;
    }
    return false;
  };
  return new Set([...view.graphOutputs].filter(isLinear));
}

/**
 * Top-1 agreement and mean Kullback-Leibler divergence of scores along the last axis. Elements that `kept` leaves out are in no row; a row without any is none.
 * A row with a NaN on either side agrees in nothing and diverges without bound. Undefined where there is nothing to decide.
 */
export function classFigures(
  reference: Float32Array,
  candidate: Float32Array,
  dims: readonly number[],
  kept: Uint8Array | undefined,
): Classes | undefined {
  const count = dims.at(-1) ?? 0;
  if (count < 2 || reference.length !== candidate.length || reference.length === 0) return undefined;
  const rows: number[][] = [];
  for (let start = 0; start < reference.length; start += count) {
    const row: number[] = [];
    for (let i = start; i < start + count; i++) if (kept === undefined || kept[i]) row.push(i);
    if (row.length >= 2) rows.push(row);
  }
  if (rows.length === 0) return undefined;
  const read = rows.every((row) => isDistribution(reference, row)) ? "probabilities" : "logits";
  let agree = 0;
  let divergence = 0;
  for (const row of rows) {
    if (highest(reference, row) === highest(candidate, row)) agree++;
    const [p, q] =
      read === "logits" ? [logSoftmax(reference, row), logSoftmax(candidate, row)] : [logs(reference, row), logs(candidate, row)];
    divergence += divergenceOf(p, q);
  }
  return { read, count, rows: rows.length, top1Agreement: agree / rows.length, klDivergence: Math.max(0, divergence / rows.length) };
}

const isDistribution = (values: Float32Array, row: readonly number[]): boolean =>
  row.every((i) => (values[i] ?? Number.NaN) >= 0) && Math.abs(row.reduce((n, i) => n + (values[i] ?? 0), 0) - 1) < 1e-3;

/** Index of the largest, the first of equals; NaN, which equals nothing, where one of them is NaN. */
function highest(values: Float32Array, row: readonly number[]): number {
  let best = row[0] ?? 0;
  for (const i of row) {
    if (Number.isNaN(values[i] ?? 0)) return Number.NaN;
    if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  }
  return best;
}

function logSoftmax(values: Float32Array, row: readonly number[]): number[] {
  const most = row.reduce((m, i) => Math.max(m, values[i] ?? 0), Number.NEGATIVE_INFINITY);
  const sum = row.reduce((n, i) => n + Math.exp((values[i] ?? 0) - most), 0);
  return row.map((i) => (values[i] ?? 0) - most - Math.log(sum));
}
const logs = (values: Float32Array, row: readonly number[]): number[] => row.map((i) => Math.log(values[i] ?? 0));

/** Sum of p (log p - log q), from logarithms; Infinity where it is no number. */
function divergenceOf(p: readonly number[], q: readonly number[]): number {
  let sum = 0;
  p.forEach((lp, i) => {
    if (lp !== Number.NEGATIVE_INFINITY) sum += Math.exp(lp) * (lp - (q[i] ?? 0));
  });
  return Number.isNaN(sum) ? Number.POSITIVE_INFINITY : sum;
}
