import { elementCount } from "@halfscope/core";
import type { Node } from "../types.js";
import type { Claims, Recogniser } from "./claims.js";
import { type Constant, isOneElement } from "./constants.js";
import type { Scan } from "./scan.js";

/** What a normalization that is written as many nodes consists of. */
export interface NormMatch {
  readonly kind: "layer-norm" | "rms-norm";
  readonly nodes: ReadonlySet<Node>;
  readonly input: string;
  readonly output: string;
  /** Tensor of the squares; undefined where one operator squares and sums. */
  readonly square: string | undefined;
  readonly variance: string;
  readonly epsilon: Constant;
  readonly main: Node;
}

/** Recognises normalizations by the square root of a variance plus epsilon. */
export const recogniseNorms: Recogniser = (scan, claims) => {
  for (const node of scan.view.order) {
    if (claims.has(node)) continue;
    const match = matchNorm(scan, node);
    if (match !== undefined) claimNorm(match, claims);
  }
};

function claimNorm(match: NormMatch, claims: Claims): void {
  const name = match.kind === "layer-norm" ? "LayerNormalization" : "RMSNorm";
  const { kind, nodes, main } = match;
  claims.take({ kind, nodes, main, title: `${name} (decomposed, ${nodes.size} nodes)` }, match.output);
}

/** The variance side of a normalization. */
interface Statistics {
  readonly input: string;
  /** The mean that is subtracted; undefined for an RMSNorm. */
  readonly mean: string | undefined;
  readonly square: string | undefined;
  readonly variance: string;
  readonly epsilon: Constant;
  readonly nodes: Set<Node>;
}

/** Matches the pattern whose square root is `anchor`: Sqrt, or Pow with an exponent of plus or minus one half. */
export function matchNorm(scan: Scan, anchor: Node): NormMatch | undefined {
  if (anchor.domain !== "") return undefined;
  const inverted = anchor.opType === "Pow" && scan.constant(anchor.inputs[1])?.scalar === -0.5;
  const root = anchor.opType === "Sqrt" || inverted || (anchor.opType === "Pow" && scan.constant(anchor.inputs[1])?.scalar === 0.5);
  if (!root || scan.isConstant(anchor.inputs[0])) return undefined;
  const statistics = matchStatistics(scan, anchor.inputs[0] ?? "");
  if (statistics === undefined) return undefined;
  const { nodes, input } = statistics;
  nodes.add(anchor);
  const deviation = scan.forward(anchor.outputs[0] ?? "", "shapes");
  add(nodes, deviation.nodes);
  const normalized = matchQuotient(scan, statistics, deviation.tensor, inverted);
  if (normalized === undefined) return undefined;
  const output = normalized.complete ? normalized.tensor : matchScaleAndBias(scan, normalized, nodes);
  includeLeadingCast(scan, input, nodes);
  const main = scan.producer(output) ?? anchor;
  const kind = statistics.mean === undefined ? "rms-norm" : "layer-norm";
  return { kind, nodes, input, output, main, square: statistics.square, variance: statistics.variance, epsilon: statistics.epsilon };
}

function matchStatistics(scan: Scan, tensor: string): Statistics | undefined {
  const nodes = new Set<Node>();
  const start = scan.back(tensor, "shapes");
  add(nodes, start.nodes);
  const sum = scan.made(start.tensor, "Add");
  const [a = "", b = ""] = sum?.inputs ?? [];
  const epsilonTensor = scan.isAnyScalar(b) ? b : scan.isAnyScalar(a) ? a : undefined;
  const epsilon = scan.constant(epsilonTensor);
  if (sum === undefined || epsilon === undefined) return undefined;
  nodes.add(sum);
  const variance = epsilonTensor === b ? a : b;
  let at = variance;
  // Exporters clamp a variance that is computed as a difference.
  for (;;) {
    const walk = scan.back(at, "shapes");
    add(nodes, walk.nodes);
    at = walk.tensor;
    const clamp = scan.made(at, "Max", "Relu", "Clip");
    const inner = clamp?.inputs.find((t) => t !== "" && !scan.isConstant(t));
    if (clamp === undefined || inner === undefined) break;
    nodes.add(clamp);
    at = inner;
  }
  const found = matchMeanOfSquare(scan, at) ?? matchDifferenceOfSquares(scan, at);
  if (found === undefined) return undefined;
  add(nodes, found.nodes);
  return { ...found, variance, epsilon, nodes };
}

interface MeanOfSquare {
  readonly input: string;
  readonly mean: string | undefined;
  readonly square: string | undefined;
  readonly nodes: readonly Node[];
}

/** mean((x - mean(x))^2), or mean(x^2). */
function matchMeanOfSquare(scan: Scan, tensor: string): MeanOfSquare | undefined {
  const outer = matchMean(scan, tensor);
  if (outer === undefined) return undefined;
  const squared = outer.squares ? { base: outer.of, node: undefined } : matchSquare(scan, outer.of);
  if (squared === undefined) return undefined;
  const nodes = [...outer.nodes, ...(squared.node === undefined ? [] : [squared.node])];
  const square = squared.node?.outputs[0];
  const centred = matchCentred(scan, squared.base);
  if (centred === undefined) return { input: squared.base, mean: undefined, square, nodes };
  return { input: centred.input, mean: centred.mean, square, nodes: [...nodes, ...centred.nodes] };
}

/** mean(x^2) - mean(x)^2. */
function matchDifferenceOfSquares(scan: Scan, tensor: string): MeanOfSquare | undefined {
  const difference = scan.made(tensor, "Sub");
  const outer = difference && matchMean(scan, difference.inputs[0] ?? "");
  const squared = outer && matchSquare(scan, outer.of);
  const meanSquared = difference && matchSquare(scan, scan.back(difference.inputs[1] ?? "", "shapes").tensor);
  const mean = meanSquared && scan.source(meanSquared.base);
  const inner = mean === undefined ? undefined : matchMean(scan, mean);
  if (!difference || !outer || !squared?.node || !meanSquared?.node || mean === undefined || inner === undefined) return undefined;
  if (scan.source(inner.of) !== scan.source(squared.base)) return undefined;
  const nodes = [difference, ...outer.nodes, squared.node, meanSquared.node, ...inner.nodes];
  return { input: squared.base, mean, square: squared.node.outputs[0], nodes };
}

/** A mean: ReduceMean, or a sum times or over a constant. `squares`: the operator squares what it sums. */
function matchMean(scan: Scan, tensor: string): { of: string; squares: boolean; nodes: readonly Node[] } | undefined {
  const walk = scan.back(tensor, "shapes");
  const node = scan.made(walk.tensor, "ReduceMean", "Mul", "Div");
  if (node === undefined) return undefined;
  const [a = "", b] = node.inputs;
  if (node.opType === "ReduceMean") return { of: a, squares: false, nodes: [...walk.nodes, node] };
  const summed = scan.isAnyScalar(b) ? a : node.opType === "Mul" && scan.isAnyScalar(a) ? (b ?? "") : undefined;
  const between = summed === undefined ? undefined : scan.back(summed, "shapes");
  const sum = scan.made(between?.tensor, "ReduceSum", "ReduceSumSquare");
  if (sum === undefined || between === undefined) return undefined;
  return { of: sum.inputs[0] ?? "", squares: sum.opType === "ReduceSumSquare", nodes: [...walk.nodes, node, ...between.nodes, sum] };
}

function matchSquare(scan: Scan, tensor: string): { base: string; node: Node } | undefined {
  const walk = scan.back(tensor);
  const node = scan.made(walk.tensor, "Pow", "Mul");
  const [a = "", b = ""] = node?.inputs ?? [];
  if (node === undefined || scan.isConstant(a)) return undefined;
  return (node.opType === "Pow" ? scan.isScalar(b, 2) : a === b) ? { base: a, node } : undefined;
}

/** x - mean(x), and its parts. */
function matchCentred(scan: Scan, tensor: string): { input: string; mean: string; nodes: readonly Node[] } | undefined {
  const walk = scan.back(tensor);
  const node = scan.made(walk.tensor, "Sub");
  if (node === undefined) return undefined;
  const [input = "", subtracted = ""] = node.inputs;
  const between = scan.back(subtracted, "shapes");
  const mean = matchMean(scan, between.tensor);
  if (mean === undefined || scan.source(mean.of) !== scan.source(input)) return undefined;
  return { input, mean: between.tensor, nodes: [...walk.nodes, node, ...between.nodes, ...mean.nodes] };
}

interface Normalized {
  readonly tensor: string;
  /** The scale is in already. */
  readonly scale: Constant | undefined;
  /** Scale and bias are in already. */
  readonly complete: boolean;
}

/** From the standard deviation (or its reciprocal) to the normalized values; adds the nodes that it passes. */
function matchQuotient(scan: Scan, s: Statistics, deviation: string, inverted: boolean): Normalized | undefined {
  const { nodes } = s;
  let factor = deviation;
  let scale: Constant | undefined;
  if (!inverted) {
    const divide = scan.onlyUserOf(deviation, "Div", "Reciprocal");
    if (divide === undefined) return undefined;
    const [numerator = "", denominator] = divide.inputs;
    if (divide.opType === "Div" && denominator !== deviation) return undefined;
    nodes.add(divide);
    factor = divide.outputs[0] ?? "";
    if (divide.opType === "Div" && !scan.isScalar(numerator, 1))
      return includeNumerator(scan, s, numerator) ? { tensor: factor, scale, complete: false } : undefined;
  }
  for (;;) {
    const walk = scan.forward(factor, "shapes");
    add(nodes, walk.nodes);
    factor = walk.tensor;
    const multiply = scan.onlyUserOf(factor, "Mul");
    const operand = multiply && scan.other(multiply, factor);
    if (multiply === undefined || operand === undefined)
      return scale === undefined && s.mean === undefined ? undefined : matchExpanded(scan, s, factor, scale);
    nodes.add(multiply);
    const product = multiply.outputs[0] ?? "";
    const constant = scan.constant(operand);
    if (constant !== undefined && scale === undefined) {
      scale = constant;
      factor = product;
    } else return includeNumerator(scan, s, operand) ? { tensor: product, scale, complete: false } : undefined;
  }
}

/** Checks that what is divided is the centred input, or the input itself for an RMSNorm; some exporters compute the difference twice. */
function includeNumerator(scan: Scan, s: Statistics, tensor: string): boolean {
  if (s.mean === undefined) return scan.source(tensor) === scan.source(s.input);
  const centred = matchCentred(scan, tensor);
  if (centred === undefined || scan.source(centred.mean) !== scan.source(s.mean) || scan.source(centred.input) !== scan.source(s.input))
    return false;
  add(s.nodes, centred.nodes);
  return true;
}

/** The form of Keras: x * f + (bias - mean * f) with f = scale / deviation; or x * f - mean * f. */
function matchExpanded(scan: Scan, s: Statistics, factor: string, scale: Constant | undefined): Normalized | undefined {
  if (s.mean === undefined || scan.view.graphOutputs.has(factor)) return undefined;
  const products = scan.users(factor);
  if (products.length !== 2 || products.some((p) => p.opType !== "Mul" || p.domain !== "")) return undefined;
  const operandSource = (p: Node) => scan.source(scan.other(p, factor) ?? "");
  const ofMean = products.find((p) => operandSource(p) === scan.source(s.mean ?? ""));
  const ofInput = products.find((p) => operandSource(p) === scan.source(s.input));
  if (ofMean === undefined || ofInput === undefined || ofMean === ofInput) return undefined;
  add(s.nodes, [ofMean, ofInput]);
  add(s.nodes, scan.back(scan.other(ofMean, factor) ?? "", "shapes").nodes);
  const shift = scan.onlyUserOf(ofMean.outputs[0], "Sub", "Neg");
  if (shift === undefined) return undefined;
  s.nodes.add(shift);
  const result = shift.outputs[0] ?? "";
  if (shift.inputs[0] === ofInput.outputs[0]) return { tensor: result, scale, complete: false };
  if (shift.opType === "Sub" && !scan.isConstant(shift.inputs[0])) return undefined;
  const sum = scan.onlyUserOf(result, "Add");
  if (sum === undefined || scan.other(sum, result) !== ofInput.outputs[0]) return undefined;
  s.nodes.add(sum);
  return { tensor: sum.outputs[0] ?? "", scale, complete: shift.opType === "Sub" };
}

function matchScaleAndBias(scan: Scan, normalized: Normalized, nodes: Set<Node>): string {
  let { tensor, scale } = normalized;
  const next = (opType: "Mul" | "Add", fits: (c: Constant) => boolean): Constant | undefined => {
    const walk = scan.forward(tensor);
    const node = scan.onlyUserOf(walk.tensor, opType);
    const constant = node && scan.constant(scan.other(node, walk.tensor));
    if (node === undefined || constant === undefined || !fits(constant)) return undefined;
    add(nodes, [...walk.nodes, node]);
    tensor = node.outputs[0] ?? "";
    return constant;
  };
  scale ??= next("Mul", (c) => !isOneElement(c));
  const size = (c: Constant | undefined) => (c?.dims === undefined ? undefined : elementCount(c.dims));
  const expected = size(scale);
  if (scale !== undefined) next("Add", (c) => size(c) === undefined || expected === undefined || size(c) === expected);
  return tensor;
}

/** A cast that only this normalization reads belongs to it: exporters write it to compute in FP32. */
function includeLeadingCast(scan: Scan, input: string, nodes: Set<Node>): void {
  const cast = scan.made(input, "Cast");
  if (cast === undefined || scan.view.graphOutputs.has(input) || !scan.mayBeFloat(cast.inputs[0] ?? "")) return;
  if (scan.users(input).every((user) => nodes.has(user))) nodes.add(cast);
}

const add = (nodes: Set<Node>, more: Iterable<Node>): void => {
  for (const node of more) nodes.add(node);
};
