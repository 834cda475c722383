import type { Node } from "../types.js";
import type { Claims, Recogniser } from "./claims.js";
import { isProduct } from "./linear.js";
import type { Scan } from "./scan.js";

/** What belongs to one softmax: the scaling and masking of what it reads, and the repair of rows that are masked as a whole. */
export interface SoftmaxMatch {
  readonly nodes: ReadonlySet<Node>;
  readonly softmax: Node;
  /** What the pattern reads: scores before scale and mask. */
  readonly input: string;
  readonly output: string;
  readonly scaled: boolean;
  /** Tensors that mask: added, subtracted, multiplied, or the two other operands of a Where. */
  readonly masks: readonly MaskOperand[];
}

export interface MaskOperand {
  readonly tensor: string;
  /** Large positive values mask, because the operand is subtracted. */
  readonly subtracted: boolean;
}

const softmaxOperators = new Set(["Softmax", "LogSoftmax"]);

/** Recognises softmaxes with scale and mask, and the products of an attention around them. */
export const recogniseAttentions: Recogniser = (scan, claims) => {
  for (const node of scan.view.order) {
    if (claims.has(node) || node.domain !== "") continue;
    if (softmaxOperators.has(node.opType))
      claimSoftmax(
        scan,
        claims,
        matchSoftmax(scan, node, (n) => claims.has(n)),
      );
    else if (node.opType === "Exp") claimDecomposedSoftmax(scan, claims, node);
  }
};

function claimSoftmax(scan: Scan, claims: Claims, match: SoftmaxMatch): void {
  const { nodes, softmax, output, scaled, masks } = match;
  const parts = [...(scaled ? ["scale"] : []), ...(masks.length > 0 ? ["mask"] : [])].join(" and ");
  const title = `${softmax.opType}${parts === "" ? "" : ` (with ${parts})`}`;
  if (!claims.take({ kind: "softmax", title, nodes, main: softmax }, output)) claims.single(softmax, "softmax", softmax.opType);
  claimProducts(scan, claims, match.input, output);
}

/** The products before and behind a softmax. */
function claimProducts(scan: Scan, claims: Claims, input: string, output: string): void {
  for (const node of productsBefore(scan, input)) {
    if (claims.has(node)) continue;
    const scales = node.inputs.flatMap((t) => scaleOf(scan, t) ?? []);
    const title = `Attention scores (${node.opType}${scales.length > 0 ? " with scaled operands" : ""})`;
    const result = node.outputs[0] ?? "";
    if (scales.length > 0 && claims.take({ kind: "attention-scores", title, nodes: new Set([...scales, node]), main: node }, result))
      continue;
    claims.take({ kind: "attention-scores", title: `Attention scores (${node.opType})`, nodes: new Set([node]), main: node }, result);
  }
  for (const node of productsBehind(scan, output)) {
    if (claims.has(node)) continue;
    const title = `Attention context (${node.opType})`;
    claims.take({ kind: "attention-context", title, nodes: new Set([node]), main: node }, node.outputs[0] ?? "");
  }
}

/** Multiplication by a constant right before a product, which nobody else reads. */
function scaleOf(scan: Scan, tensor: string): Node | undefined {
  const node = scan.made(tensor, "Mul", "Div");
  if (node === undefined || scan.onlyUser(tensor) === undefined) return undefined;
  return scan.isAnyScalar(node.inputs[1]) || (node.opType === "Mul" && scan.isAnyScalar(node.inputs[0])) ? node : undefined;
}

/** Operators between a product and its softmax. */
const between = new Set([
  "Add",
  "Sub",
  "Mul",
  "Div",
  "Where",
  "Cast",
  "Identity",
  "Reshape",
  "Squeeze",
  "Unsqueeze",
  "Transpose",
  "Expand",
  "Slice",
  "Concat",
  "Gather",
  "GatherElements",
  "Clip",
  "Tanh",
  "Neg",
]);
const isActivationProduct = (scan: Scan, node: Node): boolean =>
  (isProduct(node) && !scan.isConstant(node.inputs[0]) && !scan.isConstant(node.inputs[1])) ||
  (node.domain === "" && node.opType === "Einsum" && node.inputs.length === 2 && node.inputs.every((t) => !scan.isConstant(t)));

/** Products of two activations that a tensor is made of, through scaling, masking and moving. */
function productsBefore(scan: Scan, tensor: string): Node[] {
  const found: Node[] = [];
  const seen = new Set<string>();
  const pending = [tensor];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (seen.has(at) || seen.size > 60) continue;
    seen.add(at);
    const node = scan.producer(at);
    if (node === undefined || scan.isConstant(at) || !scan.mayBeFloat(at)) continue;
    if (isActivationProduct(scan, node)) found.push(node);
    else if (node.domain === "" && between.has(node.opType)) pending.push(...node.inputs);
  }
  return found;
}

function productsBehind(scan: Scan, tensor: string): Node[] {
  const found: Node[] = [];
  const pending = [tensor];
  const seen = new Set<string>();
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (seen.has(at) || seen.size > 12) continue;
    seen.add(at);
    for (const node of scan.users(at)) {
      if (isActivationProduct(scan, node)) found.push(node);
      else if (node.domain === "" && movesProbabilities.has(node.opType) && node.inputs[0] === at) pending.push(...node.outputs);
    }
  }
  return found;
}
const movesProbabilities = new Set(["Cast", "Identity", "Dropout", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Slice"]);

/** Collects a softmax's scale, mask and repair. `taken`: nodes that other layers hold already. */
export function matchSoftmax(scan: Scan, softmax: Node, taken: (node: Node) => boolean): SoftmaxMatch {
  const nodes = new Set([softmax]);
  const masks: MaskOperand[] = [];
  let scaled = false;
  let input = softmax.inputs[0] ?? "";
  const leads = (tensor: string) => productsBefore(scan, tensor).length > 0;
  let moved: Node[] = [];
  for (let at = input; ; ) {
    const node = scan.producer(at);
    if (node === undefined || taken(node) || node.domain !== "" || scan.onlyUser(at) === undefined || scan.isConstant(at)) break;
    const step = stepBefore(scan, node, leads);
    if (step === undefined) break;
    if (step.moves) moved.push(node);
    else {
      for (const n of [...moved, node]) nodes.add(n);
      moved = [];
      masks.push(...step.masks);
      scaled ||= step.scales;
      input = step.from;
    }
    at = step.from;
  }
  const repaired = matchRepair(scan, softmax, nodes);
  return { nodes, softmax, input, output: repaired ?? softmax.outputs[0] ?? "", scaled, masks };
}

interface Step {
  readonly from: string;
  readonly masks: readonly MaskOperand[];
  readonly scales: boolean;
  readonly moves: boolean;
}

/** One operator before a softmax, seen from behind: where the scores come from, and what masks or scales them. */
function stepBefore(scan: Scan, node: Node, leads: (tensor: string) => boolean): Step | undefined {
  const [a = "", b = "", c = ""] = node.inputs;
  const masked = (from: string, ...tensors: string[]): Step => ({
    from,
    masks: tensors.map((tensor) => ({ tensor, subtracted: node.opType === "Sub" })),
    scales: false,
    moves: false,
  });
  switch (node.opType) {
    case "Cast":
    case "Identity":
    case "Reshape":
    case "Squeeze":
    case "Unsqueeze":
      return scan.isConstant(a) ? undefined : { from: a, masks: [], scales: false, moves: true };
    case "Div":
      return scan.isAnyScalar(b) ? { from: a, masks: [], scales: true, moves: false } : undefined;
    case "Mul":
      if (scan.isAnyScalar(b)) return { from: a, masks: [], scales: true, moves: false };
      if (scan.isAnyScalar(a)) return { from: b, masks: [], scales: true, moves: false };
      return leads(a) && !leads(b) ? masked(a, b) : leads(b) && !leads(a) ? masked(b, a) : undefined;
    case "Add":
      // Two products added (a relative position bias): neither is a mask, so the pattern ends here.
      return leads(a) && !leads(b) ? masked(a, b) : leads(b) && !leads(a) ? masked(b, a) : undefined;
    case "Sub":
      return leads(a) && !leads(b) ? masked(a, b) : undefined;
    case "Where":
      return leads(b) && !leads(c) ? masked(b, c, a) : leads(c) && !leads(b) ? masked(c, b, a) : undefined;
    default:
      return undefined;
  }
}

/** Where(IsNaN(p), 0, p) behind the softmax, as PyTorch writes it for rows without any key. Returns its output. */
function matchRepair(scan: Scan, softmax: Node, nodes: Set<Node>): string | undefined {
  const result = softmax.outputs[0] ?? "";
  const users = scan.users(result);
  const check = users.find((u) => u.domain === "" && u.opType === "IsNaN");
  const choose = check && scan.onlyUserOf(check.outputs[0], "Where");
  if (check === undefined || choose === undefined || scan.view.graphOutputs.has(result)) return undefined;
  if (users.some((u) => u !== check && u !== choose) || choose.inputs[2] !== result || !scan.isAnyScalar(choose.inputs[1]))
    return undefined;
  nodes.add(check);
  nodes.add(choose);
  return choose.outputs[0];
}

/** exp(x - max(x)) / sum(exp(x - max(x))), with or without the maximum. */
function claimDecomposedSoftmax(scan: Scan, claims: Claims, exp: Node): void {
  const powers = exp.outputs[0] ?? "";
  if (scan.view.graphOutputs.has(powers)) return;
  const users = scan.users(powers);
  const sum = users.find((u) => u.domain === "" && u.opType === "ReduceSum");
  const divide = users.find((u) => u.domain === "" && u.opType === "Div" && u.inputs[0] === powers);
  if (sum === undefined || divide === undefined || users.length !== 2) return;
  const divisor = scan.back(divide.inputs[1] ?? "", "shapes");
  if (divisor.tensor !== sum.outputs[0]) return;
  const nodes = new Set([exp, sum, ...divisor.nodes, divide]);
  let input = exp.inputs[0] ?? "";
  const shift = scan.made(input, "Sub");
  if (shift !== undefined) {
    const maximum = maximumBehind(scan, shift.inputs[1] ?? "");
    if (maximum !== undefined && scan.source(maximum.of) === scan.source(shift.inputs[0] ?? "")) {
      for (const n of [shift, ...maximum.nodes]) nodes.add(n);
      input = shift.inputs[0] ?? "";
    }
  }
  const output = divide.outputs[0] ?? "";
  const title = `Softmax (decomposed, ${nodes.size} nodes)`;
  if (claims.take({ kind: "softmax", title, nodes, main: divide }, output)) claimProducts(scan, claims, input, output);
}

/** The tensor whose maximum this is, through casts, reshapes and a Max with a constant; undefined when it is none. */
export function maximumBehind(scan: Scan, tensor: string): { of: string; nodes: readonly Node[] } | undefined {
  const nodes: Node[] = [];
  for (let at = tensor; ; ) {
    const walk = scan.back(at, "shapes");
    nodes.push(...walk.nodes);
    const node = scan.made(walk.tensor, "ReduceMax", "Max");
    const inner = node?.inputs.find((t) => t !== "" && !scan.isConstant(t));
    if (node === undefined || inner === undefined) return undefined;
    nodes.push(node);
    if (node.opType === "ReduceMax") return { of: inner, nodes };
    at = inner;
  }
}
