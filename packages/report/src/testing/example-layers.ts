import type { Layer, LayerKind } from "@halfscope/core";

/** A layer of the made-up model, with what its errors are made from. */
export interface ExampleLayer extends Layer {
  /** Isolated relative L2 of a healthy layer of this kind. */
  rounding: number;
}

interface Part {
  name: string;
  kind: LayerKind;
  operators: readonly string[];
  rounding: number;
  title?: string;
}

const part = (name: string, kind: LayerKind, operators: string, rounding: number, title?: string): Part => ({
  name,
  kind,
  operators: operators.split(" "),
  rounding,
  ...(title !== undefined && { title }),
});

const norm = "ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add";
const head: readonly Part[] = [
  part("embeddings/word", "embedding", "Gather", 1.7e-4),
  part("embeddings/token_type", "embedding", "Gather", 1.6e-4),
  part("embeddings/position", "embedding", "Gather", 1.7e-4),
  part("embeddings/Add", "residual-add", "Add", 1.9e-4),
  part("embeddings/Add_1", "residual-add", "Add", 1.9e-4),
  part("embeddings/LayerNorm", "layer-norm", norm, 3.1e-4, "LayerNormalization (decomposed)"),
  part("Mask/Unsqueeze", "mover", "Unsqueeze", 0),
  part("Mask/Cast", "cast", "Cast", 0),
  part("Mask/Sub", "operator", "Sub", 0),
  part("Mask/Mul", "operator", "Mul", 0),
];
const block: readonly Part[] = [
  part("attention/query", "linear", "MatMul Add", 2.1e-4),
  part("attention/key", "linear", "MatMul Add", 2.1e-4),
  part("attention/value", "linear", "MatMul Add", 2.1e-4),
  part("attention/Reshape", "mover", "Reshape Transpose", 0),
  part("attention/Reshape_1", "mover", "Reshape Transpose", 0),
  part("attention/Reshape_2", "mover", "Reshape Transpose", 0),
  part("attention/scores", "attention-scores", "MatMul", 2.0e-4),
  part("attention/Softmax", "softmax", "Div Add Softmax", 3.6e-4),
  part("attention/context", "attention-context", "MatMul", 2.0e-4),
  part("attention/Reshape_3", "mover", "Transpose Reshape", 0),
  part("attention/output/dense", "linear", "MatMul Add", 2.3e-4),
  part("attention/output/Add", "residual-add", "Add", 1.9e-4),
  part("attention/output/LayerNorm", "layer-norm", norm, 3.3e-4, "LayerNormalization (decomposed)"),
  part("intermediate/dense", "linear", "MatMul Add", 2.1e-4),
  part("intermediate/Gelu", "gelu", "Div Erf Add Mul Mul", 3.9e-4, "GELU (erf, decomposed)"),
  part("output/dense", "linear", "MatMul Add", 2.4e-4),
  part("output/Add", "residual-add", "Add", 1.9e-4),
  part("output/LayerNorm", "layer-norm", norm, 3.3e-4, "LayerNormalization (decomposed)"),
];
const tail: readonly Part[] = [
  part("pooler/Gather", "mover", "Gather", 0),
  part("pooler/dense", "linear", "Gemm", 2.2e-4),
  part("pooler/Tanh", "activation", "Tanh", 2.0e-4),
  part("classifier", "output-head", "Gemm", 2.2e-4),
];

/** Layers of a BERT of so many blocks, each reading what the one before gives out. */
export function exampleLayers(blocks: number, rename: (name: string) => string): ExampleLayer[] {
  const layers: ExampleLayer[] = [];
  let node = 0;
  let before = "input_ids";
  const add = (prefix: string, p: Part) => {
    const id = rename(`${prefix}${p.name}`);
    const output = rename(`/${prefix}${p.name}/output_0`);
    layers.push({
      id,
      kind: p.kind,
      blockPath: rename(id.includes("/") ? `${prefix}${p.name}`.split("/").slice(0, -1).join("/") : ""),
      title: p.title ?? p.operators.at(0) ?? p.kind,
      nodes: p.operators.map(() => node++),
      operators: p.operators,
      inputs: [before],
      outputs: [output],
      weights: p.kind === "linear" || p.kind === "embedding" || p.kind === "output-head" ? [rename(`${prefix}${p.name}.weight`)] : [],
      rounding: p.rounding,
    });
    before = output;
  };
  for (const p of head) add("bert/", p);
  for (let i = 0; i < blocks; i++) for (const p of block) add(`bert/encoder/layer.${i}/`, p);
  for (const p of tail) add("bert/", p);
  return layers;
}
