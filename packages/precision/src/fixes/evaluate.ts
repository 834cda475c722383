import type { GraphView, Node } from "@halfscope/onnx";
import type { FixSubject } from "./fix.js";
import { floatsOf } from "./stored.js";

/** Values in FP64, row-major. */
export interface Values {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

/** Why a pattern could not be computed here: nothing is claimed of it then. */
export class NotComputable extends Error {}

/** At most this many elements per tensor: a pattern is a formula per row, and a few rows tell it. */
const mostElements = 1 << 18;
const deepest = 200;

/**
 * Computes tensors of a pattern in FP64 from what is given, as its nodes and the constants behind them say: elementwise operators, reductions and reshapes. Made to hold one way of
 * writing a formula against another, whatever recognised them. Throws NotComputable for anything else.
 */
export class Evaluation {
  private readonly known = new Map<string, Values>();
  private readonly sizes: ReadonlyMap<number, number>;

  /** `pattern`: tensors whose leading sizes may be made smaller; sizes of `given` must be those of `sizesOf`. */
  constructor(
    private readonly o: FixSubject,
    sizes: ReadonlyMap<number, number>,
    given: ReadonlyMap<string, Values>,
  ) {
    this.sizes = sizes;
    for (const [name, values] of given) this.known.set(name, values);
  }

  value(tensor: string, depth = 0): Values {
    const known = this.known.get(tensor);
    if (known !== undefined) return known;
    if (depth > deepest) throw new NotComputable("it is too deep");
    const values = this.constant(tensor) ?? this.made(tensor, depth + 1);
    if (values.data.length > mostElements) throw new NotComputable("it is too large");
    this.known.set(tensor, values);
    return values;
  }

  private constant(tensor: string): Values | undefined {
    const { view } = this.o;
    const node = view.producer.get(tensor);
    const init = view.initializers.get(tensor) ?? (node?.opType === "Constant" ? node.attributes.get("value")?.tensor : undefined);
    if (init !== undefined) {
      const values = init.dims.reduce((n, d) => n * d, 1) > mostElements ? "it is too large" : floatsOf(init);
      if (typeof values === "string") throw new NotComputable(`"${tensor}": ${values}`);
      return { dims: init.dims, data: values };
    }
    if (node?.opType !== "Constant") return undefined;
    const one = node.attributes.get("value_float")?.float;
    const many = node.attributes.get("value_floats")?.floats ?? (one === undefined ? undefined : [one]);
    return many && { dims: one === undefined ? [many.length] : [], data: Float64Array.from(many) };
  }

  private made(tensor: string, depth: number): Values {
    const node = this.o.view.producer.get(tensor);
    if (node === undefined || node.domain !== "" || node.outputs[0] !== tensor)
      throw new NotComputable(`it reads "${tensor}", which is no constant`);
    const input = (i: number) => this.value(node.inputs[i] ?? "", depth);
    const unary = elementwise[node.opType];
    if (unary !== undefined) return mapped(input(0), unary);
    const binary = pairwise[node.opType];
    if (binary !== undefined) {
      const [first, ...others] = node.inputs.map((_, i) => input(i));
      if (first === undefined) throw new NotComputable(`${node.opType} has no inputs`);
      return others.reduce((a, b) => combined(a, b, binary), first);
    }
    switch (node.opType) {
      case "Cast": {
        const to = node.attributes.get("to")?.int;
        if (to !== 1 && to !== 11) throw new NotComputable("a Cast inside rounds");
        return input(0);
      }
      case "Dropout":
        if ((node.inputs[2] ?? "") !== "") throw new NotComputable("a Dropout inside may draw random numbers");
        return input(0);
      case "Clip":
        return this.clipped(node, input);
      case "ReduceMean":
      case "ReduceSum":
      case "ReduceSumSquare":
        return this.reduced(node, input(0));
      case "Expand":
        return combined(input(0), { dims: this.dimsOf(tensor), data: new Float64Array(count(this.dimsOf(tensor))) }, (a) => a);
      case "Reshape":
      case "Squeeze":
      case "Unsqueeze":
      case "Flatten": {
        const { data } = input(0);
        const dims = this.dimsOf(tensor);
        if (count(dims) !== data.length) throw new NotComputable(`the shapes around its ${node.opType} were not understood`);
        return { dims, data };
      }
      default:
        throw new NotComputable(`it holds ${node.opType}`);
    }
  }

  private clipped(node: Node, input: (i: number) => Values): Values {
    const limit = (i: number, name: string, otherwise: number) =>
      (node.inputs[i] ?? "") !== "" ? (input(i).data[0] ?? otherwise) : (node.attributes.get(name)?.float ?? otherwise);
    const least = limit(1, "min", Number.NEGATIVE_INFINITY);
    const most = limit(2, "max", Number.POSITIVE_INFINITY);
    return mapped(input(0), (x) => Math.min(most, Math.max(least, x)));
  }

  private reduced(node: Node, x: Values): Values {
    const axes = axesOf(this.o.view, node)?.map((a) => (a < 0 ? a + x.dims.length : a));
    if (axes === undefined || axes.length === 0) throw new NotComputable(`the axes of its ${node.opType} were not found`);
    const keep = (node.attributes.get("keepdims")?.int ?? 1) !== 0;
    const kept = x.dims.map((d, i) => (axes.includes(i) ? 1 : d));
    const data = new Float64Array(count(kept));
    const strides = stridesOf(kept, x.dims.length);
    each(x.dims, [strides], (at, [to = 0]) => {
      const v = x.data[at] ?? 0;
      data[to] = (data[to] ?? 0) + (node.opType === "ReduceSumSquare" ? v * v : v);
    });
    const n = node.opType === "ReduceMean" ? x.data.length / data.length : 1;
    return { dims: keep ? kept : x.dims.filter((_, i) => !axes.includes(i)), data: data.map((v) => v / n) };
  }

  /** A tensor's sizes, the leading ones of the pattern as small as `sizes` says. */
  private dimsOf(tensor: string): readonly number[] {
    const dims = this.o.types.get(tensor)?.dims;
    if (dims === undefined || dims.some((d) => d === undefined)) throw new NotComputable(`the size of "${tensor}" is not known`);
    return dims.map((d) => this.sizes.get(d as number) ?? (d as number));
  }
}

const elementwise: Readonly<Record<string, (x: number) => number>> = {
  Sqrt: Math.sqrt,
  Neg: (x) => -x,
  Reciprocal: (x) => 1 / x,
  Abs: Math.abs,
  Relu: (x) => Math.max(0, x),
  Identity: (x) => x,
};

const pairwise: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  Max: Math.max,
  Min: Math.min,
};

const count = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);

const mapped = ({ dims, data }: Values, f: (x: number) => number): Values => ({ dims, data: data.map((x) => f(x)) });

/** Strides of a tensor that is broadcast to a rank; 0 along what is repeated. */
function stridesOf(dims: readonly number[], rank: number): number[] {
  const strides = new Array<number>(rank).fill(0);
  let stride = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    if (dims[i] !== 1) strides[i + rank - dims.length] = stride;
    stride *= dims[i] ?? 1;
  }
  return strides;
}

/** Walks over a shape in row-major order, with the place in each operand. */
function each(
  dims: readonly number[],
  operands: readonly (readonly number[])[],
  visit: (at: number, places: readonly number[]) => void,
): void {
  const total = count(dims);
  const index = dims.map(() => 0);
  const places = operands.map(() => 0);
  for (let at = 0; at < total; at++) {
    visit(at, places);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const step = (n: number) => {
        for (let k = 0; k < places.length; k++) places[k] = (places[k] ?? 0) + n * (operands[k]?.[axis] ?? 0);
      };
      const next = (index[axis] ?? 0) + 1;
      if (next < (dims[axis] ?? 0)) {
        index[axis] = next;
        step(1);
        break;
      }
      step(-(index[axis] ?? 0));
      index[axis] = 0;
    }
  }
}

/** NumPy's broadcasting. */
function combined(a: Values, b: Values, f: (a: number, b: number) => number): Values {
  const rank = Math.max(a.dims.length, b.dims.length);
  const dims = Array.from({ length: rank }, (_, i) => {
    const da = a.dims[i - rank + a.dims.length] ?? 1;
    const db = b.dims[i - rank + b.dims.length] ?? 1;
    if (da !== db && da !== 1 && db !== 1) throw new NotComputable("its shapes do not fit together");
    return da === 1 ? db : da;
  });
  if (count(dims) > mostElements) throw new NotComputable("it is too large");
  const data = new Float64Array(count(dims));
  each(dims, [stridesOf(a.dims, rank), stridesOf(b.dims, rank)], (at, [i = 0, j = 0]) => {
    data[at] = f(a.data[i] ?? 0, b.data[j] ?? 0);
  });
  return { dims, data };
}

/** Axes of a reduction: an attribute, or from opset 13 or 18 on an input. */
export function axesOf(view: GraphView, node: Node): readonly number[] | undefined {
  const attribute = node.attributes.get("axes")?.ints;
  if (attribute !== undefined) return attribute;
  const tensor = node.inputs[1] ?? "";
  const producer = view.producer.get(tensor);
  const stored = view.initializers.get(tensor) ?? producer?.attributes.get("value")?.tensor;
  if (stored === undefined) return producer?.attributes.get("value_ints")?.ints;
  if (stored.data.kind !== "bytes" || stored.dtype !== "int64") return undefined;
  const { bytes } = stored.data;
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 8 }, (_, i) => Number(data.getBigInt64(8 * i, true)));
}
