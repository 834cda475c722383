import { describe, expect, test } from "vitest";
import { layerNormParts } from "./norm-parts.js";
import { kindsOf, Sketch, spellings, valueLayers } from "./testing/sketch.js";

const last = { axes: [-1], keepdims: 1 };

interface Form {
  readonly name: string;
  readonly kind: "layer-norm" | "rms-norm";
  /** Writes the normalization of x without scale and bias and returns its output. */
  readonly write: (g: Sketch, x: string) => string;
  /** Nodes of the form. */
  readonly nodes: number;
}

const centre = (g: Sketch, x: string) => g.op("Sub", [x, g.op("ReduceMean", [x], last)]);
const deviation = (g: Sketch, d: string) => g.op("Sqrt", [g.op("Add", [g.op("ReduceMean", [g.op("Pow", [d, 2])], last), 1e-12])]);

const forms: readonly Form[] = [
  {
    name: "the form of PyTorch: Pow, ReduceMean, Sqrt, Div",
    kind: "layer-norm",
    nodes: 7,
    write: (g, x) => {
      const d = centre(g, x);
      return g.op("Div", [d, deviation(g, d)]);
    },
  },
  {
    name: "the square as a product",
    kind: "layer-norm",
    nodes: 7,
    write: (g, x) => {
      const d = centre(g, x);
      const variance = g.op("ReduceMean", [g.op("Mul", [d, d])], last);
      return g.op("Div", [d, g.op("Sqrt", [g.op("Add", [variance, 1e-12])])]);
    },
  },
  {
    name: "the difference computed twice",
    kind: "layer-norm",
    nodes: 8,
    write: (g, x) => {
      const mean = g.op("ReduceMean", [x], last);
      const squares = g.op("Pow", [g.op("Sub", [x, mean]), 2]);
      const variance = g.op("ReduceMean", [squares], last);
      return g.op("Div", [g.op("Sub", [x, mean]), g.op("Sqrt", [g.op("Add", [variance, 1e-12])])]);
    },
  },
  {
    name: "Reciprocal and Mul in place of Div",
    kind: "layer-norm",
    nodes: 8,
    write: (g, x) => {
      const d = centre(g, x);
      return g.op("Mul", [d, g.op("Reciprocal", [deviation(g, d)])]);
    },
  },
  {
    name: "an exponent of minus one half",
    kind: "layer-norm",
    nodes: 7,
    write: (g, x) => {
      const d = centre(g, x);
      const variance = g.op("ReduceMean", [g.op("Pow", [d, 2])], last);
      return g.op("Mul", [d, g.op("Pow", [g.op("Add", [variance, 1e-12]), -0.5])]);
    },
  },
  {
    name: "casts in between",
    kind: "layer-norm",
    nodes: 10,
    write: (g, x) => {
      const d = centre(g, g.op("Cast", [x], { to: 1 }));
      const s = g.op("Cast", [deviation(g, g.op("Cast", [d], { to: 1 }))], { to: 1 });
      return g.op("Div", [d, s]);
    },
  },
  {
    name: "the variance as a difference of means, clamped and broadcast",
    kind: "layer-norm",
    nodes: 16,
    write: (g, x) => {
      const mean = g.op("Mul", [g.op("ReduceSum", [x, g.ints(-1)]), 0.125]);
      const meanOfSquares = g.op("Mul", [g.op("ReduceSum", [g.op("Mul", [x, x]), g.ints(-1)]), 0.125]);
      const variance = g.op("Max", [g.op("Sub", [meanOfSquares, g.op("Mul", [mean, mean])]), 0]);
      const shape = g.op("Shape", [x]);
      const s = g.op("Sqrt", [g.op("Add", [g.op("Expand", [g.op("Reshape", [variance, shape]), shape]), 1e-12])]);
      return g.op("Mul", [g.op("Sub", [x, g.op("Reshape", [mean, shape])]), g.op("Reciprocal", [s])]);
    },
  },
  {
    name: "an RMSNorm",
    kind: "rms-norm",
    nodes: 5,
    write: (g, x) => g.op("Div", [x, deviation(g, x)]),
  },
  {
    name: "an RMSNorm as Llama writes it",
    kind: "rms-norm",
    nodes: 6,
    write: (g, x) => g.op("Mul", [x, g.op("Div", [1, deviation(g, x)])]),
  },
];

describe.each(spellings)("normalizations written out, constants as $constants, operands swapped: $swapped", (spelling) => {
  test.each(forms)("$name is one layer with its scale and bias", async ({ write, kind, nodes }) => {
    const g = new Sketch(spelling);
    const x = g.op("Exp", [g.input("in")]);
    const scaled = g.op("Mul", [write(g, x), g.weight("scale", [8])]);
    g.output(g.op("Sigmoid", [g.op("Add", [scaled, g.weight("bias", [8])])]));
    const listed = await g.layers();
    expect(kindsOf(listed)).toEqual(["operator", kind, "activation"]);
    const [, norm] = valueLayers(listed);
    if (norm === undefined) throw new Error("no layer");
    expect(norm.nodes).toHaveLength(nodes + 2);
    expect(norm.inputs).toEqual([x]);
    expect(norm.weights).toEqual(expect.arrayContaining(["scale", "bias"]));
    expect(norm.title).toContain(`decomposed, ${nodes + 2} nodes`);
    const parts = layerNormParts(listed.view, norm);
    expect(parts?.epsilon?.value).toBeCloseTo(1e-12, 20);
    expect(parts?.epsilon?.tensor).toMatch(/^const_/);
    expect(["Pow", "Mul"]).toContain(listed.view.producer.get(parts?.square ?? "")?.opType);
    expect(listed.view.consumers.get(parts?.variance ?? "")?.some((u) => u.node.opType === "Add")).toBe(true);
  });

  test.each(forms)("$name needs no scale and no bias", async ({ write, kind, nodes }) => {
    const g = new Sketch(spelling);
    g.output(g.op("Sigmoid", [write(g, g.input("in"))]));
    const listed = await g.layers();
    expect(kindsOf(listed)).toEqual([kind, "activation"]);
    expect(valueLayers(listed)[0]?.nodes).toHaveLength(nodes);
  });

  test("the form of Keras, x f + (bias - mean f), is one layer", async () => {
    const g = new Sketch(spelling);
    const x = g.input("in");
    const mean = g.op("ReduceMean", [x], last);
    const d = g.op("Sub", [x, mean]);
    const variance = g.op("ReduceMean", [g.op("Mul", [d, d])], last);
    const f = g.op("Mul", [g.op("Reciprocal", [g.op("Sqrt", [g.op("Add", [variance, 1e-3])])]), g.weight("scale", [8])]);
    const shift = g.op("Sub", [g.weight("bias", [8]), g.op("Mul", [mean, f])]);
    g.output(g.op("Relu", [g.op("Add", [g.op("Mul", [x, f]), shift])]));
    const listed = await g.layers();
    expect(kindsOf(listed)).toEqual(["layer-norm", "activation"]);
    expect(valueLayers(listed)[0]?.nodes).toHaveLength(12);
  });
});

test("an RMSNorm's own input added behind it stays a layer of its own", async () => {
  const g = new Sketch();
  const x = g.input("in");
  g.output(g.op("Add", [g.op("Mul", [g.op("Div", [x, deviation(g, x)]), g.weight("scale", [8])]), x]));
  expect(kindsOf(await g.layers())).toEqual(["rms-norm", "residual-add"]);
});

test("a cast that others read too stays outside", async () => {
  const g = new Sketch();
  const x = g.op("Cast", [g.input("in", 10)], { to: 1 });
  const d = centre(g, x);
  g.output(g.op("Div", [d, deviation(g, d)]), g.op("Exp", [x]));
  expect(kindsOf(await g.layers())).toEqual(["cast", "layer-norm", "operator"]);
});

test("a variance that is an output of the graph ends the pattern", async () => {
  const g = new Sketch();
  const d = centre(g, g.input("in"));
  const variance = g.op("ReduceMean", [g.op("Pow", [d, 2])], last);
  g.output(g.op("Div", [d, g.op("Sqrt", [g.op("Add", [variance, 1e-5])])]), variance);
  expect(kindsOf(await g.layers())).not.toContain("layer-norm");
});

test("the length of a complex number is no normalization", async () => {
  const g = new Sketch();
  const [re, im] = [g.input("re"), g.input("im")];
  g.output(g.op("Div", [re, g.op("Sqrt", [g.op("Add", [g.op("Mul", [re, re]), g.op("Mul", [im, im])])])]));
  expect(kindsOf(await g.layers())).not.toContain("rms-norm");
});

describe("normalizations that are one node", () => {
  test.each([
    ["LayerNormalization", "", "layer-norm", 1e-5],
    ["SkipLayerNormalization", "com.microsoft", "layer-norm", 1e-12],
    ["RMSNormalization", "", "rms-norm", 1e-5],
    ["SimplifiedLayerNormalization", "", "rms-norm", 1e-5],
    ["SkipSimplifiedLayerNormalization", "com.microsoft", "rms-norm", 1e-5],
  ] as const)("%s (%s) is a %s; its epsilon is an attribute", async (opType, domain, kind, standard) => {
    for (const epsilon of [undefined, 3e-7]) {
      const g = new Sketch();
      const attributes = epsilon === undefined ? {} : { epsilon: { float: epsilon } };
      g.output(g.op(opType, [g.input("in"), g.weight("scale", [8])], attributes, { domain }));
      const { view, layers } = await g.layers();
      expect(layers.map((l) => l.kind)).toEqual([kind]);
      const parts = layers[0] && layerNormParts(view, layers[0]);
      expect(parts).toEqual({ input: "in", epsilon: { value: expect.closeTo(epsilon ?? standard, 12) } });
    }
  });
});

test("layers of other kinds have no normalization parts", async () => {
  const g = new Sketch();
  g.output(g.op("Relu", [g.input("in")]));
  const { view, layers } = await g.layers();
  expect(layers.map((l) => layerNormParts(view, l))).toEqual([undefined]);
});
