/** Random models of a few dozen layers for benches: the layers of networks (products, normalizations, attention, gates, residual sums), each of its own noise. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Random } from "@halfscope/engine";
import proto, { type onnx as Onnx } from "onnx-proto";

const { onnx } = proto;
const [tokens, width] = [6, 16];

/** Writes a model of about `layers` layers and gives its path. The same seed gives the same file. */
export async function seededModel(folder: string, seed: number, layers: number): Promise<string> {
  const random = new Random(seed);
  const nodes: Onnx.INodeProto[] = [];
  const initializers: Onnx.ITensorProto[] = [];
  const normal = () => {
    let sum = 0;
    for (let i = 0; i < 12; i++) sum += random.uniform();
    return sum - 6;
  };
  const weight = (dims: readonly number[], value: () => number): string => {
    const name = `w${initializers.length}`;
    const values = Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, value);
    initializers.push({ name, dims: [...dims], dataType: 1, rawData: new Uint8Array(values.buffer) });
    return name;
  };
  const node = (opType: string, inputs: readonly string[], attribute: Onnx.IAttributeProto[] = []): string => {
    const output = `t${nodes.length}`;
    nodes.push({ opType, name: `n${nodes.length}`, input: [...inputs], output: [output], attribute });
    return output;
  };
  const integer = (name: string, i: number): Onnx.IAttributeProto => ({ name, type: onnx.AttributeProto.AttributeType.INT, i });
  const known = ["x"];
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.uniform() * from.length)] as T;
  const recent = () => known.at(-1 - Math.floor(random.uniform() ** 2 * Math.min(4, known.length))) as string;
  const linear = (from: string) =>
    node("Add", [node("MatMul", [from, weight([width, width], () => normal() / 4)]), weight([width], () => 0.1 * normal())]);
  const norm = (from: string) =>
    node("LayerNormalization", [from, weight([width], () => 1 + 0.1 * normal()), weight([width], () => 0.1 * normal())]);
  // Values beside a large number that goes away again: what FP16 loses there is many times what it loses elsewhere.
  const noisy = (from: string) => {
    const offset = 10 ** (0.5 + 1.8 * random.uniform());
    return node("Sub", [node("Add", [from, weight([1], () => offset)]), weight([1], () => offset)]);
  };
  const kinds: readonly ((from: string) => string)[] = [
    linear,
    (from) => norm(linear(from)),
    norm,
    (from) => node(pick(["Tanh", "Sigmoid", "Erf"]), [linear(from)]),
    (from) => node("Add", [from, recent()]),
    (from) => node("Mul", [from, node("Sigmoid", [linear(recent())])]),
    (from) => node("MatMul", [node("Softmax", [node("MatMul", [from, node("Transpose", [recent()])])], [integer("axis", -1)]), recent()]),
    noisy,
    (from) => node("Mul", [from, weight([width], () => 1 + normal())]),
    (from) => node("Relu", [linear(from)]),
  ];
  while (nodes.length < layers) known.push(pick(kinds)(recent()));
  const outputs = [known.at(-1) as string, ...(random.uniform() < 0.3 ? [pick(known.slice(1))] : [])];
  const face = (name: string): Onnx.IValueInfoProto => ({
    name,
    type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: tokens }, { dimValue: width }] } } },
  });
  const model = onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: { name: "seeded", node: nodes, input: [face("x")], output: [...new Set(outputs)].map(face), initializer: initializers },
  }).finish();
  const path = join(folder, `seeded-${seed}-${layers}.onnx`);
  await writeFile(path, model);
  return path;
}
