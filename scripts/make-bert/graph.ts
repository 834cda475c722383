import { Builder } from "./builder.js";
import type { BertConfig } from "./config.js";
import type { TensorSpec } from "./tensors.js";
import type { MatrixRows } from "./weights.js";

export interface BertGraph {
  /** NodeProto bytes in topological order. */
  readonly nodes: readonly Uint8Array[];
  readonly tensors: readonly TensorSpec[];
  readonly inputs: readonly string[];
  readonly outputs: readonly { readonly name: string; readonly dims: readonly (string | number)[] }[];
}

/** Key of the constant that fills masked positions, for planted faults. */
export const maskConstantKey = "mask-constant";

/** The graph of a BERT encoder as PyTorch's TorchScript exporter writes it (constants as initializers, dynamic batch and sequence). */
export function buildGraph(config: BertConfig): BertGraph {
  const b = new Builder(config);
  const mask = additiveMask(b);
  let x = embeddings(b);
  for (let i = 0; i < config.layers; i++) x = encoderLayer(b, i, x, mask, config.head === "none" && i === config.layers - 1);
  if (config.head === "qa") qaHead(b, x);
  const logits = ["start_logits", "end_logits"].map((name) => ({ name, dims: ["batch", "sequence"] }));
  return {
    nodes: b.nodes,
    tensors: b.tensors,
    inputs: ["input_ids", "attention_mask", "token_type_ids"],
    outputs: config.head === "qa" ? logits : [{ name: "last_hidden_state", dims: ["batch", "sequence", config.hidden] }],
  };
}

/** (1 - mask) * constant, shape [batch, 1, 1, sequence]: 0 where attention is allowed. */
function additiveMask(b: Builder): string {
  const rank3 = b.node("", "Unsqueeze", ["attention_mask", b.integers("", [1])]);
  const rank4 = b.node("", "Unsqueeze", [rank3, b.integers("", [2])]);
  const float = b.node("", "Cast", [rank4], { to: 1 });
  const inverted = b.node("", "Sub", [b.scalar("", 1), float]);
  return b.node("", "Mul", [inverted, b.scalar("", -10000, maskConstantKey)]);
}

function embeddings(b: Builder): string {
  const { hidden, vocab, maxPosition } = b.config;
  const scope = "/embeddings";
  const table = (name: string, rows: number, std: number) =>
    b.parameter(`embeddings.${name}_embeddings.weight`, [rows, hidden], { kind: "embedding", std });
  const shape = b.node(scope, "Shape", ["input_ids"]);
  const length = b.node(scope, "Gather", [shape, b.integers(scope, [1], [])], { axis: 0 });
  const end = b.node(scope, "Unsqueeze", [length, b.integers(scope, [0])]);
  const positions = b.buffer(
    "embeddings.position_ids",
    Array.from({ length: maxPosition }, (_, i) => i),
    [1, maxPosition],
  );
  const ids = b.node(scope, "Slice", [positions, b.integers(scope, [0]), end, b.integers(scope, [1]), b.integers(scope, [1])]);
  const word = b.node(`${scope}/word_embeddings`, "Gather", [table("word", vocab, 0.04), "input_ids"]);
  const type = b.node(`${scope}/token_type_embeddings`, "Gather", [table("token_type", 2, 0.01), "token_type_ids"]);
  const sum = b.node(scope, "Add", [word, type]);
  const position = b.node(`${scope}/position_embeddings`, "Gather", [table("position", maxPosition, 0.02), ids]);
  return layerNorm(b, `${scope}/LayerNorm`, b.node(scope, "Add", [sum, position]), "embeddings");
}

function encoderLayer(b: Builder, index: number, x: string, mask: string, last: boolean): string {
  const { hidden, ffn } = b.config;
  const scope = `/encoder/layer.${index}`;
  const context = selfAttention(b, `${scope}/attention/self`, x, mask);
  const attended = linear(b, `${scope}/attention/output/dense`, context, [hidden, hidden], 0.011, "heads");
  const middle = layerNorm(b, `${scope}/attention/output/LayerNorm`, b.node(`${scope}/attention/output`, "Add", [attended, x]), "encoder");
  const inner = gelu(
    b,
    `${scope}/intermediate/intermediate_act_fn`,
    linear(b, `${scope}/intermediate/dense`, middle, [hidden, ffn], 0.04, "residual"),
  );
  const outer = linear(b, `${scope}/output/dense`, inner, [ffn, hidden], 0.02, "hidden");
  const sum = b.node(`${scope}/output`, "Add", [outer, middle]);
  return layerNorm(b, `${scope}/output/LayerNorm`, sum, "encoder", last ? "last_hidden_state" : undefined);
}

function selfAttention(b: Builder, scope: string, x: string, mask: string): string {
  const { hidden, heads } = b.config;
  const size = hidden / heads;
  const project = (name: string, std: number) => linear(b, `${scope}/${name}`, x, [hidden, hidden], std, "residual");
  const split = (y: string, perm: readonly number[]) =>
    b.node(scope, "Transpose", [b.node(scope, "Reshape", [y, b.integers(scope, [0, 0, heads, size])])], { perm });
  const query = project("query", 0.05);
  const key = split(project("key", 0.05), [0, 2, 3, 1]);
  const value = split(project("value", 0.03), [0, 2, 1, 3]);
  const products = b.node(scope, "MatMul", [split(query, [0, 2, 1, 3]), key]);
  const scores = b.node(scope, "Add", [b.node(scope, "Div", [products, b.scalar(scope, Math.sqrt(size))]), mask]);
  const weights = b.node(scope, "Softmax", [scores], { axis: -1 });
  const merged = b.node(scope, "Transpose", [b.node(scope, "MatMul", [weights, value])], { perm: [0, 2, 1, 3] });
  return b.node(scope, "Reshape", [merged, b.integers(scope, [0, 0, hidden])]);
}

function gelu(b: Builder, scope: string, x: string): string {
  const erf = b.node(scope, "Erf", [b.node(scope, "Div", [x, b.scalar(scope, Math.SQRT2)])]);
  const gate = b.node(scope, "Add", [erf, b.scalar(scope, 1)]);
  return b.node(scope, "Mul", [b.node(scope, "Mul", [x, gate]), b.scalar(scope, 0.5)]);
}

/** x W + b. `std` is what the weights would have at fan-in 1024. */
function linear(b: Builder, scope: string, x: string, dims: readonly [number, number], std: number, rows: MatrixRows): string {
  const key = scope.slice(1).replaceAll("/", ".");
  const product = b.node(scope, "MatMul", [x, b.parameter(`${key}.weight`, dims, { kind: "matrix", std, rows })]);
  return b.node(scope, "Add", [b.parameter(`${key}.bias`, [dims[1]], { kind: "bias", std: 0.03 }), product]);
}

function layerNorm(b: Builder, scope: string, x: string, where: "embeddings" | "encoder", output?: string): string {
  const key = scope.slice(1).replaceAll("/", ".");
  const [outlierGain, outlierShare] = where === "embeddings" ? [0.8, 0.8] : [0.5, 0.5];
  const { hidden } = b.config;
  const gain = b.parameter(`${key}.weight`, [hidden], { kind: "gain", residual: true, outlierGain });
  const bias = b.parameter(`${key}.bias`, [hidden], { kind: "norm-bias", residual: true, outlierShare });
  const attributes = { axis: -1, epsilon: { float: 1e-12 } };
  if (b.config.style === "layernorm") return b.node(scope, "LayerNormalization", [x, gain, bias], attributes, output);
  const reduce = { axes: [-1], keepdims: 1 };
  const centred = b.node(scope, "Sub", [x, b.node(scope, "ReduceMean", [x], reduce)]);
  const variance = b.node(scope, "ReduceMean", [b.node(scope, "Pow", [centred, b.scalar(scope, 2)])], reduce);
  const deviation = b.node(scope, "Sqrt", [b.node(scope, "Add", [variance, b.scalar(scope, 1e-12)])]);
  const scaled = b.node(scope, "Mul", [b.node(scope, "Div", [centred, deviation]), gain]);
  return b.node(scope, "Add", [scaled, bias], {}, output);
}

function qaHead(b: Builder, x: string): void {
  const logits = linear(b, "/qa_outputs", x, [b.config.hidden, 2], 0.06, "residual");
  b.split("", "Split", [logits, b.integers("", [1, 1])], { axis: -1 }, ["/Split_output_0", "/Split_output_1"]);
  const axis = b.integers("", [-1]);
  b.node("", "Squeeze", ["/Split_output_0", axis], {}, "start_logits");
  b.node("", "Squeeze", ["/Split_output_1", axis], {}, "end_logits");
}
