/** Kinds of layers that halfscope recognises; everything else is `operator`. */
export type LayerKind =
  | "layer-norm" // LayerNormalization node, or its decomposition, or SkipLayerNormalization
  | "rms-norm"
  | "softmax" // with preceding scale and mask
  | "attention" // a fused attention node
  | "attention-scores" // the product of queries and keys
  | "attention-context" // the product of probabilities and values
  | "embedding" // Gather on an initializer
  | "linear" // MatMul or Gemm with a weight, with its bias
  | "matmul" // product of two activations that is not part of an attention
  | "convolution" // with bias and activation
  | "gelu"
  | "activation" // Relu, Sigmoid, Tanh, Erf ... on their own
  | "residual-add"
  | "pooling"
  | "output-head" // what produces a graph output, from the last linear layer on
  | "mover" // changes no value: Reshape, Transpose, Slice ...
  | "shape" // integer and boolean arithmetic: no float output
  | "cast"
  | "control-flow" // If, Loop, Scan, and calls of local functions: reported as one layer
  | "operator";

/** What a person calls a layer: one node, or the nodes of one recognised pattern. */
export interface Layer {
  /** Unique and stable: the block path and a name, or the first output's name. Used in overrides. */
  id: string;
  kind: LayerKind;
  /** For instance `encoder/layer.3/attention`; empty when nothing tells. */
  blockPath: string;
  /** How a person would call it, for instance "LayerNormalization (decomposed)". */
  title: string;
  /** Indices into the graph's node list, ascending. Every node belongs to exactly one layer. */
  nodes: readonly number[];
  /** Operator types of the nodes, in the same order. */
  operators: readonly string[];
  /** Tensors that come from outside the layer (activations only), and those it gives to others or to the graph's outputs. */
  inputs: readonly string[];
  outputs: readonly string[];
  /** Float initializers that its nodes read. */
  weights: readonly string[];
}

export type HazardCode =
  | "weight-overflow" // a weight or constant beyond the FP16 range
  | "weight-underflow" // a considerable share of a weight's norm is below the FP16 range
  | "mask-constant" // a large negative constant that reaches a Softmax
  | "mask-sum" // masks that are added and together leave the FP16 range
  | "epsilon-underflow" // an epsilon that FP16 rounds to zero or to a subnormal number
  | "decomposed-layer-norm" // the square inside overflows from 256 on
  | "decomposed-softmax" // exp, sum and quotient as nodes: exp overflows from 11.09 on where no maximum is subtracted
  | "range-overflow" // the reference itself comes near 65504 or passes it
  | "hidden-overflow" // what an operator squares, raises or sums inside leaves the FP16 range, though its output does not
  | "small-divisor" // what is divided by, or what a logarithm is taken of, comes near zero
  | "inexact-positions" // integers or angles so large that FP16 numbers lie too far apart
  | "inexact-coordinates" // sizes and places in images that FP16 moves
  | "long-reduction" // so many addends that a sum kept in FP16 would stall
  | "inner-state" // a recurrent state that no FP16 measurement sees
  | "no-half-form" // operators that stay in FP32 whatever is pinned
  | "engine-fallback"; // nodes that a real engine runs in another precision, or on another device, than was asked for
export type Severity = "error" | "warning" | "info";

/** A static or range-based reason why FP16 may fail here. */
export interface Hazard {
  code: HazardCode;
  severity: Severity;
  layer: string;
  tensor: string;
  /** One sentence with the numbers that show it. */
  evidence: string;
  /** What to do about it, best first. */
  fix: string;
  /** Numbers behind the sentence. */
  values: Readonly<Record<string, number>>;
  /** The library that said so, with its version; absent where halfscope found it itself. */
  source?: string;
}

/** The block that a path belongs to: `encoder/layer.3/attention/self` to `encoder/layer.3`, up to the first part that carries a number. */
export function topBlock(blockPath: string): string {
  const parts = blockPath.split("/");
  const numbered = parts.findIndex((p) => /\d/.test(p));
  return parts.slice(0, numbered < 0 ? 1 : numbered + 1).join("/");
}
