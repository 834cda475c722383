import { editNode, encodeAttribute, encodeNode, encodeTensor, type Initializer, type Node, readSpanSync } from "@halfscope/onnx";
import { type FixEdit, type FixSubject, freshName } from "./fix.js";

/** Constants beyond this many bytes are not rewritten: a fix holds its values. */
const largestConstant = 64 << 20;

/** A constant's values, whichever way the file writes them. */
export interface StoredFloats {
  readonly values: Float64Array;
  readonly dims: readonly number[];
  /** The edit that stores other values in its place, for all who read it. */
  readonly replace: (values: Float64Array) => FixEdit;
}

/** An FP32 or FP64 initializer, Constant or ConstantOfShape, also of a body; a text that says why it cannot be changed otherwise. */
export function storedFloats({ view }: FixSubject, tensor: string): StoredFloats | string {
  const init = view.initializers.get(tensor);
  if (init !== undefined) {
    const values = floatsOf(init);
    return typeof values === "string"
      ? values
      : { values, dims: init.dims, replace: (v: Float64Array) => ({ initializers: new Map([[tensor, tensorOf(tensor, init, v)]]) }) };
  }
  if (view.graphInputs.has(tensor)) return "it is fed, not stored: feed other values";
  const node = view.producer.get(tensor);
  if (node === undefined || node.domain !== "" || (node.opType !== "Constant" && node.opType !== "ConstantOfShape"))
    return "it is computed, not stored";
  const stored = constantOf(node);
  if (typeof stored === "string") return stored;
  const { values, init: like } = stored;
  const replace = (v: Float64Array): FixEdit => {
    const value = encodeAttribute("value", { tensor: tensorOf("", like, v) });
    // A value_float may not stand beside a value: such a node is written anew.
    const made = node.attributes.has("value")
      ? editNode(node, { attributes: new Map([["value", value]]) })
      : constantNode(node.name, tensor, like.dims, v);
    return { nodes: new Map([[node.index, [made]]]) };
  };
  return { values, dims: like.dims, replace };
}

type Like = Pick<Initializer, "dims" | "dtype">;

function constantOf(node: Node): { values: Float64Array; init: Like } | string {
  const tensor = node.attributes.get("value")?.tensor;
  if (tensor !== undefined) {
    const values = floatsOf(tensor);
    return typeof values === "string" ? values : { values, init: tensor };
  }
  if (node.opType === "ConstantOfShape") return "it is zero";
  const one = node.attributes.get("value_float")?.float;
  if (one !== undefined) return { values: new Float64Array([one]), init: { dims: [], dtype: "float32" } };
  const many = node.attributes.get("value_floats")?.floats;
  return many === undefined
    ? "its values are no floats"
    : { values: new Float64Array(many), init: { dims: [many.length], dtype: "float32" } };
}

/** FP32 or FP64 values; a text that says why they cannot be read otherwise. */
export function floatsOf(init: Initializer): Float64Array | string {
  const { dtype, data } = init;
  if (dtype !== "float32" && dtype !== "float64") return `it is ${dtype}`;
  if (data.kind === "unsupported") return data.reason;
  if (data.kind === "file" && data.span.length > largestConstant) return "it is too large to be rewritten";
  const bytes = (data.kind === "bytes" ? data.bytes : readSpanSync(data.span)).slice();
  return dtype === "float64" ? new Float64Array(bytes.buffer) : Float64Array.from(new Float32Array(bytes.buffer));
}

function tensorOf(name: string, { dims, dtype }: Like, values: Float64Array): Uint8Array {
  const numbers = dtype === "float64" ? values : Float32Array.from(values);
  return encodeTensor(name, dtype === "float64" ? 11 : 1, dims, new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
}

/** An FP32 Constant node. */
export const constantNode = (name: string, output: string, dims: readonly number[], values: Float64Array): Uint8Array =>
  encodeNode({
    name,
    opType: "Constant",
    inputs: [],
    outputs: [output],
    attributes: { value: { tensor: tensorOf("", { dims, dtype: "float32" }, values) } },
  });

/** Operators that hand a constant's values on. */
const handsOn = new Set([
  "Cast",
  "CastLike",
  "Identity",
  "Reshape",
  "Unsqueeze",
  "Squeeze",
  "Expand",
  "Transpose",
  "Flatten",
  "Slice",
  "Tile",
]);

/**
 * The edit that gives a constant other values for those of its readers that are meant, `allows`, also behind Casts and reshapes. Where others read it too, they keep
 * it, and the ones that are meant get a constant of their own. A text where that cannot be done.
 */
export function changeFor(
  o: FixSubject,
  tensor: string,
  stored: StoredFloats,
  values: Float64Array,
  allows: (node: Node) => boolean,
): FixEdit | string {
  const { view } = o;
  const allowed = (node: Node, depth = 0): boolean => {
    if (allows(node)) return true;
    const output = node.outputs[0] ?? "";
    if (node.domain !== "" || !handsOn.has(node.opType) || view.graphOutputs.has(output) || depth > 10) return false;
    return (view.consumers.get(output) ?? []).every((u) => u.input >= 0 && allowed(u.node, depth + 1));
  };
  const uses = view.consumers.get(tensor) ?? [];
  const meant = [...new Set(uses.filter((u) => u.input >= 0 && allowed(u.node)).map((u) => u.node))];
  const meantUses = uses.filter((u) => u.input >= 0 && meant.includes(u.node)).length;
  if (meantUses === uses.length && !view.graphOutputs.has(tensor)) return stored.replace(values);
  if (meant.length === 0) return "others read it too, for something else";
  if (!view.initializers.has(tensor) && view.producer.get(tensor)?.opType !== "Constant")
    return "others read it too, and its size is computed";
  // One constant per body: a name inside one is not known outside.
  const made = new Map<object | undefined, { name: string; first: Node }>();
  const inputs = new Map<number, ReadonlyMap<string, string>>();
  for (const node of meant.toSorted((a, b) => a.index - b.index)) {
    const body = view.bodyOf.get(node.index);
    const own = made.get(body) ?? { name: freshName(o, `${tensor}_fixed${made.size === 0 ? "" : made.size}`), first: node };
    made.set(body, own);
    inputs.set(node.index, new Map([[tensor, own.name]]));
  }
  const before = new Map(
    [...made.values()].map(({ name, first }) => [first.index, [constantNode(name, name, stored.dims, values)]] as const),
  );
  return { inputs, before };
}
