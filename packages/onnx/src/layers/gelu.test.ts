import { describe, expect, test } from "vitest";
import { kindsOf, Sketch, spellings, valueLayers } from "./testing/sketch.js";

type Write = (g: Sketch, x: string) => string;
const erf = (g: Sketch, x: string) => g.op("Add", [g.op("Erf", [g.op("Div", [x, Math.SQRT2])]), 1]);
const cubic = (g: Sketch, x: string) => g.op("Mul", [g.op("Pow", [x, 3]), 0.044715]);
const tanh = (g: Sketch, x: string, cube = cubic(g, x)) =>
  g.op("Add", [g.op("Tanh", [g.op("Mul", [g.op("Add", [x, cube]), 0.7978845608])]), 1]);

const forms: readonly [string, Write][] = [
  ["x (1 + erf) 0.5", (g, x) => g.op("Mul", [g.op("Mul", [x, erf(g, x)]), 0.5])],
  ["(0.5 x) (1 + erf)", (g, x) => g.op("Mul", [g.op("Mul", [x, 0.5]), erf(g, x)])],
  ["x (0.5 (1 + erf))", (g, x) => g.op("Mul", [x, g.op("Mul", [erf(g, x), 0.5])])],
  ["x (1 + erf) / 2", (g, x) => g.op("Div", [g.op("Mul", [x, erf(g, x)]), 2])],
  [
    "erf of x times the reciprocal",
    (g, x) => g.op("Mul", [g.op("Mul", [x, g.op("Add", [g.op("Erf", [g.op("Mul", [x, Math.SQRT1_2])]), 1])]), 0.5]),
  ],
  [
    "the root of two computed in the graph",
    (g, x) => {
      const e = g.op("Erf", [g.op("Div", [x, g.op("Sqrt", [2])])]);
      return g.op("Mul", [x, g.op("Mul", [g.op("Add", [e, 1]), 0.5])]);
    },
  ],
  ["tanh with Pow", (g, x) => g.op("Mul", [g.op("Mul", [x, 0.5]), tanh(g, x)])],
  [
    "tanh with products",
    (g, x) => {
      const cube = g.op("Mul", [x, g.op("Mul", [x, g.op("Mul", [x, 0.044715])])]);
      return g.op("Mul", [x, g.op("Mul", [tanh(g, x, cube), 0.5])]);
    },
  ],
  ["x sigmoid(1.702 x)", (g, x) => g.op("Mul", [x, g.op("Sigmoid", [g.op("Mul", [x, 1.702])])])],
];

describe.each(spellings)("GELU written out, constants as $constants, operands swapped: $swapped", (spelling) => {
  test.each(forms)("%s is one layer", async (_name, write) => {
    const g = new Sketch(spelling);
    const x = g.op("Exp", [g.input("in")]);
    g.output(g.op("Exp", [write(g, x)]));
    const listed = await g.layers();
    const layers = valueLayers(listed).filter((l) => l.operators[0] !== "Sqrt");
    expect(layers.map((l) => l.kind)).toEqual(["operator", "gelu", "operator"]);
    expect(layers[1]?.inputs).toEqual([x]);
  });
});

test.each([
  [
    "a divisor that is not the root of two",
    (g: Sketch, x: string) => g.op("Mul", [g.op("Mul", [x, g.op("Add", [g.op("Erf", [g.op("Div", [x, 2])]), 1])]), 0.5]),
  ],
  ["a factor that is not one half", (g: Sketch, x: string) => g.op("Mul", [g.op("Mul", [x, erf(g, x)]), 0.25])],
  ["another factor than the argument", (g: Sketch, x: string) => g.op("Mul", [g.op("Mul", [g.op("Cos", [x]), erf(g, x)]), 0.5])],
  [
    "a tanh gate without the cubic term",
    (g: Sketch, x: string) => g.op("Mul", [g.op("Mul", [x, 0.5]), g.op("Add", [g.op("Tanh", [x]), 1])]),
  ],
  ["a steeper sigmoid", (g: Sketch, x: string) => g.op("Mul", [x, g.op("Sigmoid", [g.op("Mul", [x, 3])])])],
])("%s makes no GELU", async (_name, write) => {
  const g = new Sketch();
  g.output(write(g, g.input("in")));
  expect(kindsOf(await g.layers())).not.toContain("gelu");
});

test("an error function that somebody else reads too ends the pattern", async () => {
  const g = new Sketch();
  const x = g.input("in");
  const sum = erf(g, x);
  g.output(g.op("Mul", [g.op("Mul", [x, sum]), 0.5]), g.op("Exp", [sum]));
  expect(kindsOf(await g.layers())).not.toContain("gelu");
});

test.each([
  ["Gelu", ""],
  ["FastGelu", "com.microsoft"],
  ["BiasGelu", "com.microsoft"],
  ["QuickGelu", "com.microsoft"],
])("the node %s (%s) is a GELU", async (opType, domain) => {
  const g = new Sketch();
  g.output(g.op(opType, [g.input("in")], {}, { domain }));
  expect(kindsOf(await g.layers())).toEqual(["gelu"]);
});
