import type { Layer } from "@halfscope/core";
import type { GraphView } from "../graph-view.js";
import type { Node } from "../types.js";
import { type MaskOperand, matchSoftmax, maximumBehind } from "./attention.js";
import { smallValues } from "./constants.js";
import { Scan } from "./scan.js";

/** A large constant that switches scores off. */
export interface MaskConstant {
  /** The initializer, or the output of the Constant or ConstantOfShape node. */
  readonly tensor: string;
  /** The most extreme value, with the sign that the constant has as it is stored or folded. */
  readonly value: number;
  /** It is multiplied by something that may be zero on its way: an infinity then makes NaN wherever nothing is masked. */
  readonly multiplied: boolean;
}

export interface SoftmaxParts {
  /** The scores that come into the layer, before scale and mask. */
  readonly input: string;
  /** The tensor that masks (the first, when there are several): added or subtracted, or an operand of a Where. */
  readonly mask?: string;
  /** Every tensor that is applied as a mask. */
  readonly masks: readonly string[];
  readonly maskConstants: readonly MaskConstant[];
  /** Constants that masks are made of whose values were left in the file. */
  readonly storedMasks: readonly string[];
  /** Graph inputs that hold float masks, and whether they are multiplied. */
  readonly maskInputs: readonly { readonly tensor: string; readonly multiplied: boolean; readonly subtracted: boolean }[];
  /** Computed tensors that hold masks or masked scores: large negative values are there on purpose. */
  readonly maskTensors: readonly string[];
  /** The probabilities. */
  readonly output: string;
}

/** A constant of at least this magnitude is there to switch scores off. */
const maskMagnitude = 1e3;

/** Position of the additive float mask of an operator that holds a whole attention. */
const maskInput: Readonly<Record<string, number>> = {
  ":Attention": 3,
  "com.microsoft:Attention": 5,
  "com.microsoft:MultiHeadAttention": 5,
  "com.microsoft:GroupQueryAttention": 10,
};

/** Looks into a layer that holds a softmax node, a softmax written by hand, or a whole attention in one node; undefined for other layers. */
export function softmaxParts(view: GraphView, layer: Layer): SoftmaxParts | undefined {
  const scan = Scan.of(view);
  const inside = new Set(layer.nodes.flatMap((i) => view.nodes[i] ?? []));
  const softmax = [...inside].find((n) => n.domain === "" && (n.opType === "Softmax" || n.opType === "LogSoftmax"));
  if (softmax !== undefined) {
    const { input, masks } = matchSoftmax(scan, softmax, (node) => !inside.has(node));
    const output = softmax.outputs[0] ?? "";
    const scores = [...inside].flatMap((n) => n.outputs).filter((t) => t !== "" && t !== output);
    return { input, output, ...maskParts(scan, masks, masks.length > 0 ? scores : []) };
  }
  const fused = layer.kind === "attention" ? [...inside].find((n) => Object.hasOwn(maskInput, `${n.domain}:${n.opType}`)) : undefined;
  if (fused !== undefined) {
    const tensor = fused.inputs[maskInput[`${fused.domain}:${fused.opType}`] ?? -1] ?? "";
    const masks = tensor === "" || !scan.mayBeFloat(tensor) ? [] : [{ tensor, subtracted: false }];
    return { input: fused.inputs[0] ?? "", output: fused.outputs[0] ?? "", ...maskParts(scan, masks, []) };
  }
  if (layer.kind !== "softmax") return undefined;
  const hand = handSoftmaxes(view).find((h) => inside.has(h.exp));
  if (hand === undefined) return undefined;
  const exponent = hand.input;
  // The scores have two readers here (the maximum and the difference), so the way back is not that of a softmax node: all that is added counts.
  return { input: exponent, output: layer.outputs[0] ?? "", ...maskParts(scan, [{ tensor: exponent, subtracted: false }], []) };
}

type MaskPart = Pick<SoftmaxParts, "mask" | "masks" | "maskConstants" | "storedMasks" | "maskInputs" | "maskTensors">;

function maskParts(scan: Scan, masks: readonly MaskOperand[], scores: readonly string[]): MaskPart {
  const search = new MaskSearch(scan);
  for (const mask of masks) search.walk(mask);
  const mask = masks[0]?.tensor;
  return {
    ...(mask !== undefined && { mask }),
    masks: masks.map((m) => m.tensor),
    maskConstants: [...search.found].map(([tensor, at]) => ({ tensor, ...at })),
    storedMasks: [...search.stored],
    maskInputs: [...search.inputs].map(([tensor, at]) => ({ tensor, ...at })),
    maskTensors: [...new Set([...search.passed, ...scores])],
  };
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

interface MaskStep extends MaskOperand {
  readonly multiplied: boolean;
}

/** Walks from a mask back to the constants and inputs that it is made of. */
class MaskSearch {
  readonly found = new Map<string, { value: number; multiplied: boolean }>();
  readonly stored = new Set<string>();
  readonly inputs = new Map<string, { multiplied: boolean; subtracted: boolean }>();
  readonly passed = new Set<string>();
  private readonly seen = new Set<string>();

  constructor(private readonly scan: Scan) {}

  walk(mask: MaskOperand): void {
    const { scan } = this;
    const pending: MaskStep[] = [{ ...mask, multiplied: false }];
    const first = this.seen.size;
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      const key = `${at.subtracted}${at.multiplied}${at.tensor}`;
      if (at.tensor === "" || this.seen.has(key) || this.seen.size - first > 200) continue;
      this.seen.add(key);
      if (scan.isConstant(at.tensor)) {
        this.constant(at);
        continue;
      }
      if (scan.mayBeFloat(at.tensor)) this.passed.add(at.tensor);
      const node = scan.producer(at.tensor);
      if (node === undefined) {
        const { multiplied, subtracted } = at;
        if (scan.view.graphInputs.has(at.tensor) && scan.dtypes.get(at.tensor) === "float32")
          this.inputs.set(at.tensor, { multiplied, subtracted });
      } else if (node.domain !== "") continue;
      else if (node.opType === "ConstantOfShape") {
        const fill = node.attributes.get("value")?.tensor;
        this.note(at, at.tensor, (fill && smallValues(fill)) || []);
      } else if (maskOperators.has(node.opType)) pending.push(...this.operandsOf(node, at));
    }
  }

  private constant(at: MaskStep): void {
    const { scan } = this;
    const constant = scan.constant(at.tensor);
    if (constant === undefined || !scan.mayBeFloat(at.tensor)) return;
    const values = constant.scalar !== undefined ? [constant.scalar] : valuesOf(scan, constant.root);
    if (values === undefined) this.stored.add(constant.root);
    else this.note(at, constant.root, values);
  }

  private note(at: MaskStep, tensor: string, values: readonly number[]): void {
    const value = switchedOff(values, at.subtracted);
    if (value === undefined || !this.scan.mayBeFloat(at.tensor)) return;
    this.found.set(tensor, { value, multiplied: at.multiplied || (this.found.get(tensor)?.multiplied ?? false) });
  }

  private operandsOf(node: Node, at: MaskStep): MaskStep[] {
    const { subtracted, multiplied } = at;
    if (node.opType === "Where") return node.inputs.slice(1).map((tensor) => ({ tensor, subtracted, multiplied }));
    if (node.opType === "Neg") return [{ tensor: node.inputs[0] ?? "", subtracted: !subtracted, multiplied }];
    return node.inputs.map((tensor, i) => ({
      tensor,
      subtracted: node.opType === "Sub" && i === 1 ? !subtracted : subtracted,
      // A factor that no input can make zero does no harm.
      multiplied: multiplied || (node.opType === "Mul" && !this.scan.isConstant(node.inputs[1 - i])),
    }));
  }
}

function valuesOf(scan: Scan, root: string): readonly number[] | undefined {
  return scan.producer(root)?.attributes.get("value_floats")?.floats ?? scan.smallValues(root);
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

/** exp and the sum over it: a softmax, or a logarithm of a sum of exponentials, that is written as nodes. */
export interface HandSoftmax {
  readonly exp: Node;
  readonly sum: Node;
  /** What a maximum is subtracted from; what is raised, where none is. */
  readonly input: string;
  /** A maximum is subtracted first, so that exp gives at most 1. */
  readonly shifted: boolean;
  /** Name for people: whether a quotient or a logarithm follows. */
  readonly kind: "softmax" | "log-sum-exp";
}

const known = new WeakMap<GraphView, readonly HandSoftmax[]>();

/** Every softmax and log-sum-exp that a graph writes as Exp, ReduceSum and Div or Log. */
export function handSoftmaxes(view: GraphView): readonly HandSoftmax[] {
  let found = known.get(view);
  if (found === undefined) {
    const scan = Scan.of(view);
    found = view.order.flatMap((node) => matchHandSoftmax(scan, node) ?? []);
    known.set(view, found);
  }
  return found;
}

function matchHandSoftmax(scan: Scan, exp: Node): HandSoftmax | undefined {
  if (exp.domain !== "" || exp.opType !== "Exp") return undefined;
  const sum = scan.users(exp.outputs[0] ?? "").find((u) => u.domain === "" && u.opType === "ReduceSum");
  if (sum === undefined) return undefined;
  const kind = endOf(scan, sum.outputs[0] ?? "");
  if (kind === undefined) return undefined;
  const raised = exp.inputs[0] ?? "";
  const shift = scan.made(scan.back(raised, "shapes").tensor, "Sub");
  const maximum = shift && maximumBehind(scan, shift.inputs[1] ?? "");
  if (shift !== undefined && maximum !== undefined && scan.source(maximum.of) === scan.source(shift.inputs[0] ?? ""))
    return { exp, sum, input: shift.inputs[0] ?? "", shifted: true, kind };
  return { exp, sum, input: raised, shifted: false, kind };
}

/** What the sum is for: a divisor, or the argument of a logarithm; undefined for anything else. */
function endOf(scan: Scan, sum: string): HandSoftmax["kind"] | undefined {
  const pending = [sum];
  for (let at = pending.pop(); at !== undefined; at = pending.pop())
    for (const user of scan.users(at)) {
      if (user.domain !== "") continue;
      if (user.opType === "Log") return "log-sum-exp";
      if ((user.opType === "Div" && user.inputs[1] === at) || user.opType === "Reciprocal") return "softmax";
      const passes = ["Cast", "Identity", "Expand", "Unsqueeze", "Squeeze", "Reshape", "Max", "Clip"].includes(user.opType);
      const guarded = user.opType === "Add" && scan.isConstant(scan.other(user, at));
      if ((passes && pending.length < 20) || guarded) pending.push(user.outputs[0] ?? "");
    }
  return undefined;
}
