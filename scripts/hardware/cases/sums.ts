/** Long sums of positive numbers, and sums that leave the range though their result does not. */
import { bell, CaseGraph, type HazardCase, uniform } from "./case-graph.js";

const rows = 8;

/** Uniform numbers for rows of any length: the first 8,192 made, then repeated with a shift, so that 65,536 columns cost little. */
function positive(name: string, count: number, scale = 1): Float32Array {
  const base = uniform(name, Math.min(count, 8192));
  return Float32Array.from({ length: count }, (_, i) => scale * (base[(i * 5 + Math.floor(i / 8192)) % base.length] ?? 0));
}

function reduction(opType: string, k: number, scale: number): CaseGraph {
  const g = new CaseGraph();
  const x = g.input("x", [rows, k], positive("x", rows * k, scale));
  if (opType === "ReduceSum") g.node("y", opType, [x, g.shape("axes", [1])], { keepdims: 0 });
  else g.node("y", opType, [x], { axes: [1], keepdims: 0 });
  g.output("y", [rows]);
  return g;
}

/** All values positive: nothing cancels, so the accumulator grows to the result. `weights`: the right side is a constant. */
function product(k: number, { scale = 1, weights = true }: { scale?: number; weights?: boolean } = {}): CaseGraph {
  const g = new CaseGraph();
  const columns = 64;
  const a = g.input("a", [64, k], positive("a", 64 * k));
  const values = positive("b", k * columns, scale / 64);
  const b = weights ? g.constant("b", [k, columns], values) : g.input("b", [k, columns], values);
  g.node("y", "MatMul", [a, b]);
  g.output("y", [64, columns]);
  return g;
}

function pooled(): CaseGraph {
  const g = new CaseGraph();
  g.node("y", "GlobalAveragePool", [g.input("x", [1, 16, 192, 192], positive("x", 16 * 192 * 192, 8))]);
  g.output("y", [1, 16, 1, 1]);
  return g;
}

/** Numbers near 300 whose squares do not fit, though the root of their sum does. */
function norm2(): CaseGraph {
  const g = new CaseGraph();
  const x = g.input(
    "x",
    [rows, 64],
    bell("x", rows * 64).map((v) => 300 + 10 * v),
  );
  g.node("y", "ReduceL2", [x], { axes: [1], keepdims: 0 });
  g.output("y", [rows]);
  return g;
}

function cumulative(): CaseGraph {
  // Before opset 14 CumSum takes no FP16.
  const g = new CaseGraph(14);
  g.node("y", "CumSum", [g.input("x", [rows, 8192], positive("x", rows * 8192)), g.shape("axis", [1])]);
  g.output("y", [rows, 8192]);
  return g;
}

const lengths = [1024, 4096, 16384, 65536] as const;
const text = (k: number) => k.toLocaleString("en-US");

export const sumCases: readonly HazardCase[] = [
  ...lengths.map((k) => ({
    id: `reduce-sum-${k}`,
    group: "long sum",
    title: `ReduceSum of ${text(k)} numbers in [0, 1)`,
    make: () => reduction("ReduceSum", k, 1),
  })),
  ...lengths.map((k) => ({
    id: `reduce-mean-${k}`,
    group: "long sum",
    title: `ReduceMean of ${text(k)} numbers in [0, 1)`,
    make: () => reduction("ReduceMean", k, 1),
  })),
  {
    id: "reduce-mean-hidden-overflow",
    group: "long sum",
    title: "ReduceMean of 65,536 numbers in [0, 8): their sum is 262,144",
    make: () => reduction("ReduceMean", 65536, 8),
  },
  {
    id: "average-pool-hidden-overflow",
    group: "long sum",
    title: "GlobalAveragePool over 192 x 192 numbers in [0, 8): their sum is 147,456",
    make: pooled,
  },
  { id: "reduce-l2-300", group: "long sum", title: "ReduceL2 of 64 numbers near 300: squares do not fit, the root does", make: norm2 },
  { id: "cumulative-sum-8192", group: "long sum", title: "CumSum over 8,192 numbers in [0, 1)", make: cumulative },
  ...lengths.map((k) => ({
    id: `product-${k}`,
    group: "long product",
    title: `MatMul by a weight, K = ${text(k)}, all values positive`,
    make: () => product(k),
  })),
  {
    id: "product-activations-16384",
    group: "long product",
    title: "MatMul of two activations, K = 16,384, all values positive",
    make: () => product(16384, { weights: false }),
  },
];
