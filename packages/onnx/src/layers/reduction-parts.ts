import type { GraphView } from "../graph-view.js";
import type { Node } from "../types.js";
import { Scan } from "./scan.js";

/** How many numbers an operator adds up for each number that it gives. */
export interface ReductionLength {
  readonly length: number;
  /** `products`: each addend is a product of two inputs; `sum`: the addends are the input's own values; `mean`: and the sum is divided by their number. */
  readonly kind: "products" | "sum" | "mean" | "running";
}
type Dims = (tensor: string) => readonly (number | undefined)[] | undefined;

/** Undefined for operators that do not sum, and where sizes are not known. */
export function reductionLength(view: GraphView, node: Node, dims: Dims): ReductionLength | undefined {
  if (node.domain !== "") return undefined;
  const of = (i: number) => dims(node.inputs[i] ?? "");
  const int = (name: string) => node.attributes.get(name)?.int ?? 0;
  const found = (length: number | undefined, kind: ReductionLength["kind"]): ReductionLength | undefined =>
    length === undefined || !Number.isFinite(length) ? undefined : { length, kind };
  switch (node.opType) {
    case "MatMul": {
      const b = of(1);
      return found(of(0)?.at(-1) ?? b?.at(b.length > 1 ? -2 : -1), "products");
    }
    case "Gemm":
      return found(of(0)?.[int("transA") === 1 ? 0 : 1] ?? of(1)?.[int("transB") === 1 ? 1 : 0], "products");
    case "Conv":
      return found(product(of(1)?.slice(1)), "products");
    case "ReduceSum":
    case "ReduceL1":
    case "ReduceMean":
      return found(product(reducedDims(view, node, of(0))), node.opType === "ReduceMean" ? "mean" : "sum");
    case "CumSum": {
      const axis = Scan.of(view).constant(node.inputs[1])?.scalar;
      return axis === undefined ? undefined : found(of(0)?.at(axis), "running");
    }
    case "AveragePool":
      return found(product(node.attributes.get("kernel_shape")?.ints), "mean");
    case "GlobalAveragePool":
      return found(product(of(0)?.slice(2)), "mean");
    default:
      return undefined;
  }
}

function reducedDims(view: GraphView, node: Node, dims: readonly (number | undefined)[] | undefined) {
  const named = node.inputs[1] !== undefined && node.inputs[1] !== "";
  const axes = node.attributes.get("axes")?.ints ?? (named ? Scan.of(view).smallValues(node.inputs[1]) : []);
  if (dims === undefined || axes === undefined) return undefined;
  if (axes.length > 0) return axes.map((a) => dims.at(a));
  return node.attributes.get("noop_with_empty_axes")?.int === 1 ? [1] : dims;
}

const product = (dims: readonly (number | undefined)[] | undefined): number | undefined =>
  dims === undefined || dims.includes(undefined) ? undefined : dims.reduce<number>((n, d) => n * (d ?? 1), 1);
