import type { Hazard, Layer, TensorTypes } from "@halfscope/core";
import {
  encodeNode,
  encodeTensor,
  type GraphView,
  type Initializer,
  type Model,
  type NewNode,
  type Node,
  readSpanSync,
} from "@halfscope/onnx";

export const fixKinds = ["clamp-mask", "clamp-weight", "fuse-norm", "raise-epsilon"] as const;
export type FixKind = (typeof fixKinds)[number];

/** A change of the graph that answers a hazard better than a pin: FP32 results stay what they are, within a tolerance that is measured. */
export interface Fix {
  readonly id: string;
  readonly kind: FixKind;
  /** One sentence: what is changed to what. */
  readonly title: string;
  /** Layers whose hazards it answers. */
  readonly layers: readonly string[];
  readonly edit: FixEdit;
}

/** By name of an initializer, or index of a node of the main graph: what stands in its place; nothing to drop it. */
export interface FixEdit {
  readonly initializers?: ReadonlyMap<string, Uint8Array>;
  readonly nodes?: ReadonlyMap<number, readonly Uint8Array[]>;
}

/** A hazard that a fix would answer, and why there is none. */
export interface NoFix {
  readonly layer: string;
  readonly kind: FixKind;
  readonly reason: string;
}

export interface FixSubject {
  readonly model: Model;
  readonly view: GraphView;
  readonly types: TensorTypes;
  readonly layers: readonly Layer[];
  readonly hazards: readonly Hazard[];
}

export interface FixPlan {
  readonly fixes: readonly Fix[];
  readonly none: readonly NoFix[];
}

/** Constants beyond this many bytes are not rewritten: a fix holds its values. */
const largestConstant = 64 << 20;

/** A constant's values, whichever way the file writes them. */
export interface StoredFloats {
  readonly values: Float32Array;
  /** The edit that stores other values in its place. */
  readonly replace: (values: Float32Array) => FixEdit;
}

/** An FP32 initializer or Constant of the main graph; a text that says why it cannot be changed otherwise. */
export function storedFloats({ view }: FixSubject, tensor: string): StoredFloats | string {
  const init = view.initializers.get(tensor);
  if (init !== undefined) {
    if (!view.graph.initializers.includes(init)) return "it is a constant of a branch or loop body";
    const values = floatsOf(init);
    return typeof values === "string"
      ? values
      : { values, replace: (v: Float32Array) => ({ initializers: new Map([[tensor, tensorOf(tensor, init.dims, v)]]) }) };
  }
  const node = view.producer.get(tensor);
  if (node === undefined || node.opType !== "Constant" || node.domain !== "") return "it is computed, not stored";
  if (view.bodyOf.has(node.index)) return "it is a constant of a branch or loop body";
  const stored = constantOf(node);
  if (typeof stored === "string") return stored;
  const { values, dims } = stored;
  const replace = (v: Float32Array): FixEdit => {
    const made: NewNode = {
      name: node.name,
      opType: "Constant",
      inputs: [],
      outputs: [tensor],
      attributes: { value: { tensor: tensorOf("", dims, v) } },
    };
    return { nodes: new Map([[node.index, [encodeNode(made)]]]) };
  };
  return { values, replace };
}

function constantOf(node: Node): { values: Float32Array; dims: readonly number[] } | string {
  const tensor = node.attributes.get("value")?.tensor;
  if (tensor !== undefined) {
    const values = floatsOf(tensor);
    return typeof values === "string" ? values : { values, dims: tensor.dims };
  }
  const one = node.attributes.get("value_float")?.float;
  if (one !== undefined) return { values: new Float32Array([one]), dims: [] };
  const many = node.attributes.get("value_floats")?.floats;
  return many === undefined ? "its values are no floats" : { values: new Float32Array(many), dims: [many.length] };
}

function floatsOf(init: Initializer): Float32Array | string {
  if (init.dtype !== "float32") return `it is ${init.dtype}`;
  if (init.data.kind === "unsupported") return init.data.reason;
  if (init.data.kind === "file" && init.data.span.length > largestConstant) return "it is too large to be rewritten";
  const bytes = init.data.kind === "bytes" ? init.data.bytes : readSpanSync(init.data.span);
  return new Float32Array(bytes.slice().buffer);
}

const tensorOf = (name: string, dims: readonly number[], values: Float32Array): Uint8Array =>
  encodeTensor(name, 1, dims, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
