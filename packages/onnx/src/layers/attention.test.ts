import { describe, expect, test } from "vitest";
import { softmaxParts } from "./softmax-parts.js";
import { kindsOf, type Listed, Sketch, spellings, valueLayers } from "./testing/sketch.js";

const softmaxOf = ({ view, layers }: Listed) => {
  const layer = layers.find((l) => l.kind === "softmax");
  if (layer === undefined) throw new Error("no softmax");
  return { layer, parts: softmaxParts(view, layer) };
};
const products = (g: Sketch, between: (scores: string) => string) => {
  const scores = g.op("MatMul", [g.input("q"), g.input("k")]);
  g.output(g.op("MatMul", [between(scores), g.input("v")]));
  return scores;
};

describe.each(spellings)("attention, constants as $constants, operands swapped: $swapped", (spelling) => {
  test("a softmax takes scale and mask along, and names the products around it", async () => {
    const g = new Sketch(spelling);
    const mask = g.op("Mul", [g.op("Sub", [1, g.op("Cast", [g.op("Unsqueeze", [g.input("m", 7), g.ints(1)])], { to: 1 })]), -10000]);
    const scores = products(g, (s) => g.op("Softmax", [g.op("Add", [g.op("Div", [s, 8]), mask])]));
    const listed = await g.layers();
    expect(kindsOf(listed)).toEqual(["cast", "operator", "operator", "attention-scores", "softmax", "attention-context"]);
    const { layer, parts } = softmaxOf(listed);
    expect(layer.title).toBe("Softmax (with scale and mask)");
    expect(layer.operators).toEqual(["Div", "Add", "Softmax"]);
    expect(parts).toMatchObject({ input: scores, mask, maskConstants: [{ value: -10000 }] });
    expect(parts?.maskConstants[0]?.tensor).toMatch(/^const_/);
  });

  test("a Where masks as well, in front of the softmax or in front of an addition", async () => {
    for (const added of [false, true]) {
      const g = new Sketch(spelling);
      const keep = g.input("keep", 9);
      products(g, (s) => g.op("Softmax", [added ? g.op("Add", [s, g.op("Where", [keep, 0, -3e38])]) : g.op("Where", [keep, s, -3e38])]));
      const { layer, parts } = softmaxOf(await g.layers());
      expect(layer.title).toBe("Softmax (with mask)");
      expect(parts?.maskConstants.map((c) => c.value)).toEqual([expect.closeTo(-3e38, -32)]);
    }
  });

  test("a mask that is subtracted counts with its positive constant", async () => {
    const g = new Sketch(spelling);
    const keep = g.input("keep");
    products(g, (s) => g.op("Softmax", [g.op("Sub", [g.op("Mul", [s, keep]), g.op("Mul", [g.op("Sub", [1, keep]), 10000])])]));
    const { layer, parts } = softmaxOf(await g.layers());
    expect(layer.operators).toEqual(["Mul", "Sub", "Softmax"]);
    expect(parts?.maskConstants.map((c) => c.value)).toEqual([10000]);
  });

  test("scales on the operands belong to the product", async () => {
    const g = new Sketch(spelling);
    const scores = g.op("MatMul", [g.op("Mul", [g.input("q"), 0.5]), g.op("Mul", [g.input("k"), 0.5])]);
    g.output(g.op("MatMul", [g.op("Softmax", [scores]), g.input("v")]));
    const listed = await g.layers();
    expect(kindsOf(listed)).toEqual(["attention-scores", "softmax", "attention-context"]);
    expect(valueLayers(listed)[0]?.operators).toEqual(["Mul", "Mul", "MatMul"]);
  });

  test("the repair of rows that are masked as a whole belongs to the softmax", async () => {
    const g = new Sketch(spelling);
    products(g, (s) => {
      const p = g.op("Softmax", [s]);
      return g.op("Where", [g.op("IsNaN", [p]), 0, p]);
    });
    const listed = await g.layers();
    expect(kindsOf(listed)).toEqual(["attention-scores", "softmax", "attention-context"]);
    expect(softmaxOf(listed).layer.operators).toEqual(["Softmax", "IsNaN", "Where"]);
  });

  test("infinite masks from a filled tensor are found", async () => {
    const g = new Sketch(spelling);
    const fill = g.op("ConstantOfShape", [g.input("size", 7, [4])], { value: { fill: Number.NEGATIVE_INFINITY } });
    products(g, (s) => g.op("Softmax", [g.op("Add", [s, g.op("Trilu", [fill])])]));
    expect(softmaxOf(await g.layers()).parts?.maskConstants).toEqual([
      { tensor: fill, value: Number.NEGATIVE_INFINITY, multiplied: false },
    ]);
  });

  test("a softmax written out is one layer", async () => {
    const g = new Sketch(spelling);
    products(g, (s) => {
      const e = g.op("Exp", [g.op("Sub", [s, g.op("ReduceMax", [s], { axes: [-1] })])]);
      return g.op("Div", [e, g.op("ReduceSum", [e, g.ints(-1)])]);
    });
    const listed = await g.layers();
    expect(kindsOf(listed)).toEqual(["attention-scores", "softmax", "attention-context"]);
    expect(softmaxOf(listed).layer.title).toBe("Softmax (decomposed, 5 nodes)");
  });
});

test("two products added before a softmax are both scores, and their sum is no mask", async () => {
  const g = new Sketch();
  const position = g.op("MatMul", [g.input("q2"), g.input("r")]);
  products(g, (s) => g.op("Softmax", [g.op("Add", [s, position])]));
  const listed = await g.layers();
  expect(kindsOf(listed).toSorted()).toEqual(["attention-context", "attention-scores", "attention-scores", "operator", "softmax"]);
  expect(softmaxOf(listed).parts?.maskConstants).toEqual([]);
});

test("a scale that others read too stays outside of the softmax", async () => {
  const g = new Sketch();
  products(g, (s) => {
    const scaled = g.op("Div", [s, 8]);
    g.output(scaled);
    return g.op("Softmax", [scaled]);
  });
  expect(softmaxOf(await g.layers()).layer.operators).toEqual(["Softmax"]);
});

test("a classifier's bias stays with its linear layer, and its softmax makes no attention", async () => {
  const g = new Sketch();
  const logits = g.op("Add", [g.op("MatMul", [g.input("in"), g.weight("w", [8, 4])]), g.weight("b", [4])]);
  g.consume(g.op("Softmax", [logits]));
  expect(kindsOf(await g.layers())).toEqual(["linear", "softmax", "operator"]);
});

test.each([
  ["Attention", ""],
  ["Attention", "com.microsoft"],
  ["MultiHeadAttention", "com.microsoft"],
  ["GroupQueryAttention", "com.microsoft"],
])("the node %s (%s) is an attention", async (opType, domain) => {
  const g = new Sketch();
  g.output(g.op(opType, [g.input("q"), g.input("k"), g.input("v")], {}, { domain }));
  expect(kindsOf(await g.layers())).toEqual(["attention"]);
});

test("layers without a softmax have no softmax parts", async () => {
  const g = new Sketch();
  g.output(g.op("Relu", [g.input("in")]));
  const { view, layers } = await g.layers();
  expect(layers.map((l) => softmaxParts(view, l))).toEqual([undefined]);
});
