import type { Layer } from "@halfscope/core";
import type { GraphView } from "../graph-view.js";
import type { Node } from "../types.js";
import { type MaskOperand, matchSoftmax } from "./attention.js";
import { smallValues } from "./constants.js";
import { Scan } from "./scan.js";

export interface SoftmaxParts {
  /** The scores that come into the layer, before scale and mask. */
  readonly input: string;
  /** The tensor that masks (the first, when there are several): added or subtracted, or an operand of a Where. */
  readonly mask?: string;
  /** Large constants that reach the mask: `tensor` is the initializer or the output of the Constant or ConstantOfShape node. */
  readonly maskConstants: readonly { readonly tensor: string; readonly value: number }[];
}

/** A constant of at least this magnitude is there to switch scores off. */
const maskMagnitude = 1e3;

/** Looks into a layer of this graph that holds a softmax node; undefined for other layers. */
export function softmaxParts(view: GraphView, layer: Layer): SoftmaxParts | undefined {
  const scan = Scan.of(view);
  const inside = new Set(layer.nodes.flatMap((i) => view.nodes[i] ?? []));
  const softmax = [...inside].find((n) => n.domain === "" && (n.opType === "Softmax" || n.opType === "LogSoftmax"));
  if (softmax === undefined) return undefined;
  const { input, masks } = matchSoftmax(scan, softmax, (node) => !inside.has(node));
  const found = new Map<string, number>();
  for (const mask of masks) collectMaskConstants(scan, mask, found);
  const mask = masks[0]?.tensor;
  return { input, ...(mask !== undefined && { mask }), maskConstants: [...found].map(([tensor, value]) => ({ tensor, value })) };
}

/** Operators that a mask is made with. */
const maskOperators = new Set([
  "Mul",
  "Div",
  "Where",
  "Cast",
  "CastLike",
  "Sub",
  "Add",
  "Unsqueeze",
  "Squeeze",
  "Reshape",
  "Expand",
  "Slice",
  "Tile",
  "Concat",
  "Transpose",
  "Identity",
  "Min",
  "Max",
  "Neg",
  "Trilu",
  "Gather",
  "GatherND",
  "ScatterND",
  "ScatterElements",
  "Split",
  "Pad",
  "Clip",
]);

function collectMaskConstants(scan: Scan, mask: MaskOperand, found: Map<string, number>): void {
  const seen = new Set<string>();
  const pending = [mask];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const { tensor, subtracted } = at;
    const key = `${subtracted}${tensor}`;
    if (tensor === "" || seen.has(key) || seen.size > 200) continue;
    seen.add(key);
    const constant = scan.constant(tensor);
    if (constant !== undefined) {
      const value = switchedOff(scan.smallValues(tensor) ?? [], subtracted);
      if (value !== undefined && scan.mayBeFloat(tensor)) found.set(constant.root, value);
      continue;
    }
    const node = scan.producer(tensor);
    if (node === undefined || node.domain !== "") continue;
    if (node.opType === "ConstantOfShape") {
      const fill = node.attributes.get("value")?.tensor;
      const value = switchedOff((fill && scan.mayBeFloat(tensor) && smallValues(fill)) || [], subtracted);
      if (value !== undefined) found.set(tensor, value);
    } else if (maskOperators.has(node.opType)) pending.push(...operandsOf(node, subtracted));
  }
}

function operandsOf(node: Node, subtracted: boolean): MaskOperand[] {
  if (node.opType === "Where") return node.inputs.slice(1).map((tensor) => ({ tensor, subtracted }));
  if (node.opType === "Neg") return [{ tensor: node.inputs[0] ?? "", subtracted: !subtracted }];
  return node.inputs.map((tensor, i) => ({ tensor, subtracted: node.opType === "Sub" && i === 1 ? !subtracted : subtracted }));
}

/** The most extreme value that lowers scores. */
function switchedOff(values: readonly number[], subtracted: boolean): number | undefined {
  let extreme: number | undefined;
  for (const v of values) {
    const lowers = subtracted ? v >= maskMagnitude : v <= -maskMagnitude;
    if (lowers && (extreme === undefined || Math.abs(v) > Math.abs(extreme))) extreme = v;
  }
  return extreme;
}
