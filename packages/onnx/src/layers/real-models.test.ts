import { HalfscopeError, type Layer } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { sharedModel, sharedModelNames } from "../../../../test/shared-models.js";
import { viewGraph } from "../graph-view.js";
import { readModel } from "../read-model.js";
import { unfoldModel } from "../unfold.js";
import { listLayers } from "./list-layers.js";
import { layerNormParts } from "./norm-parts.js";
import { softmaxParts } from "./softmax-parts.js";
import { countKinds } from "./testing/sketch.js";

/** Names of the collection, or one placeholder so that its absence shows as a skipped test. */
const names = sharedModelNames.length > 0 ? sharedModelNames : ["(no shared models)"];
const unreadable = new Set(["corrupt-text", "lfs-pointer", "ext-data-path-traversal"]);
const companions = new Set(["shape", "mover", "cast"]);

const listOf = async (path: string) => {
  const model = unfoldModel(await readModel(path));
  const view = viewGraph(model.graph);
  return { model, view, layers: listLayers(model, view) };
};
/** Kinds of the layers that compute on floats. */
const computing = (layers: readonly Layer[]) => countKinds(layers.filter((l) => !companions.has(l.kind)));
const inBlock = (layers: readonly Layer[], block: string) => layers.filter((l) => `${l.blockPath}/`.startsWith(`${block}/`));

test.for(names)("%s: every node is in one layer, ids are unique and the same each time", async (name, context) => {
  const path = sharedModel(context, name, "model.onnx");
  if (unreadable.has(name)) return expect(readModel(path)).rejects.toThrow(HalfscopeError);
  const { model, view, layers } = await listOf(path);
  expect(layers.flatMap((l) => l.nodes).toSorted((a, b) => a - b)).toEqual(view.nodes.map((_, i) => i));
  expect(view.nodes.map((n) => n.index)).toEqual(view.nodes.map((_, i) => i));
  expect(new Set(layers.map((l) => l.id)).size).toBe(layers.length);
  expect(layers.every((l) => l.id !== "" && !l.id.startsWith("/") && l.title !== "")).toBe(true);
  const first = layers.map((l) => l.nodes[0] ?? -1);
  expect(first).toEqual(first.toSorted((a, b) => a - b));
  expect(listLayers(model)).toEqual(layers);
});

describe("BERT-large, as PyTorch exports it in five ways", () => {
  const written = { "attention-scores": 24, softmax: 24, "attention-context": 24 };
  const exports: readonly [string, Record<string, number>, number][] = [
    ["bert-large-eager-torchscript-op17", written, 3],
    ["bert-large-eager-dynamo-op18", written, 3],
    // Each block makes a mask of its own.
    ["bert-large-sdpa-torchscript-op17", written, 26],
    ["bert-large-sdpa-dynamo-op18", written, 3],
    // Its Attention nodes are written out; each turns its mask into a sum.
    ["bert-large-sdpa-dynamo-op23", written, 26],
  ];

  test.for(exports)("%s: 24 blocks of the same layers, without any weight at hand", async ([name, attention, operators], context) => {
    const { layers } = await listOf(sharedModel(context, name, "model.onnx"));
    expect(computing(layers)).toEqual({
      ...attention,
      embedding: 3,
      linear: 144,
      gelu: 24,
      "layer-norm": 49,
      "residual-add": 48,
      operator: operators,
    });
    const perBlock = Object.fromEntries(Object.keys(attention).map((kind) => [kind, 1]));
    for (let i = 0; i < 24; i++) {
      const { operator: _, ...block } = computing(inBlock(layers, `encoder/layer.${i}`));
      expect(block).toEqual({ ...perBlock, linear: 6, gelu: 1, "layer-norm": 2, "residual-add": 2 });
    }
    expect(computing(inBlock(layers, "embeddings"))).toEqual({ embedding: 3, operator: 2, "layer-norm": 1 });
  });

  test("modules have the same ids in all five", async (context) => {
    const ids = await Promise.all(
      exports.map(async ([name]) => {
        const { layers } = await listOf(sharedModel(context, name, "model.onnx"));
        return layers.filter((l) => ["linear", "gelu", "layer-norm", "embedding"].includes(l.kind)).map((l) => l.id);
      }),
    );
    expect(ids[0]).toContain("encoder/layer.3/attention/self/query");
    expect(ids[0]).toContain("encoder/layer.23/output/LayerNorm");
    expect(ids[0]).toContain("encoder/layer.0/intermediate/intermediate_act_fn");
    for (const other of ids.slice(1)) expect(other.toSorted()).toEqual(ids[0]?.toSorted());
  });

  test("its masks reach every softmax with a constant that FP16 cannot hold", async (context) => {
    for (const [name, attention] of exports) {
      if (!("softmax" in attention)) continue;
      const { view, layers } = await listOf(sharedModel(context, name, "model.onnx"));
      const values = layers
        .filter((l) => l.kind === "softmax")
        .flatMap((l) => softmaxParts(view, l)?.maskConstants.map((c) => c.value) ?? []);
      expect(values).toHaveLength(24);
      expect(values.every((v) => v < -65504)).toBe(true);
    }
  });
});

/** Counts that were checked by eye in the graphs. */
const checked: Readonly<Record<string, Record<string, number>>> = {
  "bert-squad-pt-op11": {
    embedding: 3,
    "layer-norm": 25,
    linear: 72,
    "attention-scores": 12,
    softmax: 12,
    "attention-context": 12,
    "residual-add": 24,
    gelu: 12,
    operator: 4,
    "output-head": 1,
  },
  // keras2onnx: 24 roots of two and 24 of the head size are computed in the graph.
  "tfbert-squad-k2o-op11": {
    embedding: 3,
    "layer-norm": 49,
    linear: 144,
    "attention-scores": 24,
    softmax: 24,
    "attention-context": 24,
    "residual-add": 48,
    gelu: 24,
    operator: 52,
    "output-head": 1,
  },
  "gpt2-pt-op11": {
    embedding: 2,
    "layer-norm": 25,
    linear: 48,
    "attention-scores": 12,
    softmax: 12,
    "attention-context": 12,
    "residual-add": 24,
    gelu: 12,
    operator: 25,
  },
  // Pooler and masked-language head besides five blocks of six linear layers.
  "bert-toy-op12": {
    embedding: 3,
    "layer-norm": 12,
    linear: 32,
    "attention-scores": 5,
    softmax: 5,
    "attention-context": 5,
    "residual-add": 10,
    gelu: 6,
    activation: 1,
    operator: 5,
    "output-head": 2,
  },
  "bert-small-dynamo-op20": {
    embedding: 3,
    "layer-norm": 7,
    linear: 18,
    "attention-scores": 3,
    softmax: 3,
    "attention-context": 3,
    "residual-add": 6,
    gelu: 3,
    operator: 3,
  },
  "bert-qa-small-ts-op14": {
    embedding: 3,
    "layer-norm": 7,
    linear: 18,
    "attention-scores": 3,
    softmax: 3,
    "attention-context": 3,
    "residual-add": 6,
    gelu: 3,
    operator: 3,
    "output-head": 1,
  },
  // Disentangled attention: content to content, content to position, position to content.
  "deberta-v2-dynamo": {
    embedding: 2,
    "layer-norm": 6,
    linear: 16,
    "attention-scores": 6,
    softmax: 2,
    "attention-context": 2,
    "residual-add": 4,
    gelu: 2,
    operator: 18,
  },
  // One product makes rotary angles.
  "llama-ts": {
    embedding: 1,
    "rms-norm": 5,
    linear: 14,
    matmul: 1,
    "attention-scores": 2,
    softmax: 2,
    "attention-context": 2,
    "residual-add": 4,
    activation: 2,
    operator: 24,
  },
  "vespa-seq2seq-decoder-op12": {
    embedding: 1,
    "layer-norm": 3,
    linear: 7,
    "attention-scores": 2,
    softmax: 2,
    "attention-context": 2,
    "residual-add": 3,
    activation: 1,
    operator: 1,
    "output-head": 1,
  },
  "cct-xs-plate-ocr-op15": {
    convolution: 8,
    pooling: 2,
    linear: 29,
    gelu: 9,
    activation: 8,
    "attention-scores": 5,
    softmax: 5,
    "attention-context": 5,
    "residual-add": 8,
    operator: 30,
    "output-head": 1,
  },
  "whisper-enc-attn-fp16-op17": { "layer-norm": 2, attention: 1, linear: 3, gelu: 1, "residual-add": 1, activation: 1, operator: 1 },
  "convnext-ts": { convolution: 9, "layer-norm": 9, linear: 10, gelu: 5, "residual-add": 5, operator: 5 },
  "mobilenetv3-dynamo": { convolution: 53, pooling: 10, "residual-add": 7, operator: 9, "output-head": 1 },
  "paddle-ppocr-cls-op11": { convolution: 53, pooling: 11, "residual-add": 7, operator: 9, "output-head": 1 },
  "yolox-nano-op11": { convolution: 113, pooling: 3, "residual-add": 7, operator: 2 },
  "basic-pitch-op15": { convolution: 31, operator: 25, "output-head": 1 },
  "magika-v3_3-op15": { linear: 1, gelu: 2, "layer-norm": 2, convolution: 1, pooling: 1, "output-head": 1 },
  "mnist-cntk-op7": { convolution: 2, pooling: 2, "output-head": 1 },
};

test.for(Object.entries(checked))("%s: layers as they stand in the graph", async ([name, expected], context) => {
  const { layers } = await listOf(sharedModel(context, name, "model.onnx"));
  expect(computing(layers)).toEqual(expected);
});

describe("what is known of single models", () => {
  test("YOLOX: every convolution but the nine predictions ends in SiLU, six of those in a sigmoid", async (context) => {
    const { layers } = await listOf(sharedModel(context, "yolox-nano-op11", "model.onnx"));
    const titles = layers.filter((l) => l.kind === "convolution").map((l) => l.title);
    expect(titles.filter((t) => t.endsWith("(Conv + SiLU)"))).toHaveLength(104);
    expect(titles.filter((t) => t.endsWith("(Conv + Sigmoid)"))).toHaveLength(6);
    expect(layers.map((l) => l.id)).toContain("head/reg_preds.2");
  });

  test("PaddleOCR: batch normalizations and the hard swish written as four nodes belong to their convolutions", async (context) => {
    const { layers } = await listOf(sharedModel(context, "paddle-ppocr-cls-op11", "model.onnx"));
    const titles = layers.filter((l) => l.kind === "convolution").map((l) => l.title);
    expect(titles.filter((t) => t.includes("BatchNormalization"))).toHaveLength(35);
    expect(titles.filter((t) => t.endsWith("+ HardSwish)"))).toHaveLength(18);
  });

  test("Magika: both normalizations square before they subtract; its softmax is part of the head", async (context) => {
    const { view, layers } = await listOf(sharedModel(context, "magika-v3_3-op15", "model.onnx"));
    const norms = layers.filter((l) => l.kind === "layer-norm");
    expect(norms.map((l) => l.nodes.length)).toEqual([19, 19]);
    for (const norm of norms) {
      const parts = layerNormParts(view, norm);
      expect(parts?.square).toMatch(/\/Square:0$/);
      expect(parts?.epsilon?.value).toBeCloseTo(1e-6, 10);
    }
    expect(layers.find((l) => l.kind === "output-head")?.title).toBe(
      "Output head: Linear 512->214 (MatMul + bias), then Softmax (decomposed, 10 nodes)",
    );
  });

  test("BERT of keras2onnx: normalizations of twelve nodes with an epsilon that FP16 rounds to zero", async (context) => {
    const { view, layers } = await listOf(sharedModel(context, "tfbert-squad-k2o-op11", "model.onnx"));
    const norms = layers.filter((l) => l.kind === "layer-norm");
    expect(new Set(norms.map((l) => l.nodes.length))).toEqual(new Set([12]));
    expect(norms.every((l) => (layerNormParts(view, l)?.epsilon?.value ?? 1) < 6e-8)).toBe(true);
    expect(layers.map((l) => l.id)).toContain("bert/encoder/layer_._7/attention/self/query");
    const softmax = layers.find((l) => l.kind === "softmax");
    expect(softmax && softmaxParts(view, softmax)?.maskConstants).toMatchObject([
      { tensor: expect.stringContaining("mul/y"), value: -10000 },
    ]);
  });

  test("GPT-2: the causal mask is multiplied and subtracted", async (context) => {
    const { view, layers } = await listOf(sharedModel(context, "gpt2-pt-op11", "model.onnx"));
    const softmaxes = layers.filter((l) => l.kind === "softmax");
    expect(softmaxes.map((l) => l.operators.join())).toEqual(Array(12).fill("Div,Mul,Sub,Softmax"));
    expect(softmaxes.flatMap((l) => softmaxParts(view, l)?.maskConstants.map((c) => c.value) ?? [])).toEqual(Array(12).fill(10000));
    // Nodes have no scopes here: weights and neighbours tell the block.
    expect(softmaxes.map((l) => l.blockPath)).toEqual(Array.from({ length: 12 }, (_, i) => `h.${i}/attn`));
    expect(layers.filter((l) => l.kind === "residual-add").map((l) => l.blockPath)).toEqual(
      Array.from({ length: 24 }, (_, i) => `h.${Math.floor(i / 2)}`),
    );
  });

  test("MobileNet: layers are called by their modules, not by the batch normalization that was folded in", async (context) => {
    const { layers } = await listOf(sharedModel(context, "mobilenetv3-dynamo", "model.onnx"));
    const ids = layers.map((l) => l.id);
    expect(ids).toEqual(expect.arrayContaining(["conv_stem", "blocks.0.0/conv_dw", "blocks.2.1/conv_pwl", "classifier"]));
  });

  test("a beam search hides its decoder", async (context) => {
    const { layers } = await listOf(sharedModel(context, "tiny-gpt2-beamsearch", "model.onnx"));
    expect(layers.map((l) => l.kind)).toEqual(["control-flow"]);
  });
});
