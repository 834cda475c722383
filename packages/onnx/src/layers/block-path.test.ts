import { describe, expect, test } from "vitest";
import { type Listed, Sketch, valueLayers } from "./testing/sketch.js";

const placesOf = (listed: Listed) => valueLayers(listed).map((l) => [l.blockPath, l.id]);

/** Two post-norm blocks; `name` gives a node's name from block and place. */
function blocks(count: number, { name = () => "", weight = (i, w) => `weight_${i}_${w}` }: Names = {}): Sketch {
  const g = new Sketch();
  let x = g.op("Gather", [g.weight(weight(-1, "table"), [50, 8]), g.input("ids", 7)], {}, { name: name(-1, "Gather") });
  for (let i = 0; i < count; i++) {
    const hidden = g.op("MatMul", [x, g.weight(weight(i, "up"), [8, 16])], {}, { name: name(i, "up/MatMul") });
    const active = g.op("Relu", [hidden], {}, { name: name(i, "Relu") });
    const down = g.op("MatMul", [active, g.weight(weight(i, "down"), [16, 8])], {}, { name: name(i, "down/MatMul") });
    const sum = g.op("Add", [x, down], {}, { name: name(i, "Add") });
    x = g.op("LayerNormalization", [sum, g.weight(weight(i, "norm"), [8])], {}, { name: name(i, "norm/LayerNormalization") });
  }
  return g.output(g.op("Identity", [x]));
}
interface Names {
  readonly name?: (block: number, place: string) => string;
  readonly weight?: (block: number, place: string) => string;
}

describe("from the names of nodes", () => {
  test("modules as PyTorch writes them; a wrapper around everything is left out", async () => {
    const g = blocks(2, { name: (i, place) => (i < 0 ? `/m/embedding/${place}` : `/m/encoder/layer.${i}/${place}`) });
    expect(placesOf(await g.layers()).slice(0, 6)).toEqual([
      ["", "embedding"],
      ["encoder/layer.0", "encoder/layer.0/up"],
      ["encoder/layer.0", "encoder/layer.0/Relu"],
      ["encoder/layer.0", "encoder/layer.0/down"],
      ["encoder/layer.0", "encoder/layer.0/Add"],
      ["encoder/layer.0", "encoder/layer.0/norm"],
    ]);
  });

  test("scopes as TensorFlow writes them", async () => {
    const g = blocks(1, { name: (i, place) => (i < 0 ? `bert/embeddings/${place}` : `bert/encoder/layer_${i}/${place}`) });
    expect(placesOf(await g.layers())[3]).toEqual(["encoder/layer_0", "encoder/layer_0/down"]);
  });

  test("the nodes of one layer place it where they all are", async () => {
    const g = new Sketch();
    const x = g.input("in");
    const product = g.op("MatMul", [x, g.weight("w", [8, 8])], {}, { name: "net/query/Tensordot/MatMul" });
    const sum = g.op("Add", [product, g.weight("b", [8])], {}, { name: "net/query/BiasAdd" });
    g.consume(g.op("Sin", [sum], {}, { name: "net/Sin" }), g.op("Cos", [sum], {}, { name: "other/Cos" }));
    expect(placesOf(await g.layers()).slice(0, 3)).toEqual([
      ["net", "net/query"],
      ["net", "net/Sin"],
      ["", "other"],
    ]);
  });
});

test("from the names of weights where nodes have none; the layers between are placed by their neighbours", async () => {
  const g = blocks(2, { weight: (i, place) => (i < 0 ? "embedding.weight" : `encoder.layer.${i}.${place}.weight`) });
  const places = placesOf(await g.layers());
  expect(places.map(([path]) => path)).toEqual(["", ...Array(5).fill("encoder/layer.0"), ...Array(5).fill("encoder/layer.1"), ""]);
  expect(places[1]).toEqual(["encoder/layer.0", "encoder/layer.0/up"]);
});

test("weights that several nodes share tell nothing", async () => {
  const g = new Sketch();
  const w = g.weight("encoder.layer.0.weight", [8, 8]);
  g.output(g.op("Sin", [g.op("MatMul", [g.op("Tanh", [g.op("MatMul", [g.input("in"), w])]), w])]));
  expect(placesOf(await g.layers()).map(([path]) => path)).toEqual(["", "", ""]);
});

describe("from structure, where no name tells", () => {
  test("blocks that repeat are numbered, each from its input to its last layer", async () => {
    const listed = await blocks(4, { weight: (i, place) => `${(i + 1) * 100 + place.length}` }).layers();
    const paths = valueLayers(listed).map((l) => l.blockPath);
    expect(paths.slice(0, 11)).toEqual(["", ...Array(5).fill("block.0"), ...Array(5).fill("block.1")]);
    expect(paths.slice(-6)).toEqual([...Array(5).fill("block.3"), ""]);
  });

  test("where the normalization comes first, a block begins with it and ends with its residual add", async () => {
    const g = new Sketch();
    let x = g.op("Gather", [g.weight("t", [50, 8]), g.input("ids", 7)]);
    for (let i = 0; i < 4; i++) {
      const normalized = g.op("LayerNormalization", [x, g.weight(`n${i}`, [8])]);
      const hidden = g.op("Relu", [g.op("MatMul", [normalized, g.weight(`u${i}`, [8, 16])])]);
      x = g.op("Add", [x, g.op("MatMul", [hidden, g.weight(`d${i}`, [16, 8])])]);
    }
    g.output(g.op("LayerNormalization", [x, g.weight("n", [8])]));
    const layers = valueLayers(await g.layers());
    expect(layers.map((l) => l.blockPath)).toEqual(["", ...[0, 1, 2, 3].flatMap((i) => Array(5).fill(`block.${i}`)), ""]);
    expect(layers[1]?.kind).toBe("layer-norm");
  });

  test("two blocks may be chance", async () => {
    const listed = await blocks(2, { weight: (i, place) => `${(i + 1) * 100 + place.length}` }).layers();
    expect(valueLayers(listed).every((l) => l.blockPath === "")).toBe(true);
  });
});
