import type { Layer } from "@halfscope/core";
import { constantScalar, layerNormParts, type Node } from "@halfscope/onnx";
import { axesOf, Evaluation, NotComputable, type Values } from "./evaluate.js";
import type { FixSubject } from "./fix.js";

export type NormKind = "layer-norm" | "rms-norm";

/** A normalization in single nodes, as a formula that can be computed. */
export interface NormPattern {
  readonly kind: NormKind;
  readonly layer: Layer;
  /** Without Constants: they may serve others too. */
  readonly nodes: readonly Node[];
  readonly input: string;
  readonly output: string;
  /** `tensors`: what the layer's nodes read it as; `root`: what stores it. */
  readonly epsilon: { readonly value: number; readonly root: string; readonly tensors: readonly string[] };
  /** It normalises over so many last axes. */
  readonly axes: number;
  /** Sizes of the input that it is tried with: leading ones may be smaller than the model's. */
  readonly dims: readonly number[];
  /** Elements that are normalised together. */
  readonly size: number;
  /** Tensors of the pattern for an input; `given` stands in for other tensors. */
  readonly compute: (x: Values, given?: ReadonlyMap<string, Values>) => (tensor: string) => Values;
}

/** Leading sizes are made small beyond so many elements. */
const fewElements = 1 << 16;
/** What leading sizes become: different ones stay different. */
const smallSizes = [2, 3, 5, 7];

/** The pattern of a layer, or why it cannot be taken for a normalization over its last axes. */
export function normPattern(o: FixSubject, layer: Layer): NormPattern | string {
  const { view, types } = o;
  const kind = layer.kind as NormKind;
  const nodes = layer.nodes.flatMap((i) => view.nodes[i] ?? []).filter((n) => n.opType !== "Constant");
  const parts = layerNormParts(view, layer);
  const [output, ...more] = layer.outputs;
  const root = parts?.epsilon?.tensor;
  if (parts?.epsilon === undefined || root === undefined) return "its epsilon was not found";
  if (output === undefined || more.length > 0) return "something inside it is read from outside";
  const { input } = parts;
  const { value } = parts.epsilon;
  const type = types.get(input);
  if (type?.dtype !== "float32") return `its input is ${type?.dtype ?? "of no known type"}`;
  const known = type.dims?.filter((d) => d !== undefined);
  if (known === undefined || known.length !== type.dims?.length) return "the size of its input is not known";
  const axes = reducedAxes(o, nodes, known);
  if (typeof axes === "string") return axes;
  const size = known.slice(known.length - axes).reduce((n, d) => n * d, 1);
  if (size < 2) return "it normalises single numbers";
  const sizes = known.reduce((n, d) => n * d, 1) > fewElements ? smaller(known, axes) : new Map<number, number>();
  const dims = known.map((d) => sizes.get(d) ?? d);
  const tensors = [...new Set(nodes.flatMap((n) => n.inputs))].filter((t) => {
    const scalar = constantScalar(view, t);
    return scalar?.tensor === root && scalar.value === value;
  });
  const compute = (x: Values, given: ReadonlyMap<string, Values> = new Map()) => {
    const evaluation = new Evaluation(o, sizes, new Map([[input, x], ...given]));
    return (tensor: string) => evaluation.value(tensor);
  };
  return { kind, layer, nodes, input, output, epsilon: { value, root, tensors }, axes, dims, size, compute };
}

/** How many last axes every reduction takes together. */
function reducedAxes({ view, types }: FixSubject, nodes: readonly Node[], input: readonly number[]): number | string {
  const found = new Set<number>();
  for (const node of nodes) {
    if (!node.opType.startsWith("Reduce")) continue;
    const dims = types.get(node.inputs[0] ?? "")?.dims;
    const axes = axesOf(view, node);
    if (dims === undefined || axes === undefined) return "the axes of its means were not found";
    const places = new Set(axes.map((a) => (a < 0 ? a + dims.length : a)));
    const n = places.size;
    const last = [...places].every((a) => a >= dims.length - n);
    const same = dims.slice(dims.length - n).every((d, i) => d === input[input.length - n + i]);
    if (n === 0 || !last || !same) return "it does not normalise over the last axes";
    found.add(n);
  }
  const [axes] = found;
  return axes === undefined || found.size > 1 ? "it does not normalise over the last axes" : axes;
}

function smaller(dims: readonly number[], axes: number): ReadonlyMap<number, number> {
  const kept = new Set(dims.slice(dims.length - axes));
  const leading = [...new Set(dims.slice(0, dims.length - axes))].filter((d) => d > 1 && !kept.has(d));
  const free = smallSizes.filter((s) => !kept.has(s));
  return new Map(leading.flatMap((d, i) => (free[i] !== undefined && free[i] < d ? [[d, free[i]] as const] : [])));
}

export const probeKinds = 6;

/**
 * Rows that tell one formula from another: plain ones, shifted ones, some whose variance is as small as epsilon, large ones, zeros, one channel that stands out. `shift`
 * turns which row is which.
 */
export function probe({ dims, size, epsilon }: NormPattern, shift: number): Values {
  const next = seeded(1 + shift);
  const data = new Float64Array(dims.reduce((n, d) => n * d, 1));
  for (let i = 0; i < data.length; i++) {
    const x = next();
    switch ((Math.floor(i / size) + shift) % probeKinds) {
      case 0:
        data[i] = x;
        break;
      case 1:
        data[i] = 2 * x + 3;
        break;
      case 2:
        data[i] = x * Math.sqrt(Math.max(epsilon.value, 1e-30));
        break;
      case 3:
        data[i] = 100 * x - 50;
        break;
      case 4:
        data[i] = 0;
        break;
      default:
        data[i] = i % size === Math.floor(size / 3) ? 1000 : x;
    }
  }
  return { dims, data };
}

/** Numbers near the normal distribution (a sum of four uniform ones from mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3);
}

/** Every row is the same but for the FP32 rounding of the constants in the formulas. */
export function sameRows(a: Values, b: Values, size: number): boolean {
  if (a.data.length !== b.data.length) return false;
  for (let row = 0; row < a.data.length; row += size) {
    let error = 0;
    let norm = 0;
    for (let i = row; i < row + size; i++) {
      error += ((a.data[i] ?? 0) - (b.data[i] ?? 0)) ** 2;
      norm += (b.data[i] ?? 0) ** 2;
    }
    // Not a number is not the same.
    if (!(Math.sqrt(error) <= 1e-5 * Math.sqrt(norm) + 1e-9)) return false;
  }
  return true;
}

/** The words of a pattern that could not be computed; anything else is thrown on. */
export function computable<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    if (error instanceof NotComputable) return error.message;
    throw error;
  }
}
