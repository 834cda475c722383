/** Normalizations with a large channel, with tiny epsilons, and rows without variance. */
import { bell, CaseGraph, type HazardCase } from "./case-graph.js";

const [rows, width] = [32, 512];

/** Rows of unit variance with one channel near `peak`; `constantRows` of them hold one number only. */
function rowsWith(peak: number, constantRows = 0): Float32Array {
  const x = bell("rows", rows * width);
  for (let r = 0; r < rows; r++) {
    if (r < constantRows) x.fill(0.5, r * width, (r + 1) * width);
    else if (peak > 0) x[r * width + 7] = peak * (0.98 + 0.001 * r);
  }
  return x;
}

interface NormOptions {
  peak?: number;
  constantRows?: number;
  epsilon?: number;
  /** `pow`, `mul` and `rms` are written out; `node` is the operator of opset 17. */
  form: "pow" | "mul" | "rms" | "node" | "instance";
  /** A product and a residual addition in front, as in a network. */
  inside?: boolean;
}

function norm({ peak = 0, constantRows = 0, epsilon = 1e-5, form, inside = false }: NormOptions): CaseGraph {
  const g = new CaseGraph(form === "node" ? 17 : 13);
  let x = g.input("x", [rows, width], rowsWith(peak, constantRows));
  if (inside) {
    const product = g.node("product", "MatMul", [
      x,
      g.constant(
        "weight",
        [width, width],
        bell("weight", width * width).map((v) => v * 0.001),
      ),
    ]);
    x = g.node("residual", "Add", [product, x]);
  }
  const gain = g.constant(
    "gain",
    [width],
    bell("gain", width).map((v) => 1 + 0.1 * v),
  );
  const bias = g.constant(
    "bias",
    [width],
    bell("bias", width).map((v) => 0.1 * v),
  );
  if (form === "node") g.node("y", "LayerNormalization", [x, gain, bias], { axis: -1, epsilon: { float: epsilon } });
  else if (form === "instance") {
    const channels = g.node("channels", "Reshape", [x, g.shape("by-channel", [1, rows, width])]);
    const scale = g.constant("scale", [rows], 1);
    const normed = g.node("normed", "InstanceNormalization", [channels, scale, g.constant("shift", [rows], 0)], {
      epsilon: { float: epsilon },
    });
    g.node("y", "Reshape", [normed, g.shape("by-row", [rows, width])]);
  } else {
    const mean = { axes: [-1], keepdims: 1 };
    const centred = form === "rms" ? x : g.node("centred", "Sub", [x, g.node("mean", "ReduceMean", [x], mean)]);
    const square =
      form === "mul" ? g.node("square", "Mul", [centred, centred]) : g.node("square", "Pow", [centred, g.constant("two", [], 2)]);
    const variance = g.node("variance", "ReduceMean", [square], mean);
    const deviation = g.node("deviation", "Sqrt", [g.node("with-epsilon", "Add", [variance, g.constant("epsilon", [], epsilon)])]);
    const scaled = g.node("scaled", "Mul", [g.node("normed", "Div", [centred, deviation]), gain]);
    g.node("y", "Add", [scaled, bias]);
  }
  g.output("y", [rows, width]);
  return g;
}

const peaks: HazardCase[] = [1000, 300, 200].map((peak) => ({
  id: `norm-written-out-${peak}`,
  group: "normalization",
  title: `LayerNormalization in nine nodes, one channel near ${peak}${peak < 256 ? " (its square fits)" : ""}`,
  make: () => norm({ peak, form: "pow" }),
}));

const epsilonWord = (epsilon: number): string => epsilon.toExponential().replace("+", "");
const epsilons: HazardCase[] = [1e-5, 1e-7, 1e-12].flatMap((epsilon) => [
  {
    id: `epsilon-${epsilonWord(epsilon)}-rows-without-variance`,
    group: "epsilon",
    title: `LayerNormalization in nine nodes, epsilon ${epsilonWord(epsilon)}, half the rows constant`,
    make: () => norm({ epsilon, constantRows: rows / 2, form: "pow" }),
  },
  {
    id: `epsilon-${epsilonWord(epsilon)}-node-rows-without-variance`,
    group: "epsilon",
    title: `LayerNormalization node, epsilon ${epsilonWord(epsilon)}, half the rows constant`,
    make: () => norm({ epsilon, constantRows: rows / 2, form: "node" }),
  },
]);

export const normCases: readonly HazardCase[] = [
  ...peaks,
  {
    id: "norm-written-out-mul-1000",
    group: "normalization",
    title: "LayerNormalization in nine nodes, squared by Mul, one channel near 1000",
    make: () => norm({ peak: 1000, form: "mul" }),
  },
  {
    id: "norm-inside-1000",
    group: "normalization",
    title: "LayerNormalization in nine nodes behind a product and a residual addition, one channel near 1000",
    make: () => norm({ peak: 1000, form: "pow", inside: true }),
  },
  {
    id: "norm-inside-300",
    group: "normalization",
    title: "LayerNormalization in nine nodes behind a product and a residual addition, one channel near 300",
    make: () => norm({ peak: 300, form: "pow", inside: true }),
  },
  {
    id: "rms-norm-1000",
    group: "normalization",
    title: "RMS normalization written out, one channel near 1000",
    make: () => norm({ peak: 1000, form: "rms" }),
  },
  {
    id: "norm-node-1000",
    group: "normalization",
    title: "LayerNormalization node of opset 17, one channel near 1000",
    make: () => norm({ peak: 1000, form: "node" }),
  },
  {
    id: "norm-node-300",
    group: "normalization",
    title: "LayerNormalization node of opset 17, one channel near 300",
    make: () => norm({ peak: 300, form: "node" }),
  },
  {
    id: "norm-node-inside-1000",
    group: "normalization",
    title: "LayerNormalization node behind a product and a residual addition, one channel near 1000",
    make: () => norm({ peak: 1000, form: "node", inside: true }),
  },
  {
    id: "instance-norm-1000",
    group: "normalization",
    title: "InstanceNormalization node, one value near 1000",
    make: () => norm({ peak: 1000, form: "instance" }),
  },
  ...epsilons,
  {
    id: "epsilon-1e-12-normal-rows",
    group: "epsilon",
    title: "LayerNormalization in nine nodes, epsilon 1e-12, every row with variance",
    make: () => norm({ epsilon: 1e-12, form: "pow" }),
  },
];
