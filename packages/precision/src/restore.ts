import type { HalfType, TensorTypes } from "@halfscope/core";
import type { GraphView, Node } from "@halfscope/onnx";
import { isHalfType } from "./number-format.js";
import { movedInputs, readsShapeOnly } from "./operators.js";

/** What an FP16, bfloat16 or mixed-precision file rounds, read from its types and Casts. */
export interface RestoredSites {
  /** As `roundedUses` of a plan: `TENSOR > READER#INPUT`, with the names of the FP32 original. */
  uses: ReadonlySet<string>;
  /** Original names of tensors of which some use is rounded. */
  tensors: ReadonlySet<string>;
  /** Tensors whose rounded values reach an output of the graph through movers and Casts, as `TENSOR > OUTPUT`. */
  outputs: ReadonlySet<string>;
  casts: number;
  /** Initializers in FP16 or bfloat16. */
  halfWeights: number;
  fullWeights: number;
  /** Which of the two the file's tensors are in; empty for a file in FP32. */
  types: readonly HalfType[];
}

/** Name that a tensor had before `realisePlan` made versions of it. */
export const originalName = (tensor: string): string => tensor.replace(/(\/fp16|\/bf16|\/fp32)_*$/, "");

const isFloat = (types: TensorTypes, t: string) => types.get(t)?.dtype === "float32" || isHalfType(types.get(t)?.dtype);
/** A Cast between FP32, FP16 and bfloat16: it is no operation of the model but a border of precision. */
export const isPrecisionCast = (node: Node, types: TensorTypes): boolean =>
  node.domain === "" && node.opType === "Cast" && isFloat(types, node.inputs[0] ?? "") && isFloat(types, node.outputs[0] ?? "");

/** Roots that a tensor's values come from, and whether the way from there passes FP16. */
type Carried = ReadonlyMap<string, boolean>;

/**
 * The inverse of `realisePlan`: works on any FP16 or mixed file, of halfscope or another tool (unfolded: `unfoldModel`). `nameOf` gives the original's name
 * of a tensor; by default the name without halfscope's endings, which misreads an original's tensor that ends so itself (`mapNames` knows the original).
 */
export function restoreSites(view: GraphView, types: TensorTypes, nameOf: (tensor: string) => string = originalName): RestoredSites {
  const found = (["float16", "bfloat16"] as const).filter((type) => [...types.values()].some((t) => t.dtype === type));
  const passedInputs = (node: Node) => passedIn(node, types, found[0]);
  const carried = carriedRoots(view, types, nameOf, passedInputs);
  const uses = new Set<string>();
  let casts = 0;
  for (const node of view.order) {
    if (isPrecisionCast(node, types)) casts++;
    if (view.bodies.has(node) || readsShapeOnly(node) || passedInputs(node).length > 0) continue;
    const reader = nameOf(node.outputs.find((t) => t !== "") ?? "");
    node.inputs.forEach((t, i) => {
      for (const [root, rounded] of carried.get(t) ?? []) if (rounded) uses.add(`${root} > ${reader}#${i}`);
    });
  }
  const outputs = [...view.graphOutputs].flatMap((o) =>
    [...(carried.get(o) ?? [])].flatMap(([root, rounded]) => (rounded ? `${root} > ${o}` : [])),
  );
  const weights = [...view.initializers.values()];
  return {
    uses,
    outputs: new Set(outputs),
    tensors: new Set([...uses].map((u) => u.slice(0, u.lastIndexOf(" > ")))),
    casts,
    halfWeights: weights.filter((w) => isHalfType(w.dtype)).length,
    fullWeights: weights.filter((w) => w.dtype === "float32").length,
    types: found,
  };
}

/** Inputs whose values a node hands on; empty for nodes that compute. */
const passedIn = (node: Node, types: TensorTypes, type: HalfType | undefined): readonly number[] =>
  isPrecisionCast(node, types)
    ? [0]
    : (movedInputs(node, halfTypeOf(node, types) ?? type) ?? []).filter((i) => isFloat(types, node.inputs[i] ?? ""));

/** The type that a node of the file works in, when it is not FP32. */
const halfTypeOf = (node: Node, types: TensorTypes): HalfType | undefined =>
  [...node.outputs, ...node.inputs].map((t) => types.get(t)?.dtype).find(isHalfType);

/** Follows values through movers and Casts and over the borders of bodies, until nothing new is found. */
function carriedRoots(
  view: GraphView,
  types: TensorTypes,
  nameOf: (tensor: string) => string,
  passedInputs: (node: Node) => readonly number[],
): ReadonlyMap<string, Carried> {
  const isHalf = (t: string) => isHalfType(types.get(t)?.dtype);
  const carried = new Map<string, Map<string, boolean>>();
  const flows: { to: string; from: readonly string[] }[] = view.links.filter((l) => isFloat(types, l.to));
  const addRoot = (t: string) => {
    if (isFloat(types, t) && !carried.has(t)) carried.set(t, new Map([[nameOf(t), isHalf(t)]]));
  };
  for (const name of [...view.initializers.keys(), ...view.sparse.keys(), ...view.graphInputs]) addRoot(name);
  for (const node of view.order) {
    if (view.bodies.has(node)) continue;
    const from = passedInputs(node).map((i) => node.inputs[i] ?? "");
    for (const to of node.outputs)
      if (from.length === 0) addRoot(to);
      else if (isFloat(types, to)) flows.push({ to, from });
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (const { to, from } of flows) {
      const known = carried.get(to) ?? new Map<string, boolean>();
      for (const tensor of from)
        for (const [root, before] of carried.get(tensor) ?? []) {
          const rounded = before || isHalf(to);
          if (known.get(root) === undefined || (rounded && known.get(root) === false)) {
            known.set(root, rounded);
            changed = true;
          }
        }
      carried.set(to, known);
    }
    if (view.links.length === 0) break;
  }
  return carried;
}
