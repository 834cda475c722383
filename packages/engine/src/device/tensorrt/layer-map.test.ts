import type { EngineLayer } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../../../test/support/model-file.js";
import { NodeNames, partsOfName } from "./fused-names.js";
import { readEngineInformation } from "./inspector.js";
import { type LayerMap, mapLayers } from "./layer-map.js";
import type { MapGraph } from "./map-graph.js";
import { recordedGraph, recordedModels, recordedRegion, recordedText } from "./testing/recorded.js";

const layer = (name: string, more: Partial<EngineLayer> = {}): EngineLayer => ({
  name,
  kind: "kgen",
  nodes: [],
  inputs: [],
  outputs: [],
  computes: "unknown",
  ...more,
});

/** A chain x -> names[0] -> names[1] ... of operators that compute. */
const chain = (...names: string[]): MapGraph => ({
  inputs: new Set(["x"]),
  outputs: [`${names.at(-1)}:0`],
  nodes: names.map((name, i) => ({ name, opType: "Relu", inputs: [i === 0 ? "x" : `${names[i - 1]}:0`], outputs: [`${name}:0`] })),
});

/** Every node once: in layers both ways, or unmapped. */
function expectWhole(map: LayerMap, graph: MapGraph): void {
  const unmapped = map.unmapped.map((u) => u.node);
  expect(new Set([...map.byNode.keys(), ...unmapped])).toEqual(new Set(graph.nodes.map((n) => n.name)));
  expect(unmapped.filter((n) => map.byNode.has(n))).toEqual([]);
  expect(new Set(unmapped).size).toBe(unmapped.length);
  for (const [node, places] of map.byNode) for (const place of places) expect(map.layers[place]?.nodes).toContain(node);
  map.layers.forEach((l, place) => {
    for (const node of l.nodes) if (graph.nodes.some((n) => n.name === node)) expect(map.byNode.get(node)).toContain(place);
  });
}

describe("mapLayers on what TensorRT 10.6 built", () => {
  const counts = {
    "bert-2x1024": { metadata: 16, name: 0, region: 0, added: 2, unknown: 0 },
    "bert-2x1024-marked": { metadata: 29, name: 0, region: 0, added: 25, unknown: 0 },
    magika: { metadata: 14, name: 0, region: 0, added: 3, unknown: 0 },
    "yolox-nano": { metadata: 191, name: 0, region: 0, added: 63, unknown: 0 },
  };
  it.each(recordedModels)("ties every node of %s to a layer or says why not, and every layer to nodes or to the builder", (model) => {
    const graph = recordedGraph(model);
    const map = mapLayers(readEngineInformation(recordedText(model)).layers, graph);
    expectWhole(map, graph);
    expect(map.counts).toEqual(counts[model]);
    // What computes is in a layer that says so: nothing is lost without a reason.
    expect(map.unmapped.filter((u) => u.reason === "unnamed" || u.reason === "unused")).toEqual([]);
  });

  it("finds the same nodes by names alone where layers are named after nodes (YOLOX, as TensorRT 8.6 would tell it)", () => {
    const graph = recordedGraph("yolox-nano");
    const { layers } = readEngineInformation(recordedText("yolox-nano"));
    const byMetadata = mapLayers(layers, graph);
    const byName = mapLayers(
      layers.map((l) => ({ ...l, nodes: [] })),
      graph,
    );
    expectWhole(byName, graph);
    expect(byName.counts).toEqual({ metadata: 0, name: 191, region: 0, added: 63, unknown: 0 });
    expect(byName.layers.map((l) => l.nodes.toSorted())).toEqual(byMetadata.layers.map((l) => l.nodes.toSorted()));
  });

  it("finds products of BERT by names alone, dots written as underscores", () => {
    const graph = recordedGraph("bert-2x1024");
    const { layers } = readEngineInformation(recordedText("bert-2x1024"));
    const map = mapLayers(
      layers.filter((l) => l.kind === "gemm").map((l) => ({ ...l, nodes: [] })),
      graph,
    );
    expectWhole(map, graph);
    expect(map.layers[0]?.nodes).toEqual([
      "/encoder/layer.0/attention/self/value/MatMul",
      "/encoder/layer.0/attention/self/key/MatMul",
      "/encoder/layer.0/attention/self/query/MatMul",
    ]);
    expect(map.counts).toEqual({ metadata: 0, name: 6, region: 0, added: 0, unknown: 0 });
  });

  it("ties the region that BERT is to the nodes that TensorRT says are in it", () => {
    const graph = recordedGraph("bert-2x1024");
    const inside = mapLayers(readEngineInformation(recordedText("bert-2x1024")).layers, graph);
    const region = mapLayers([layer("{ForeignNode[/Unsqueeze + /Unsqueeze_1.../encoder/layer.1/output/LayerNorm/Add_1]}")], graph);
    expectWhole(region, graph);
    expect(region.counts.region).toBe(1);
    const found = new Set(region.layers[0]?.nodes);
    const missed = [...inside.byNode.keys()].filter((n) => !found.has(n));
    const more = [...found].filter((n) => !inside.byNode.has(n));
    // It follows from weights and sizes, which builders fold; TensorRT happened to fuse it instead.
    expect(missed).toEqual(["/embeddings/position_embeddings/Gather"]);
    // Nodes that only move data are in the region, though no kernel names them.
    const moving = new Set(inside.unmapped.filter((u) => u.reason === "movement").map((u) => u.node));
    expect(more.filter((n) => !moving.has(n))).toEqual([]);
  });

  it("ties the one layer that 8.6.1 made of a BERT to its nodes, from the weight that its name begins with, and the copy behind it to none", () => {
    const graph = recordedGraph(recordedRegion);
    const map = mapLayers(readEngineInformation(recordedText(recordedRegion)).layers, graph);
    expectWhole(map, graph);
    expect(map.layers.map((l) => l.nodes.length)).toEqual([318, 0]);
    const left = graph.nodes.filter((n) => !map.byNode.has(n.name));
    // Sizes that TensorRT's parser folds.
    expect(left.filter((n) => !/^(Constant|Shape|Gather|Unsqueeze|Slice|Concat|Range|Cast|Expand)$/.test(n.opType))).toEqual([]);
  });
});

describe("mapLayers on what TensorRT 8 built", () => {
  const graph = recordedGraph("bert-2x1024");
  const last = "/encoder/layer.1/output/LayerNorm/Add_1";
  // The first as an H200 told it of 8.6.1 and a BERT, but for the number of the last layer; others as users quote them of other models, the last made up.
  it.each([
    "embeddings.position_embeddings.weight",
    "ONNXTRT_Broadcast_8",
    "(Unnamed Layer* 13) [Shuffle]",
    "embeddings.position_embeddings.weight + (Unnamed Layer* 5) [Shuffle]",
    "onnx::MatMul_46 + ONNXTRT_Broadcast_12",
    "encoder.layer.0.attention.self.query.bias_12",
  ])("ties the one layer that BERT is there, beginning with %s, to all nodes that compute", (first) => {
    const region = `{ForeignNode[${first}...${last}]}`;
    const copy = `Reformatting CopyNode for Output Tensor 0 to ${region}`;
    const map = mapLayers([layer(region, { kind: "Myelin" }), layer(copy, { kind: "Reformat" })], graph);
    expectWhole(map, graph);
    expect(map.counts).toEqual({ metadata: 0, name: 0, region: 1, added: 1, unknown: 0 });
    expect(map.unmapped.filter((u) => u.reason !== "constant" && u.reason !== "movement")).toEqual([]);
    expect(map.layers[0]?.nodes).toContain("/encoder/layer.0/attention/self/query/MatMul");
    expect(map.layers[1]?.nodes).toEqual([]);
  });

  it("takes what comes from its first node where the last is a layer of the parser's own, and nothing where both are", () => {
    const nodes = (region: string) => mapLayers([layer(region)], chain("a", "b", "c")).layers[0]?.nodes;
    expect(nodes("{ForeignNode[b...(Unnamed Layer* 7) [Shuffle]]}")).toEqual(["b", "c"]);
    expect(nodes("{ForeignNode[(Unnamed Layer* 2) [Shuffle]...b]}")).toEqual(["a", "b"]);
    expect(nodes("{ForeignNode[(Unnamed Layer* 2) [Shuffle]...(Unnamed Layer* 7) [Shuffle]]}")).toEqual([]);
    expect(mapLayers([layer("{ForeignNode[x_1...x_2]}")], chain("a")).counts.unknown).toBe(1);
  });

  it("leaves to other layers what they name, and to a region behind what the one before has not", () => {
    const map = mapLayers([layer("b"), layer("{ForeignNode[w...c]}"), layer("{ForeignNode[w2...e]}")], chain("a", "b", "c", "d", "e"));
    expect(map.layers.map((l) => l.nodes)).toEqual([["b"], ["a", "c"], ["d", "e"]]);
  });
});

describe("mapLayers on names", () => {
  it("finds names that hold separators whole, the longest first", () => {
    const names = ["a", "b", "a + b", "f(x, y)", "z[0]", "n || m", "Conv_1", "Conv_10", "a...b"];
    const graph = chain(...names);
    const nodesOf = (name: string) => mapLayers([layer(name)], graph).layers[0]?.nodes;
    expect(nodesOf("a")).toEqual(["a"]);
    expect(nodesOf("b + a")).toEqual(["b", "a"]);
    expect(nodesOf("a + b")).toEqual(["a + b"]);
    expect(nodesOf("PWN(f(x, y), PWN(z[0]))")).toEqual(["f(x, y)", "z[0]"]);
    expect(nodesOf("n || m || b")).toEqual(["n || m", "b"]);
    expect(nodesOf("Conv_10 + PWN(PWN(Conv_1), b)")).toEqual(["Conv_10", "Conv_1", "b"]);
    expect(nodesOf("Conv_100")).toEqual([]);
    expect(nodesOf("xa + bx")).toEqual([]);
    expect(nodesOf("b [profile 1]")).toEqual(["b"]);
    expect(nodesOf("Conv_1_copy_output")).toEqual(["Conv_1"]);
  });

  it("takes a layer that the parser numbered for the nodes that share its name", () => {
    const graph = chain("Conv", "Relu", "Conv", "Relu_7");
    const names = new NodeNames(graph);
    expect(names.find("Conv_12")).toBe("Conv");
    expect(names.find("Relu_8")).toBeUndefined();
    expect(names.find("Relu_7")).toBe("Relu_7");
  });

  it("takes no underscored name that could be two nodes", () => {
    const names = new NodeNames(chain("a.b_c", "a_b.c", "d.e"));
    expect(names.find("a_b_c")).toBeUndefined();
    expect(names.find("d_e")).toBe("d.e");
  });

  it("ties a copy into a Concat to the Concat that reads the tensor", () => {
    const graph: MapGraph = {
      inputs: new Set(["x", "y"]),
      outputs: ["c"],
      nodes: [
        { name: "relu", opType: "Relu", inputs: ["x"], outputs: ["r"] },
        { name: "concat", opType: "Concat", inputs: ["r", "y"], outputs: ["c"] },
      ],
    };
    const map = mapLayers(
      [layer("relu"), layer("r copy", { kind: "Reformat" }), layer("Reformatting CopyNode for Input Tensor 0 to relu", { kind: "NoOp" })],
      graph,
    );
    expect(map.layers.map((l) => l.nodes)).toEqual([["relu"], ["concat"], []]);
    expect(map.counts).toEqual({ metadata: 0, name: 2, region: 0, added: 1, unknown: 0 });
  });

  it("gives a region what leads from its first to its last node, and not what other layers name", () => {
    const graph: MapGraph = {
      inputs: new Set(["x"]),
      outputs: ["e:0", "side:0"],
      nodes: [
        { name: "a", opType: "Relu", inputs: ["x"], outputs: ["a:0"] },
        { name: "b", opType: "Relu", inputs: ["a:0"], outputs: ["b:0"] },
        { name: "shape", opType: "Shape", inputs: ["b:0"], outputs: ["shape:0"] },
        { name: "conv", opType: "Conv", inputs: ["b:0", "w"], outputs: ["conv:0"] },
        { name: "joins", opType: "Relu", inputs: ["x"], outputs: ["joins:0"] },
        { name: "side", opType: "Relu", inputs: ["x"], outputs: ["side:0"] },
        { name: "d", opType: "Add", inputs: ["conv:0", "joins:0"], outputs: ["d:0"] },
        { name: "e", opType: "Relu", inputs: ["d:0"], outputs: ["e:0"] },
      ],
    };
    const map = mapLayers([layer("{ForeignNode[b...e]}"), layer("conv")], graph);
    expectWhole(map, graph);
    expect(map.layers[0]?.nodes).toEqual(["b", "joins", "d", "e"]);
    expect(map.unmapped).toEqual([
      { node: "a", reason: "unnamed" },
      { node: "shape", reason: "constant" },
      { node: "side", reason: "unnamed" },
    ]);
    expect(mapLayers([layer("{ForeignNode[nobody...knows]}")], graph).counts).toMatchObject({ region: 0, unknown: 1 });
  });

  it("resolves regions whose ends hold dots or are fused themselves", () => {
    const graph = chain("a...b", "c", "d", "e");
    expect(mapLayers([layer("{ForeignNode[a...b + c...d + e]}")], graph).layers[0]?.nodes).toEqual(["a...b", "c", "d", "e"]);
    expect(mapLayers([layer("{ForeignNode[c]}")], graph).layers[0]?.nodes).toEqual(["c"]);
  });

  it("says why a node is in no layer", () => {
    const graph: MapGraph = {
      inputs: new Set(["x"]),
      outputs: ["out"],
      nodes: [
        { name: "constant", opType: "Constant", inputs: [], outputs: ["k"] },
        { name: "weight", opType: "Transpose", inputs: ["w"], outputs: ["wt"] },
        { name: "scaled", opType: "Mul", inputs: ["wt", "k"], outputs: ["ws"] },
        { name: "size", opType: "Shape", inputs: ["x"], outputs: ["s"] },
        { name: "one", opType: "Gather", inputs: ["s", "i"], outputs: ["s0"] },
        { name: "reshape", opType: "Reshape", inputs: ["x", "s0"], outputs: ["r"] },
        { name: "product", opType: "MatMul", inputs: ["r", "ws"], outputs: ["p"] },
        { name: "relu", opType: "Relu", inputs: ["p"], outputs: ["out"] },
        { name: "dead", opType: "Relu", inputs: ["p"], outputs: ["nobody"] },
        { name: "noise", opType: "RandomNormal", inputs: [], outputs: ["alsonobody"] },
      ],
    };
    const map = mapLayers([layer("product")], graph);
    expectWhole(map, graph);
    expect(Object.fromEntries(map.unmapped.map((u) => [u.node, u.reason]))).toEqual({
      constant: "constant",
      weight: "constant",
      scaled: "constant",
      size: "constant",
      one: "constant",
      reshape: "movement",
      relu: "unnamed",
      dead: "unused",
      noise: "unused",
    });
  });

  it("keeps names of network layers that are no nodes, without counting them as nodes", () => {
    const graph = chain("a");
    const map = mapLayers([layer("__myl_Mul_myl0_1", { nodes: ["ONNXTRT_Broadcast_5"] })], graph);
    expect(map.layers[0]?.nodes).toEqual(["ONNXTRT_Broadcast_5"]);
    expect(map.byNode.size).toBe(0);
    expectWhole(map, graph);
  });

  it("is whole for any fusion of any names", () => {
    const random = seeded(23);
    const below = (n: number) => Math.floor(random() * n);
    const letters = ["a", "b", "/", ".", "_", " + ", ",", "(", ")", "...", "[", "]", "|", "1"];
    for (let i = 0; i < 300; i++) {
      const names = Array.from(
        { length: 1 + below(8) },
        () => `n${Array.from({ length: below(6) }, () => letters[below(letters.length)]).join("")}e`,
      );
      const graph = chain(...new Set(names));
      const pick = () => names[below(names.length)] ?? "";
      const fused = Array.from({ length: below(6) }, () => {
        const [a, b] = [pick(), pick()];
        return (
          [
            a,
            `${a} + ${b}`,
            `PWN(${a}, PWN(${b}))`,
            `${a} || ${b}`,
            `{ForeignNode[${a}...${b}]}`,
            `${a} copy`,
            `${a}+${b}_myl0_3`,
            `x${a}`,
          ][below(8)] ?? a
        );
      });
      const map = mapLayers(
        fused.map((name) => layer(name)),
        graph,
      );
      expectWhole(map, graph);
      // A name that is a node's is found.
      fused.forEach((name, at) => {
        if (names.includes(name) && !/copy$/.test(name)) expect(map.layers[at]?.nodes).toEqual([name]);
      });
    }
  });

  it("reads long names in time that grows with them, not with their square", () => {
    const names = Array.from({ length: 2000 }, (_, i) => `/encoder/layer.${i}/attention/self/MatMul`);
    const graph = chain(...names);
    const map = mapLayers([layer(names.join(" + "))], graph);
    expect(map.layers[0]?.nodes).toHaveLength(2000);
  });
});

describe("partsOfName", () => {
  it.each([
    ["Reformatting CopyNode for Output Tensor 0 to {ForeignNode[a...b]}", { added: "reformat", text: "" }],
    ["dummy_shape_call__mye10167_0_myl0_0", { added: "shape", text: "" }],
    ["__myl_CasCas_myl0_33", { added: "reformat", text: "" }],
    ["shuffle_between_a:0_and_b", { added: "reformat", text: "" }],
    ["{ForeignNode[a + b...c]}", { region: "a + b...c", text: "" }],
    ["716 copy", { copied: "716", text: "" }],
    ["__myl_AddMul_myl0_2", { text: "" }],
    ["a+b_myl0_2", { text: "a+b" }],
  ])("of %s", (name, parts) => {
    expect(partsOfName(name)).toEqual(parts);
  });
});
