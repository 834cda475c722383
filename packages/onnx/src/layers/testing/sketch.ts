import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Layer } from "@halfscope/core";
import proto from "onnx-proto";
import { type GraphView, viewGraph } from "../../graph-view.js";
import { readModel } from "../../read-model.js";
import type { Model } from "../../types.js";
import { listLayers } from "../list-layers.js";

const { onnx } = proto;

/** How exporters differ in writing one and the same pattern. */
export interface Spelling {
  /** Where one-element constants are kept. */
  readonly constants: "initializers" | "nodes";
  /** Writes the operands of Add and Mul in the other order. */
  readonly swapped: boolean;
}
export const spellings: readonly Spelling[] = (["initializers", "nodes"] as const).flatMap((constants) =>
  [false, true].map((swapped) => ({ constants, swapped })),
);

type AttributeValue = number | string | readonly number[] | { readonly float: number } | { readonly fill: number };
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** A graph written down node by node; every operator returns the name of its first output. Numbers among the inputs become constants. */
export class Sketch {
  private readonly nodes: proto.onnx.INodeProto[] = [];
  private readonly initializers = new Map<string, proto.onnx.ITensorProto>();
  private readonly inputs: proto.onnx.IValueInfoProto[] = [];
  private readonly outputs: proto.onnx.IValueInfoProto[] = [];
  private readonly functions: proto.onnx.IFunctionProto[] = [];
  private count = 0;

  constructor(private readonly spelling: Spelling = { constants: "initializers", swapped: false }) {}

  input(name: string, elementType = 1, dims: readonly (number | string)[] = ["batch", "seq", 8]): string {
    this.inputs.push(valueInfo(name, elementType, dims));
    return name;
  }

  output(...names: readonly string[]): this {
    for (const name of names) this.outputs.push({ name });
    return this;
  }

  /** A float initializer of zeros (element type 1), or of another type. */
  weight(name: string, dims: readonly number[], elementType = 1): string {
    const width = elementType === 7 ? 8 : elementType === 10 ? 2 : elementType === 2 || elementType === 3 ? 1 : 4;
    const rawData = new Uint8Array(dims.reduce((n, d) => n * d, 1) * width);
    this.initializers.set(name, { name, dims: [...dims], dataType: elementType, rawData });
    return name;
  }

  scalar(value: number, dims: readonly number[] = []): string {
    const name = `const_${this.count++}`;
    const tensor = floatTensor(name, value, dims);
    if (this.spelling.constants === "initializers") this.initializers.set(name, tensor);
    else {
      const attribute = [{ name: "value", type: onnx.AttributeProto.AttributeType.TENSOR, t: tensor }];
      this.nodes.push({ opType: "Constant", output: [name], attribute });
    }
    return name;
  }

  ints(...values: readonly number[]): string {
    const name = `ints_${this.count++}`;
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    this.initializers.set(name, { name, dims: [values.length], dataType: 7, rawData });
    return name;
  }

  op(
    opType: string,
    inputs: readonly (string | number)[],
    attributes: Attributes = {},
    more: { name?: string; domain?: string; outputs?: readonly string[] } = {},
  ): string {
    const commutes = (opType === "Add" || opType === "Mul") && this.spelling.swapped;
    const named = inputs.map((i) => (typeof i === "number" ? this.scalar(i) : i));
    const outputs = more.outputs ?? [`t${this.count++}`];
    this.nodes.push({
      opType,
      domain: more.domain ?? "",
      name: more.name ?? "",
      input: commutes ? named.reverse() : named,
      output: [...outputs],
      attribute: Object.entries(attributes).map(([name, value]) => attributeOf(name, value)),
    });
    return outputs[0] ?? "";
  }

  /** An operator that reads a tensor and has weights of its own, so that what comes before it is no output head. */
  consume(...tensors: readonly string[]): this {
    for (const tensor of tensors) this.output(this.op("LSTM", [tensor, this.weight(`recurrent_${this.count}`, [1, 4, 4])]));
    return this;
  }

  /** A local function of the model, without a body. */
  function(domain: string, name: string): this {
    this.functions.push({ domain, name });
    return this;
  }

  /** Lists the layers of the graph, read back from a file. */
  async layers(): Promise<Listed> {
    const folder = mkdtempSync(join(tmpdir(), "halfscope-layers-"));
    try {
      const path = join(folder, "model.onnx");
      const graph = { name: "g", node: this.nodes, input: this.inputs, output: this.outputs, initializer: [...this.initializers.values()] };
      const opsetImport = [{ domain: "", version: 17 }];
      writeFileSync(path, onnx.ModelProto.encode({ irVersion: 8, opsetImport, graph, functions: this.functions }).finish());
      const model = await readModel(path);
      return { model, view: viewGraph(model.graph), layers: listLayers(model) };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

export interface Listed {
  readonly model: Model;
  readonly view: GraphView;
  readonly layers: readonly Layer[];
}

/** Layers other than constants and integer arithmetic, which are beside the point of most tests. */
export const valueLayers = (listed: Listed): readonly Layer[] => listed.layers.filter((l) => l.kind !== "shape");
export const kindsOf = (listed: Listed): readonly string[] => valueLayers(listed).map((l) => l.kind);

/** How many layers of each kind. */
export function countKinds(layers: readonly Layer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of layers) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

const valueInfo = (name: string, elemType: number, dims: readonly (number | string)[]): proto.onnx.IValueInfoProto => ({
  name,
  type: { tensorType: { elemType, shape: { dim: dims.map((d) => (typeof d === "string" ? { dimParam: d } : { dimValue: d })) } } },
});

const floatTensor = (name: string, value: number, dims: readonly number[]): proto.onnx.ITensorProto => ({
  name,
  dims: [...dims],
  dataType: 1,
  rawData: new Uint8Array(Float32Array.of(value).buffer),
});

function attributeOf(name: string, value: AttributeValue): proto.onnx.IAttributeProto {
  const { AttributeType } = onnx.AttributeProto;
  if (typeof value === "number") return { name, type: AttributeType.INT, i: value };
  if (typeof value === "string") return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  if (isList(value)) return { name, type: AttributeType.INTS, ints: [...value] };
  if ("float" in value) return { name, type: AttributeType.FLOAT, f: value.float };
  return { name, type: AttributeType.TENSOR, t: floatTensor("", value.fill, [1]) };
}

const isList = (value: AttributeValue): value is readonly number[] => Array.isArray(value);
