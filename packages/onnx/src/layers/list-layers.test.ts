import { describe, expect, test } from "vitest";
import { kindsOf, Sketch, spellings, valueLayers } from "./testing/sketch.js";

describe.each(spellings)("layers with weights, constants as $constants, operands swapped: $swapped", (spelling) => {
  test("a product with a weight takes its bias along", async () => {
    const g = new Sketch(spelling);
    g.output(g.op("Relu", [g.op("Add", [g.op("MatMul", [g.op("Exp", [g.input("in")]), g.weight("w", [8, 32])]), g.weight("b", [32])])]));
    const [, linear] = valueLayers(await g.layers());
    expect(linear).toMatchObject({
      kind: "output-head",
      title: "Output head: Linear 8->32 (MatMul + bias), then Relu",
      operators: ["MatMul", "Add", "Relu"],
      weights: ["w", "b"],
    });
  });

  test.each([
    ["Identity", {}, [8, 32]],
    ["Transpose", { perm: [1, 0] }, [32, 8]],
    ["Cast", { to: 1 }, [8, 32]],
  ] as const)("a weight seen through %s is a weight", async (opType, attributes, dims) => {
    const g = new Sketch(spelling);
    const w = g.op(opType, [g.weight("w", dims)], attributes);
    g.output(
      g.op("Exp", [g.op("LSTM", [g.op("Add", [g.op("MatMul", [g.input("in"), w]), g.weight("b", [32])]), g.weight("r", [1, 4, 4])])]),
    );
    const linear = (await g.layers()).layers.find((l) => l.kind === "linear");
    expect(linear).toMatchObject({ title: "Linear 8->32 (MatMul + bias)", inputs: ["in"], weights: ["w", "b"] });
  });

  test("a convolution takes bias, batch normalization and activation along", async () => {
    const g = new Sketch(spelling);
    const x = g.input("in", 1, [1, 3, 8, 8]);
    const conv = g.op("Add", [g.op("Conv", [x, g.weight("w", [16, 3, 3, 3])]), g.weight("b", [16, 1, 1])]);
    const normalized = g.op("BatchNormalization", [conv, ...["s", "t", "m", "v"].map((n) => g.weight(n, [16]))]);
    const silu = g.op("Mul", [normalized, g.op("Sigmoid", [normalized])]);
    g.consume(silu);
    const [layer] = valueLayers(await g.layers());
    expect(layer).toMatchObject({
      kind: "convolution",
      title: "Convolution 3x3 3->16 (Conv + bias + BatchNormalization + SiLU)",
      operators: ["Conv", "Add", "BatchNormalization", "Sigmoid", "Mul"],
      outputs: [silu],
    });
  });

  test("the hard swish of older exporters is one activation", async () => {
    const write = {
      "x clip(x + 3) / 6": (g: Sketch, x: string) => g.op("Div", [g.op("Mul", [x, g.op("Clip", [g.op("Add", [x, 3]), 0, 6])]), 6]),
      "x (clip(x + 3) / 6)": (g: Sketch, x: string) => g.op("Mul", [x, g.op("Div", [g.op("Clip", [g.op("Add", [x, 3]), 0, 6]), 6])]),
      "x hardsigmoid(x)": (g: Sketch, x: string) => g.op("Mul", [x, g.op("HardSigmoid", [x])]),
    };
    for (const form of Object.values(write)) {
      const g = new Sketch(spelling);
      g.output(form(g, g.input("in")));
      expect(valueLayers(await g.layers()).map((l) => [l.kind, l.title.split(" ")[0]])).toEqual([["activation", "HardSwish"]]);
    }
  });
});

describe("linear layers and convolutions", () => {
  test("a bias behind the reshape of a tensor contraction belongs to the product", async () => {
    const g = new Sketch();
    const product = g.op("MatMul", [g.op("Reshape", [g.input("in"), g.ints(-1, 8)]), g.weight("w", [8, 32])]);
    const sum = g.op("Add", [g.op("Reshape", [product, g.ints(1, -1, 4, 8)]), g.weight("b", [4, 8])]);
    g.output(g.op("Transpose", [sum]), sum);
    expect(valueLayers(await g.layers()).map((l) => l.operators.join())).toContain("MatMul,Reshape,Add,Transpose");
  });

  test("a constant that is no vector of the right size is no bias", async () => {
    const g = new Sketch();
    const product = g.op("MatMul", [g.input("in"), g.weight("w", [8, 32])]);
    g.output(g.op("Add", [product, g.weight("positions", [16, 32])]));
    expect((await g.layers()).layers[0]?.title).not.toContain("bias");
  });

  test("a product that somebody else reads keeps its bias apart", async () => {
    const g = new Sketch();
    const product = g.op("MatMul", [g.input("in"), g.weight("w", [8, 32])]);
    g.output(g.op("Add", [product, g.weight("b", [32])]), g.op("Exp", [product]));
    expect((await g.layers()).layers.every((l) => l.nodes.length === 1 || l.kind === "output-head")).toBe(true);
  });

  test("sizes are told from weights on either side, transposed or not", async () => {
    const titleOf = async (write: (g: Sketch) => string) => {
      const g = new Sketch();
      g.consume(write(g));
      return (await g.layers()).layers[0]?.title;
    };
    expect(await titleOf((g) => g.op("Gemm", [g.input("in"), g.weight("w", [32, 8]), g.weight("b", [32])], { transB: 1 }))).toBe(
      "Linear 8->32 (Gemm + bias)",
    );
    expect(await titleOf((g) => g.op("Gemm", [g.input("in"), g.weight("w", [8, 32])]))).toBe("Linear 8->32 (Gemm)");
    expect(await titleOf((g) => g.op("MatMul", [g.weight("w", [32, 8]), g.input("in")]))).toBe("Linear 8->32 (MatMul)");
  });

  test("a quantized weight behind a DequantizeLinear is a weight", async () => {
    const g = new Sketch();
    const w = g.op("DequantizeLinear", [g.weight("w", [8, 32], 3), g.weight("scale", [])]);
    g.consume(g.op("MatMul", [g.input("in"), w]));
    expect((await g.layers()).layers.map((l) => l.kind)).toEqual(["cast", "linear", "operator"]);
  });

  test("a product of two activations outside of any attention is a matmul; rotary angles are no linear layer", async () => {
    const g = new Sketch();
    const angles = g.op("MatMul", [g.weight("frequencies", [1, 16, 1]), g.input("positions")]);
    g.output(g.op("MatMul", [g.input("a"), angles]));
    expect(kindsOf(await g.layers())).toEqual(["matmul", "matmul"]);
  });

  test("an activation behind a convolution that others read too is a layer of its own", async () => {
    const g = new Sketch();
    const conv = g.op("Conv", [g.input("in", 1, [1, 3, 8, 8]), g.weight("w", [3, 1, 5, 5])], { group: 3 });
    g.consume(g.op("Relu", [conv]), conv);
    const layers = valueLayers(await g.layers());
    expect(layers.map((l) => l.kind)).toEqual(["convolution", "activation", "operator", "operator"]);
    expect(layers[0]?.title).toBe("Depthwise convolution 5x5 3 (Conv)");
  });
});

describe("residual adds", () => {
  const block = (g: Sketch, x: string) => g.op("MatMul", [g.op("Tanh", [x]), g.weight(`w${x}`, [8, 8])]);
  const isResidual = async (g: Sketch) => kindsOf(await g.layers()).includes("residual-add");

  test("a branch added to what it started from", async () => {
    const g = new Sketch();
    const x = g.op("Exp", [g.input("in")]);
    g.output(g.op("Add", [g.op("Reshape", [x, g.ints(0, 0, 8)]), block(g, x)]));
    expect(await isResidual(g)).toBe(true);
  });

  test("a bypass with a convolution in it", async () => {
    const g = new Sketch();
    const x = g.op("MaxPool", [g.input("in", 1, [1, 8, 8, 8])]);
    const branch = g.op("Conv", [g.op("Relu", [g.op("Conv", [x, g.weight("a", [8, 8, 3, 3])])]), g.weight("b", [8, 8, 3, 3])]);
    g.output(g.op("Add", [branch, g.op("Conv", [x, g.weight("c", [8, 8, 1, 1])])]));
    expect(await isResidual(g)).toBe(true);
  });

  test.each([
    [
      "the sum of two embeddings",
      (g: Sketch) => [
        g.op("Gather", [g.weight("t", [10, 8]), g.input("ids", 7)]),
        g.op("Gather", [g.weight("p", [10, 8]), g.input("positions", 7)]),
      ],
    ],
    [
      "the sum of two linear layers of one tensor",
      (g: Sketch) => [g.op("MatMul", [g.input("in"), g.weight("a", [8, 8])]), g.op("MatMul", ["in", g.weight("b", [8, 8])])],
    ],
    ["a tensor and its own transpose", (g: Sketch) => [g.input("in"), g.op("Transpose", ["in"])]],
    ["the subtraction of a mean", (g: Sketch) => [g.input("in"), g.op("Neg", [g.op("ReduceMean", ["in"])])]],
    ["a constant", (g: Sketch) => [g.input("in"), g.weight("p", [16, 8])]],
  ])("%s is none", async (_name, operands) => {
    const g = new Sketch();
    g.output(g.op("Add", operands(g)));
    expect(await isResidual(g)).toBe(false);
  });

  test("values that are only counted do not make a branch", async () => {
    const g = new Sketch();
    const x = g.op("Exp", [g.input("in")]);
    const length = g.op("Cast", [g.op("Shape", [x])], { to: 1 });
    g.output(g.op("Add", [x, g.op("Sin", [length])]));
    expect(await isResidual(g)).toBe(false);
  });
});

describe("layers of one node", () => {
  test("Gather is an embedding on a table of floats, a mover on activations, and shape arithmetic on integers", async () => {
    const g = new Sketch();
    const ids = g.input("ids", 7, ["batch", "seq"]);
    const rows = g.op("Gather", [g.weight("table", [100, 8]), ids]);
    const half = g.op("Cast", [g.op("Gather", [g.weight("half", [50, 8], 10), ids])], { to: 1 });
    g.output(g.op("Gather", [rows, g.ints(0)], { axis: 1 }), half, g.op("Gather", [g.weight("positions", [1, 9], 7), ids], { axis: 1 }));
    const { layers } = await g.layers();
    expect(layers.map((l) => [l.kind, l.title])).toEqual([
      ["embedding", "Embedding 100x8"],
      ["embedding", "Embedding 50x8 (Gather + Cast)"],
      ["mover", "Gather"],
      ["shape", "Gather"],
    ]);
    expect(layers[0]).toMatchObject({ inputs: [ids], weights: ["table"] });
  });

  test("kinds of nodes", async () => {
    const kindOf = async (opType: string, inputs: (g: Sketch) => (string | number)[], attributes = {}) => {
      const g = new Sketch();
      g.output(g.op(opType, inputs(g), attributes));
      return (await g.layers()).layers[0]?.kind;
    };
    const x = (g: Sketch) => [g.input("x")];
    const i = (g: Sketch) => [g.input("i", 7)];
    expect(await kindOf("MaxPool", x)).toBe("pooling");
    expect(await kindOf("ReduceMean", x, { axes: [2, 3] })).toBe("pooling");
    expect(await kindOf("ReduceMean", (g) => [g.input("x"), g.ints(-1, -2)])).toBe("pooling");
    expect(await kindOf("ReduceMean", x, { axes: [-1] })).toBe("operator");
    expect(await kindOf("Relu", x)).toBe("activation");
    expect(await kindOf("Relu", i)).toBe("shape");
    expect(await kindOf("Transpose", x)).toBe("mover");
    expect(await kindOf("Transpose", i)).toBe("shape");
    expect(await kindOf("Shape", x)).toBe("shape");
    expect(await kindOf("ArgMax", x)).toBe("shape");
    expect(await kindOf("Greater", (g) => [g.input("x"), 0])).toBe("shape");
    expect(await kindOf("Cast", i, { to: 1 })).toBe("cast");
    expect(await kindOf("Cast", x, { to: 7 })).toBe("cast");
    expect(await kindOf("Cast", i, { to: 6 })).toBe("shape");
    expect(await kindOf("Where", (g) => [g.input("c", 9), g.input("x"), 0])).toBe("operator");
    expect(await kindOf("Where", (g) => [g.input("c", 9), g.input("i", 7), g.ints(1)])).toBe("shape");
    expect(await kindOf("ConstantOfShape", i)).toBe("operator");
    expect(await kindOf("Cos", x)).toBe("operator");
    expect(await kindOf("LSTM", x)).toBe("operator");
  });

  test("a call of a local function is control flow, whatever its name", async () => {
    const g = new Sketch().function("my.functions", "Relu");
    g.output(g.op("Relu", [g.op("Relu", [g.input("in")], {}, { domain: "my.functions" })]));
    expect(kindsOf(await g.layers())).toEqual(["control-flow", "activation"]);
  });
});

describe("output heads", () => {
  test("from the last linear layer to all outputs", async () => {
    const g = new Sketch();
    const hidden = g.op("Relu", [g.op("MatMul", [g.input("in"), g.weight("w1", [8, 8])])]);
    const logits = g.op("Add", [g.op("MatMul", [hidden, g.weight("w2", [8, 2])]), g.weight("b", [2])]);
    const parts = ["start", "end"];
    g.op("Split", [logits], { axis: -1 }, { outputs: parts });
    g.output(...parts.map((p) => g.op("Squeeze", [p])));
    const listed = await g.layers();
    expect(kindsOf(listed)).toEqual(["linear", "activation", "output-head"]);
    expect(valueLayers(listed).at(-1)).toMatchObject({
      title: "Output head: Linear 8->2 (MatMul + bias), then Split, Squeeze",
      operators: ["MatMul", "Add", "Split", "Squeeze", "Squeeze"],
      inputs: [hidden],
    });
  });

  test("a residual add or a normalization behind the last linear layer: no head", async () => {
    const g = new Sketch();
    const x = g.op("Exp", [g.input("in")]);
    g.output(g.op("LayerNormalization", [g.op("Add", [x, g.op("MatMul", [x, g.weight("w", [8, 8])])]), g.weight("s", [8])]));
    expect(kindsOf(await g.layers())).toEqual(["operator", "linear", "residual-add", "layer-norm"]);
  });
});

describe("the list as a whole", () => {
  test("every node belongs to one layer, in the order of first nodes; ids are unique although names repeat", async () => {
    const g = new Sketch({ constants: "nodes", swapped: false });
    let x = g.input("in");
    for (let i = 0; i < 4; i++) {
      const d = g.op("Sub", [x, g.op("ReduceMean", [x], { axes: [-1] })], {}, { name: "same/name" });
      const variance = g.op("ReduceMean", [g.op("Pow", [d, 2])], { axes: [-1] });
      x = g.op("Div", [d, g.op("Sqrt", [g.op("Add", [variance, 1e-5])])], {}, { name: "same/name" });
    }
    g.output(x);
    const { layers, model } = await g.layers();
    expect(layers.flatMap((l) => l.nodes).toSorted((a, b) => a - b)).toEqual(model.graph.nodes.map((n) => n.index));
    const first = layers.map((l) => l.nodes[0] ?? -1);
    expect(first).toEqual(first.toSorted((a, b) => a - b));
    expect(new Set(layers.map((l) => l.id)).size).toBe(layers.length);
    expect(layers.map((l) => l.operators)).toEqual(layers.map((l) => l.nodes.map((n) => model.graph.nodes[n]?.opType)));
  });

  test("inputs are activations from outside, without shapes; outputs are what others read", async () => {
    const g = new Sketch();
    const x = g.op("Exp", [g.input("in")]);
    const shape = g.op("Shape", [x]);
    const moved = g.op("Reshape", [x, shape]);
    const conv = g.op("Conv", [moved, g.weight("w", [8, 8, 1])]);
    const active = g.op("Relu", [conv]);
    g.consume(active).output(g.op("Cos", [active]));
    const layers = valueLayers(await g.layers());
    expect(layers.find((l) => l.kind === "mover")).toMatchObject({ inputs: [x], outputs: [moved], weights: [] });
    expect(layers.find((l) => l.kind === "convolution")).toMatchObject({ inputs: [moved], outputs: [active], weights: ["w"] });
    expect((await g.layers()).layers.find((l) => l.kind === "shape")).toMatchObject({ inputs: [x], outputs: [shape] });
  });
});
