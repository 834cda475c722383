import { type DType, numberFromDtype, type TensorType } from "@halfscope/core";
import {
  editNode,
  encodeAttribute,
  encodeTensor,
  encodeValueInfo,
  type GraphView,
  type Initializer,
  type Node,
  type ValueInfo,
} from "@halfscope/onnx";
import { forwardTypes } from "./forward-types.js";
import { type LevelBuilder, withBodies } from "./graph-builder.js";

const bfloat = numberFromDtype("bfloat16");
const half = numberFromDtype("float16");
/** Attributes of standard operators that name a type. */
const typeAttributes = ["to", "dtype", "output_dtype", "softmax_precision", "stash_type"];

/**
 * ONNX Runtime's CPU provider has next to no kernels for bfloat16 and refuses to load what uses it. To infer types, FP16 stands in: every schema that takes
 * bfloat16 takes FP16 too, both have two bytes, and nothing is run.
 */
export interface StandIn {
  initializer(init: Initializer): Initializer;
  value(value: ValueInfo): ValueInfo;
  /** Attributes of a node that change. */
  attributes(node: Node): ReadonlyMap<string, Uint8Array>;
  node(node: Node, around: LevelBuilder): Uint8Array;
  /** The type that a tensor has in the file, from the one that it was inferred to have. */
  own(tensor: string, inferred: DType): DType;
}

/** Undefined for models that nowhere mention bfloat16. */
export function bfloatStandIn(view: GraphView): StandIn | undefined {
  if (!mentions(view, "bfloat16")) return undefined;
  // In a file with both, simple rules tell which is which.
  const known: ReadonlyMap<string, DType> | undefined = mentions(view, "float16") ? forwardTypes(view).types : undefined;
  const initializer = (init: Initializer): Initializer =>
    init.dtype === "bfloat16" ? { ...init, dtype: "float16", elementType: half } : init;
  const value = (v: ValueInfo): ValueInfo => (v.dtype === "bfloat16" ? { ...v, dtype: "float16" } : v);
  const attributes = (node: Node): ReadonlyMap<string, Uint8Array> => {
    const changed = new Map<string, Uint8Array>();
    for (const { name, int, string, tensor } of node.attributes.values()) {
      if (tensor?.dtype === "bfloat16" && tensor.data.kind === "bytes")
        changed.set(name, encodeAttribute(name, { tensor: encodeTensor(tensor.name, half, tensor.dims, tensor.data.bytes) }));
      else if (node.domain === "" && typeAttributes.includes(name) && int === bfloat) changed.set(name, encodeAttribute(name, half));
      else if (node.opType === "Cast" && name === "to" && string === "BFLOAT16")
        changed.set(name, encodeAttribute(name, { string: "FLOAT16" }));
    }
    return changed;
  };
  const node = (n: Node, around: LevelBuilder): Uint8Array => {
    const bodies = view.bodies.get(n);
    if (bodies === undefined) return editNode(n, { attributes: attributes(n) });
    const levels = bodies.map(({ attribute, graph, order }): [string, LevelBuilder] => {
      const level = around.body();
      const declare = (side: "input" | "output", v: ValueInfo) =>
        level.declared(side, v.name, v.dtype === "bfloat16" ? encodeValueInfo(v.name, 0) : (v.field.payload as Uint8Array));
      for (const v of graph.inputs) declare("input", v);
      for (const init of graph.initializers) level.initializer(initializer(init));
      for (const inner of order) level.node(node(inner, level));
      for (const v of graph.outputs) declare("output", v);
      return [attribute, level];
    });
    return withBodies(n, levels, { attributes: attributes(n) });
  };
  const own = (tensor: string, inferred: DType): DType =>
    inferred === "float16" && (known === undefined || known.get(tensor) === "bfloat16") ? "bfloat16" : inferred;
  return { initializer, value, attributes, node, own };
}

/** Whether anything in a model says a type: a look at the file, without ONNX Runtime. */
export function mentions(view: GraphView, dtype: DType & TensorType["dtype"]): boolean {
  const { inputs, outputs, valueInfos } = view.graph;
  if ([...inputs, ...outputs, ...valueInfos].some((v) => v.dtype === dtype)) return true;
  if ([...view.initializers.values()].some((i) => i.dtype === dtype)) return true;
  const number = numberFromDtype(dtype);
  return view.order.some((n) =>
    [...n.attributes.values()].some(
      (a) => a.tensor?.dtype === dtype || (typeAttributes.includes(a.name) && (a.int === number || a.string === castWords[dtype])),
    ),
  );
}
const castWords: Partial<Record<DType, string>> = { float16: "FLOAT16", bfloat16: "BFLOAT16" };
