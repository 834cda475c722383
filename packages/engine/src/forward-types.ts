import { type DType, dtypeFromNumber } from "@halfscope/core";
import type { GraphView, Node } from "@halfscope/onnx";

/** Standard operators whose results have one type whatever goes in; a list gives the type of each output, "first" that of input 0. */
const results: Readonly<Record<string, readonly (DType | "first")[]>> = {
  Shape: ["int64"],
  Size: ["int64"],
  NonZero: ["int64"],
  ArgMax: ["int64"],
  ArgMin: ["int64"],
  NonMaxSuppression: ["int64"],
  TopK: ["first", "int64"],
  MaxPool: ["first", "int64"],
  Dropout: ["first", "bool"],
  Unique: ["first", "int64", "int64", "int64"],
  Equal: ["bool"],
  Less: ["bool"],
  LessOrEqual: ["bool"],
  Greater: ["bool"],
  GreaterOrEqual: ["bool"],
  And: ["bool"],
  Or: ["bool"],
  Xor: ["bool"],
  Not: ["bool"],
  IsNaN: ["bool"],
  IsInf: ["bool"],
  MatMulInteger: ["int32"],
  ConvInteger: ["int32"],
  DynamicQuantizeLinear: ["uint8", "float32", "uint8"],
};
/** Operators whose result has the type of another input than the first. */
const typeGiver: Readonly<Record<string, number>> = { Where: 1, OneHot: 2, CastLike: 1, DequantizeLinear: 1, QuantizeLinear: 2 };
/** Operators with an attribute that names the type of the result, and the type without it. */
const typeAttribute: Readonly<Record<string, readonly [attribute: string, otherwise: DType | "first"]>> = {
  Cast: ["to", "unknown"],
  EyeLike: ["dtype", "first"],
  RandomNormal: ["dtype", "float32"],
  RandomUniform: ["dtype", "float32"],
  RandomNormalLike: ["dtype", "first"],
  RandomUniformLike: ["dtype", "first"],
  Bernoulli: ["dtype", "first"],
  Multinomial: ["dtype", "int32"],
};

/** Inputs that must have one type (the schema's T), for operators where not all must: "all", or positions. Others go by their first input alone. */
const oneType: Readonly<Record<string, "all" | readonly number[]>> = {
  ...Object.fromEntries(
    ["Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Sum", "Mean", "Concat", "MatMul", "Gemm", "Conv", "ConvTranspose", "PRelu"]
      .concat(["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Einsum", "InstanceNormalization", "Range", "Clip", "LRN"])
      .concat(["LayerNormalization", "GroupNormalization", "RMSNormalization"])
      .map((op) => [op, "all"] as const),
  ),
  Where: [1, 2],
  Pad: [0, 2],
  ScatterND: [0, 2],
  ScatterElements: [0, 2],
  BatchNormalization: [0],
  LSTM: [0, 1, 2, 3, 5, 6, 7],
  GRU: [0, 1, 2, 3, 5],
  RNN: [0, 1, 2, 3, 5],
};

/** A node that gets two types where its operator takes one. */
export interface TypeConflict {
  readonly node: Node;
  /** The inputs that must agree. */
  readonly inputs: readonly { readonly tensor: string; readonly dtype: DType }[];
}

export interface ForwardTypes {
  readonly types: ReadonlyMap<string, DType>;
  /** In graph order. */
  readonly conflicts: readonly TypeConflict[];
}

/**
 * Element types from the inputs on, by simple rules per operator, for files that ONNX Runtime refuses: what it infers cannot be asked for then. A type that no
 * rule gives is taken from the file's value_info, else it is "unknown" and agrees with all. `given` overrules what is found.
 */
export function forwardTypes(view: GraphView, given: ReadonlyMap<string, DType> = new Map()): ForwardTypes {
  const types = new Map<string, DType>();
  const conflicts: TypeConflict[] = [];
  const set = (tensor: string, dtype: DType) => {
    if (tensor !== "") types.set(tensor, given.get(tensor) ?? dtype);
  };
  const declared = new Map([...view.graph.valueInfos, ...view.graph.outputs].map((v) => [v.name, v.dtype]));
  for (const v of view.graph.inputs) set(v.name, v.dtype);
  for (const i of view.initializers.values()) set(i.name, i.dtype);
  for (const node of view.order) {
    const known = (input: number): DType => types.get(node.inputs[input] ?? "") ?? "unknown";
    const conflict = conflictOf(node, known);
    if (conflict !== undefined) conflicts.push(conflict);
    const found = node.domain === "" ? resultTypes(node, known) : [];
    node.outputs.forEach((t, i) => {
      const dtype = found[i] ?? "unknown";
      set(t, dtype === "unknown" ? (declared.get(t) ?? "unknown") : dtype);
    });
  }
  return { types, conflicts };
}

function conflictOf(node: Node, known: (input: number) => DType): TypeConflict | undefined {
  if (node.domain !== "" || !Object.hasOwn(oneType, node.opType)) return undefined;
  const positions = oneType[node.opType] === "all" ? node.inputs.map((_, i) => i) : (oneType[node.opType] as readonly number[]);
  const inputs = positions.flatMap((i) => (node.inputs[i] ? [{ tensor: node.inputs[i] as string, dtype: known(i) }] : []));
  const found = new Set(inputs.map((i) => i.dtype).filter((d) => d !== "unknown"));
  return found.size > 1 ? { node, inputs } : undefined;
}

function resultTypes(node: Node, known: (input: number) => DType): DType[] {
  const { opType, attributes } = node;
  const first = known(0);
  const fixed = Object.hasOwn(results, opType) ? results[opType] : undefined;
  if (fixed !== undefined) return fixed.map((d) => (d === "first" ? first : d));
  const named = Object.hasOwn(typeAttribute, opType) ? typeAttribute[opType] : undefined;
  if (named !== undefined) {
    const number = attributes.get(named[0])?.int;
    const otherwise = named[1] === "first" ? first : named[1];
    return [number === undefined ? otherwise : dtypeFromNumber(number)];
  }
  if (opType === "Constant") return [constantType(node)];
  if (opType === "ConstantOfShape") return [attributes.get("value")?.tensor?.dtype ?? "float32"];
  if ([...attributes.values()].some((a) => a.graphs !== undefined) || /Sequence|Optional|String/.test(opType)) return [];
  const giver = Object.hasOwn(typeGiver, opType) ? typeGiver[opType] : undefined;
  if (giver !== undefined) return [known(giver)];
  return node.outputs.map(() => first);
}

function constantType(node: Node): DType {
  const [value] = [...node.attributes.values()];
  if (value?.tensor !== undefined) return value.tensor.dtype;
  if (value?.type === "float" || value?.type === "floats") return "float32";
  return value?.type === "int" || value?.type === "ints" ? "int64" : "unknown";
}
