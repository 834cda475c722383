import type { GraphView } from "../graph-view.js";
import type { Node } from "../types.js";
import { isOneElement } from "./constants.js";
import { Scan } from "./scan.js";

/** A constant that keeps a divisor away from zero. */
export interface Guard {
  /** `add`: x + value; `max`: the larger of x and value. */
  readonly kind: "add" | "max";
  readonly value: number;
  /** The initializer, Constant output, or for an attribute of Clip the Clip's output, that holds it. */
  readonly tensor: string;
  /** What is guarded. */
  readonly of: string;
  readonly node: Node;
}

/** A node that cannot bear zero: what it divides by, or takes the logarithm of. */
export interface Divisor {
  readonly node: Node;
  readonly kind: "quotient" | "logarithm";
  /** Tensors whose zeros become the divisor's: it itself, and what is under a root. `squared`: its square is what is computed (inside ReduceL2). */
  readonly tensors: readonly { readonly tensor: string; readonly squared: boolean }[];
  readonly guard?: Guard;
  /** Where the divisor is one constant. */
  readonly constant?: { readonly value: number; readonly tensor: string };
}

/** Every division and logarithm of a graph, with what keeps it from zero. */
export function divisorsOf(view: GraphView): Divisor[] {
  const scan = Scan.of(view);
  return view.order.flatMap((node): Divisor[] => {
    const at = divisorInput(scan, node);
    const tensor = at === undefined ? "" : (node.inputs[at] ?? "");
    if (tensor === "" || !scan.mayBeFloat(tensor)) return [];
    const kind = node.opType === "Log" ? "logarithm" : "quotient";
    const constant = scan.constant(tensor);
    if (constant !== undefined)
      return constant.scalar === undefined
        ? []
        : [{ node, kind, tensors: [], constant: { value: constant.scalar, tensor: constant.root } }];
    return [{ node, kind, ...walkDivisor(scan, tensor) }];
  });
}

function divisorInput(scan: Scan, node: Node): number | undefined {
  if (node.domain !== "") return undefined;
  switch (node.opType) {
    case "Div":
      return 1;
    case "Reciprocal":
    case "Log":
      return 0;
    case "Pow":
      return (scan.constant(node.inputs[1])?.scalar ?? 0) < 0 ? 0 : undefined;
    default:
      return undefined;
  }
}

/** Back from a divisor through reshapes, roots and magnitudes, up to what guards it. */
function walkDivisor(scan: Scan, divisor: string): Pick<Divisor, "tensors"> & { guard?: Guard } {
  const tensors = [{ tensor: divisor, squared: false }];
  for (let at = divisor; ; ) {
    at = scan.back(at, "shapes").tensor;
    const node = scan.producer(at);
    if (node === undefined || node.domain !== "") return { tensors };
    const guard = guardOf(scan, node);
    if (guard !== undefined) return { tensors, guard };
    const [a = "", exponent] = node.inputs;
    const root = node.opType === "Sqrt" || (node.opType === "Pow" && scan.constant(exponent)?.scalar === 0.5);
    if (!root && node.opType !== "Abs")
      return { tensors: node.opType === "ReduceL2" ? [...tensors, { tensor: at, squared: true }] : tensors };
    at = a;
    tensors.push({ tensor: at, squared: false });
  }
}

function guardOf(scan: Scan, node: Node): Guard | undefined {
  const output = node.outputs[0] ?? "";
  if (node.opType === "Clip") {
    const of = node.inputs[0] ?? "";
    const input = scan.constant(node.inputs[1]);
    const value = input?.scalar ?? node.attributes.get("min")?.float;
    return value === undefined || value <= 0 ? undefined : { kind: "max", value, tensor: input?.root ?? output, of, node };
  }
  if ((node.opType !== "Add" && node.opType !== "Max") || node.inputs.length !== 2) return undefined;
  const side = node.inputs.findIndex((t) => scan.isConstant(t));
  const constant = scan.constant(node.inputs[side]);
  if (constant === undefined || !isOneElement(constant) || constant.scalar === undefined || constant.scalar <= 0) return undefined;
  const of = node.inputs[1 - side] ?? "";
  return { kind: node.opType === "Add" ? "add" : "max", value: constant.scalar, tensor: constant.root, of, node };
}

/** Value and root of a one-element constant, whatever holds it; undefined for others and for values that were left in a file. */
export function constantScalar(view: GraphView, tensor: string | undefined): { value: number; tensor: string } | undefined {
  const constant = Scan.of(view).constant(tensor);
  return constant?.scalar === undefined ? undefined : { value: constant.scalar, tensor: constant.root };
}
