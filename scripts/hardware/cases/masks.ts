/** Mask constants in front of a Softmax, and attentions that overflow before they are scaled. */
import { bell, CaseGraph, type HazardCase } from "./case-graph.js";

const [heads, length, size] = [8, 64, 64];

interface AttentionOptions {
  /** Fills masked places. */
  constant?: number;
  /** `where` selects it, `mul` multiplies (1 - mask) by it. */
  form?: "where" | "mul";
  /** A causal mask of the same constant is added to the padding mask. */
  twice?: boolean;
  /** Some rows may see nothing. */
  emptyRows?: boolean;
  /** Queries and keys as multiples of unit variance. */
  magnitude?: number;
  /** Divide the queries before the product instead of the scores behind it. */
  scaleFirst?: boolean;
}

/** Attention in single nodes: products, scale, mask, Softmax, context. */
export function attention({
  constant,
  form = "where",
  twice = false,
  emptyRows = false,
  magnitude = 1,
  scaleFirst = false,
}: AttentionOptions): CaseGraph {
  const g = new CaseGraph();
  const n = heads * length * size;
  const scaled = (name: string) =>
    g.input(
      name,
      [1, heads, length, size],
      bell(name, n).map((v) => v * magnitude),
    );
  const [query, key] = [scaled("query"), scaled("key")];
  const value = g.input("value", [1, heads, length, size], bell("value", n));
  const root = g.constant("root", [], Math.sqrt(size));
  const left = scaleFirst ? g.node("scaled-query", "Div", [query, root]) : query;
  const products = g.node("products", "MatMul", [left, g.node("keys", "Transpose", [key], { perm: [0, 1, 3, 2] })]);
  let scores = scaleFirst ? products : g.node("scaled", "Div", [products, root]);
  if (constant !== undefined) {
    const fill = g.constant("fill", [], constant);
    let mask: string;
    if (form === "where") {
      const dims = emptyRows ? [1, 1, length, length] : [1, 1, 1, length];
      const count = emptyRows ? length * length : length;
      const seen = Array.from({ length: count }, (_, i) => (emptyRows && i < 8 * length ? false : i % length < 48));
      mask = g.node("mask", "Where", [g.flags("seen", dims, seen), g.constant("zero", [], 0), fill]);
    } else {
      const ones = g.input(
        "seen",
        [1, 1, 1, length],
        Float32Array.from({ length }, (_, i) => (i < 48 ? 1 : 0)),
      );
      mask = g.node("mask", "Mul", [g.node("inverted", "Sub", [g.constant("one", [], 1), ones]), fill]);
    }
    scores = g.node("masked", "Add", [scores, mask]);
    if (twice) {
      const causal = Array.from({ length: length * length }, (_, i) => i % length <= Math.floor(i / length));
      const triangle = g.node("causal", "Where", [g.flags("before", [1, 1, length, length], causal), g.constant("nothing", [], 0), fill]);
      const both = g.node("both", "Add", [mask, triangle]);
      scores = g.node("masked-twice", "Add", [scores, both]);
    }
  }
  const weights = g.node("weights", "Softmax", [scores], { axis: -1 });
  g.node("context", "MatMul", [weights, value]);
  g.output("context", [1, heads, length, size]);
  return g;
}

const word = (x: number): string =>
  x === Number.NEGATIVE_INFINITY ? "-inf" : x < -1e38 ? "-3.4e38" : x === -65504 ? "-65504" : `-1e${Math.round(Math.log10(-x))}`;
const lowest = -3.4028234663852886e38;

const single: HazardCase[] = [-1e4, -65504, -1e9, lowest, Number.NEGATIVE_INFINITY].map((constant) => ({
  id: `mask${word(constant)}`,
  group: "mask",
  title: `mask of ${word(constant)} chosen by Where, Softmax behind`,
  constantsMatter: constant < -65504,
  make: () => attention({ constant }),
}));
const multiplied: HazardCase[] = [-1e4, -1e9, lowest].map((constant) => ({
  id: `mask-multiplied${word(constant)}`,
  group: "mask",
  title: `(1 - mask) times ${word(constant)}, Softmax behind`,
  constantsMatter: constant < -65504,
  make: () => attention({ constant, form: "mul" }),
}));
const twoMasks: HazardCase[] = [-1e4, -65504, lowest].map((constant) => ({
  id: `two-masks${word(constant)}`,
  group: "mask",
  title: `two masks of ${word(constant)} added, Softmax behind`,
  constantsMatter: constant < -65504,
  make: () => attention({ constant, twice: true }),
}));
const emptyRows: HazardCase[] = [-1e4, -65504, -1e9].map((constant) => ({
  id: `mask-empty-rows${word(constant)}`,
  group: "mask",
  title: `mask of ${word(constant)}, some rows see nothing`,
  constantsMatter: constant < -65504,
  make: () => attention({ constant, emptyRows: true }),
}));

export const maskCases: readonly HazardCase[] = [
  ...single,
  ...multiplied,
  ...twoMasks,
  ...emptyRows,
  { id: "attention-plain", group: "attention", title: "attention in single nodes, nothing unusual", make: () => attention({}) },
  {
    id: "attention-large-scores",
    group: "attention",
    title: "attention whose products pass 65504 before they are divided",
    make: () => attention({ magnitude: 80 }),
  },
  {
    id: "attention-large-scores-scaled-first",
    group: "attention",
    title: "attention with such products, the queries divided before them",
    make: () => attention({ magnitude: 80, scaleFirst: true }),
  },
];
