import type { Node } from "../types.js";
import type { Recogniser } from "./claims.js";
import type { Scan } from "./scan.js";

/** Recognises GELU written out: with Erf, with Tanh, or as x * sigmoid(1.702 x). */
export const recogniseGelus: Recogniser = (scan, claims) => {
  for (const node of scan.view.order) {
    if (claims.has(node) || node.domain !== "") continue;
    const match = node.opType === "Erf" ? matchErf(scan, node) : node.opType === "Tanh" ? matchTanh(scan, node) : matchQuick(scan, node);
    if (match === undefined) continue;
    const { form, output, nodes } = match;
    claims.take({ kind: "gelu", title: `GELU (${form}, ${nodes.size} nodes)`, nodes, main: scan.producer(output) ?? node }, output);
  }
};

interface GeluMatch {
  readonly form: "erf" | "tanh" | "sigmoid";
  readonly output: string;
  readonly nodes: ReadonlySet<Node>;
}

function matchErf(scan: Scan, erf: Node): GeluMatch | undefined {
  const scaled = scan.made(scan.back(erf.inputs[0] ?? "").tensor, "Div", "Mul");
  const [a = "", b] = scaled?.inputs ?? [];
  if (scaled === undefined) return undefined;
  const input =
    scaled.opType === "Div"
      ? scan.isScalar(b, Math.SQRT2) && a
      : scan.isScalar(b, Math.SQRT1_2)
        ? a
        : scan.isScalar(a, Math.SQRT1_2) && (b ?? "");
  if (!input) return undefined;
  const tail = matchTail(scan, erf, input);
  return (
    tail && { form: "erf", output: tail.output, nodes: new Set([...scan.back(erf.inputs[0] ?? "").nodes, scaled, erf, ...tail.nodes]) }
  );
}

function matchTanh(scan: Scan, tanh: Node): GeluMatch | undefined {
  const start = tanh.inputs[0] ?? "";
  // What is multiplied in the end must be what the argument is a polynomial of.
  for (const input of tailOperands(scan, tanh)) {
    const argument = polynomialOf(scan, start, input);
    const tail = argument && matchTail(scan, tanh, input);
    if (argument && tail) return { form: "tanh", output: tail.output, nodes: new Set([...argument, tanh, ...tail.nodes]) };
  }
  return undefined;
}

function matchQuick(scan: Scan, sigmoid: Node): GeluMatch | undefined {
  if (sigmoid.opType !== "Sigmoid") return undefined;
  const scaled = scan.made(sigmoid.inputs[0], "Mul");
  const input = scaled?.inputs.find((t) => !scan.isConstant(t));
  const gate = scan.onlyUserOf(sigmoid.outputs[0], "Mul");
  if (scaled === undefined || input === undefined || gate === undefined) return undefined;
  if (!scaled.inputs.some((t) => scan.isScalar(t, 1.702)) || scan.other(gate, sigmoid.outputs[0] ?? "") !== input) return undefined;
  return { form: "sigmoid", output: gate.outputs[0] ?? "", nodes: new Set([scaled, sigmoid, gate]) };
}

/** (1 + f) times input times one half, in any grouping. */
function matchTail(scan: Scan, f: Node, input: string): { output: string; nodes: readonly Node[] } | undefined {
  const plusOne = afterPlusOne(scan, f);
  if (plusOne === undefined) return undefined;
  const nodes = [...plusOne.nodes];
  let at = plusOne.tensor;
  let seen = { half: false, input: false };
  while (!seen.half || !seen.input) {
    const walk = scan.forward(at);
    const node = scan.onlyUserOf(walk.tensor, "Mul", "Div");
    const operand = node && scan.other(node, walk.tensor);
    if (node === undefined || operand === undefined) return undefined;
    if (!seen.half && isHalf(scan, node, walk.tensor)) seen = { ...seen, half: true };
    else if (node.opType === "Mul" && !seen.input && scan.source(operand) === scan.source(input)) seen = { ...seen, input: true };
    else if (node.opType === "Mul" && !seen.half && !seen.input) {
      const halved = halfOf(scan, operand);
      if (halved === undefined || scan.source(halved.input) !== scan.source(input)) return undefined;
      nodes.push(halved.node);
      seen = { half: true, input: true };
    } else return undefined;
    nodes.push(...walk.nodes, node);
    at = node.outputs[0] ?? "";
  }
  return { output: at, nodes };
}

function afterPlusOne(scan: Scan, f: Node): { tensor: string; nodes: readonly Node[] } | undefined {
  const walk = scan.forward(f.outputs[0] ?? "");
  const sum = scan.onlyUserOf(walk.tensor, "Add");
  if (sum === undefined || !scan.isScalar(scan.other(sum, walk.tensor), 1)) return undefined;
  return { tensor: sum.outputs[0] ?? "", nodes: [...walk.nodes, sum] };
}

const isHalf = (scan: Scan, node: Node, tensor: string): boolean =>
  node.opType === "Mul" ? scan.isScalar(scan.other(node, tensor), 0.5) : node.inputs[0] === tensor && scan.isScalar(node.inputs[1], 2);

function halfOf(scan: Scan, tensor: string): { input: string; node: Node } | undefined {
  const node = scan.made(tensor, "Mul", "Div");
  const input = node?.inputs.find((t) => !scan.isConstant(t));
  return node !== undefined && input !== undefined && isHalf(scan, node, input) ? { input, node } : undefined;
}

/** Tensors that the tail multiplies with: candidates for the input of the GELU. */
function tailOperands(scan: Scan, f: Node): string[] {
  const found: string[] = [];
  let at = afterPlusOne(scan, f)?.tensor;
  for (let i = 0; i < 2 && at !== undefined; i++) {
    const walk = scan.forward(at);
    const node = scan.onlyUserOf(walk.tensor, "Mul", "Div");
    const operand = node && scan.other(node, walk.tensor);
    if (operand !== undefined && !scan.isConstant(operand)) {
      const half = halfOf(scan, operand);
      if (half !== undefined) found.push(half.input);
      found.push(operand);
    }
    at = node?.outputs[0];
  }
  return found;
}

const geluConstants = [0.7978845608, 0.044715, 0.0356774];

/** Nodes that compute a polynomial of `input` and constants; undefined when anything else flows in or none of GELU's constants does. */
function polynomialOf(scan: Scan, tensor: string, input: string): readonly Node[] | undefined {
  const nodes = new Set<Node>();
  const pending = [tensor];
  let typical = false;
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (at === input) continue;
    const constant = scan.constant(at);
    if (constant !== undefined) {
      const { scalar } = constant;
      typical ||= scalar !== undefined && geluConstants.some((c) => Math.abs(c - scalar) < 1e-3);
      continue;
    }
    const node = scan.made(at, "Mul", "Add", "Pow", "Cast", "Identity");
    if (node === undefined || nodes.size >= 10) return undefined;
    nodes.add(node);
    pending.push(...node.inputs);
  }
  return typical ? [...nodes] : undefined;
}
