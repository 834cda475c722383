/** Softmax by hand, powers, divisions by next to nothing, weights beyond the range, positions. */
import { bell, CaseGraph, type HazardCase, uniform } from "./case-graph.js";

const [rows, width] = [32, 256];
const dims = [rows, width];
const normal = (scale: number) => bell("x", rows * width).map((v) => v * scale);
/** Both signs, magnitudes up to `peak`. */
const spread = (peak: number) => uniform("x", rows * width).map((v) => (2 * v - 1) * peak);

function softmaxByHand(peak: number, subtract: boolean): CaseGraph {
  const g = new CaseGraph();
  const x = g.input("x", dims, spread(peak));
  const shifted = subtract ? g.node("shifted", "Sub", [x, g.node("largest", "ReduceMax", [x], { axes: [-1], keepdims: 1 })]) : x;
  const exp = g.node("exp", "Exp", [shifted]);
  g.node("y", "Div", [exp, g.node("sum", "ReduceSum", [exp, g.shape("axes", [-1])], { keepdims: 1 })]);
  g.output("y", dims);
  return g;
}

/** One input, a chain of nodes with a scalar each, one output. */
function chain(values: Float32Array, steps: readonly (readonly [opType: string, scalar?: number])[]): CaseGraph {
  const g = new CaseGraph();
  let x = g.input("x", dims, values);
  steps.forEach(([opType, scalar], i) => {
    const last = i === steps.length - 1;
    const inputs = scalar === undefined ? [x] : [x, g.constant(`scalar-${i}`, [], scalar)];
    x = g.node(last ? "y" : `${opType.toLowerCase()}-${i}`, opType, inputs);
  });
  g.output("y", dims);
  return g;
}

/** a / (b + epsilon) where b holds zeros and a = b / 2. */
function quotient(epsilon: number): CaseGraph {
  const g = new CaseGraph();
  const b = uniform("b", rows * width).map((v, i) => (i % 7 === 0 ? 0 : 0.01 + v));
  const divisor = g.node("divisor", "Add", [g.input("b", dims, b), g.constant("epsilon", [], epsilon)]);
  const dividend = g.input(
    "a",
    dims,
    b.map((v) => v / 2),
  );
  g.node("y", "Div", [dividend, divisor]);
  g.output("y", dims);
  return g;
}

/** exp(-x) / 2 / exp(-x), x to 20: both sides next to nothing. */
function vanishing(): CaseGraph {
  const g = new CaseGraph();
  const e = g.node("e", "Exp", [
    g.node("negated", "Neg", [
      g.input(
        "x",
        dims,
        uniform("x", rows * width).map((v) => 20 * v),
      ),
    ]),
  ]);
  g.node("y", "Div", [g.node("half", "Mul", [e, g.constant("one-half", [], 0.5)]), e]);
  g.output("y", dims);
  return g;
}

function geluTanh(): CaseGraph {
  const g = new CaseGraph();
  const x = g.input("x", dims, spread(60));
  const cube = g.node("cube", "Pow", [x, g.constant("three", [], 3)]);
  const inner = g.node("inner", "Add", [x, g.node("cubic", "Mul", [cube, g.constant("c", [], 0.044715)])]);
  const tanh = g.node("tanh", "Tanh", [g.node("scaled", "Mul", [inner, g.constant("root", [], Math.sqrt(2 / Math.PI))])]);
  const gate = g.node("gate", "Add", [tanh, g.constant("one", [], 1)]);
  g.node("y", "Mul", [g.node("half", "Mul", [x, g.constant("one-half", [], 0.5)]), gate]);
  g.output("y", dims);
  return g;
}

/** x W, and back to the size of 1 by factors that fit. */
function weighted(magnitude: number, input: number, back: readonly number[]): CaseGraph {
  const g = new CaseGraph();
  const x = g.input("x", dims, normal(input));
  let y = g.node(back.length === 0 ? "y" : "product", "MatMul", [
    x,
    g.constant(
      "weight",
      [width, width],
      bell("weight", width * width).map((v) => v * magnitude),
    ),
  ]);
  back.forEach((factor, i) => {
    y = g.node(i === back.length - 1 ? "y" : `back-${i}`, "Mul", [y, g.constant(`factor-${i}`, [], factor)]);
  });
  g.output("y", dims);
  return g;
}

function embedding(): CaseGraph {
  const g = new CaseGraph();
  const table = g.constant(
    "table",
    [1000, width],
    bell("table", 1000 * width).map((v) => v * 0.04),
  );
  const rowsOf = g.node("rows", "Gather", [
    table,
    g.integers(
      "ids",
      [rows],
      Array.from({ length: rows }, (_, i) => (i * 37) % 1000),
    ),
  ]);
  g.node("y", "Mul", [rowsOf, g.constant("scale", [], 16)]);
  g.output("y", dims);
  return g;
}

/** Angles of a rotary embedding: positions to 4,095 times falling frequencies, then a sine. */
function positions(): CaseGraph {
  const g = new CaseGraph();
  const count = 64;
  const places = g.integers(
    "places",
    [count, 1],
    Array.from({ length: count }, (_, i) => 4095 - 7 * i),
  );
  const frequency = Float32Array.from({ length: 32 }, (_, i) => 10000 ** (-i / 32));
  const angle = g.node("angle", "Mul", [g.node("float", "Cast", [places], { to: 1 }), g.constant("frequency", [1, 32], frequency)]);
  g.node("y", "Sin", [angle]);
  g.output("y", [count, 32]);
  return g;
}

export const functionCases: readonly HazardCase[] = [
  {
    id: "softmax-by-hand-12",
    group: "softmax",
    title: "Exp, ReduceSum, Div of numbers to 12: exp(12) = 162,755",
    make: () => softmaxByHand(12, false),
  },
  {
    id: "softmax-by-hand-10",
    group: "softmax",
    title: "Exp, ReduceSum, Div of numbers to 10: exp fits, the sum of 256 does not",
    make: () => softmaxByHand(10, false),
  },
  {
    id: "softmax-by-hand-shifted",
    group: "softmax",
    title: "Exp, ReduceSum, Div of numbers to 1000, the largest subtracted first",
    make: () => softmaxByHand(1000, true),
  },
  { id: "softmax-node-1000", group: "softmax", title: "Softmax node, numbers to 1000", make: () => chain(spread(1000), [["Softmax"]]) },
  { id: "square-300", group: "power", title: "Pow 2 then Sqrt, numbers to 300", make: () => chain(spread(300), [["Pow", 2], ["Sqrt"]]) },
  {
    id: "cube-50",
    group: "power",
    title: "Pow 3 then times 1e-5, numbers to 50",
    make: () =>
      chain(spread(50), [
        ["Pow", 3],
        ["Mul", 1e-5],
      ]),
  },
  { id: "gelu-tanh-60", group: "power", title: "GELU by tanh written out, numbers to 60: the cube does not fit", make: geluTanh },
  {
    id: "softplus-by-hand-12",
    group: "power",
    title: "log(1 + exp(x)), numbers to 12",
    make: () => chain(spread(12), [["Exp"], ["Add", 1], ["Log"]]),
  },
  { id: "division-epsilon-1e-5", group: "small divisor", title: "a / (b + 1e-5), both 0 in places", make: () => quotient(1e-5) },
  { id: "division-epsilon-1e-8", group: "small divisor", title: "a / (b + 1e-8), both 0 in places", make: () => quotient(1e-8) },
  { id: "division-of-vanishing", group: "small divisor", title: "exp(-x) / 2 over exp(-x), x to 20", make: vanishing },
  {
    id: "logarithm-1e-10",
    group: "small divisor",
    title: "log(x + 1e-10), x 0 in places",
    make: () =>
      chain(
        uniform("x", rows * width).map((v, i) => (i % 7 === 0 ? 0 : v)),
        [["Add", 1e-10], ["Log"]],
      ),
  },
  {
    id: "reciprocal-small",
    group: "small divisor",
    title: "1 / x, x down to 1e-5: results to 1e5",
    make: () =>
      chain(
        uniform("x", rows * width).map((v, i) => (i % 50 === 0 ? 1e-5 : 0.01 + v)),
        [["Reciprocal"], ["Mul", 1e-3]],
      ),
  },
  {
    id: "weights-subnormal",
    group: "weights",
    title: "weights near 1e-6, results times 1e3 twice",
    make: () => weighted(1e-6, 10, [1e3, 1e2]),
  },
  {
    id: "weights-underflow",
    group: "weights",
    title: "weights near 1e-9, results times 1e3 three times",
    make: () => weighted(1e-9, 100, [1e3, 1e3, 10]),
  },
  {
    id: "weights-overflow",
    group: "weights",
    constantsMatter: true,
    title: "weights near 1e5, numbers near 1e-4",
    make: () => weighted(1e5, 1e-4, []),
  },
  { id: "embedding", group: "embedding", title: "rows of a table, scaled", make: embedding },
  { id: "positions-4095", group: "positions", title: "positions to 4,095 times frequencies, then Sin", make: positions },
];
