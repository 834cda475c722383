/** Builds the small models of the hazard cases: every node named, every input with the values that show the hazard. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { numberFromDtype, type TensorValue } from "@halfscope/core";
import proto from "onnx-proto";

const { onnx } = proto;
type Attribute = number | readonly number[] | { float: number } | string;

/** Numbers in [0, 1) that are the same on every machine, by name: hashes of a counter. */
export function uniform(name: string, count: number): Float32Array {
  const out = new Float32Array(count);
  for (let i = 0; i < count; ) {
    const block = createHash("sha256").update(`${name} ${i}`).digest();
    for (let at = 0; at < block.length && i < count; at += 4) out[i++] = block.readUInt32LE(at) / 2 ** 32;
  }
  return out;
}

/** Numbers of mean 0 and standard deviation 1: sums of twelve uniform ones, made flat with a cheaper generator where there are many. */
export function bell(name: string, count: number): Float32Array {
  const parts = uniform(name, count * 4);
  return Float32Array.from({ length: count }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < 4; k++) sum += parts[i * 4 + k] ?? 0;
    // Four uniform numbers have the variance 1/3.
    return (sum - 2) * Math.sqrt(3);
  });
}

const valueInfo = (name: string, elemType: number, dims: readonly (number | string)[]): proto.onnx.IValueInfoProto => ({
  name,
  type: { tensorType: { elemType, shape: { dim: dims.map((d) => (typeof d === "number" ? { dimValue: d } : { dimParam: d })) } } },
});

export class CaseGraph {
  private readonly nodes: proto.onnx.INodeProto[] = [];
  private readonly initializers: proto.onnx.ITensorProto[] = [];
  private readonly inputs: { name: string; value: TensorValue; dims: readonly (number | string)[] }[] = [];
  private readonly outputs: proto.onnx.IValueInfoProto[] = [];

  constructor(readonly opset = 13) {}

  /** A float input with its values. `symbols` names axes that are open in the model. */
  input(name: string, dims: readonly number[], values: Float32Array, symbols: Readonly<Record<number, string>> = {}): string {
    const value: TensorValue = { dtype: "float32", dims, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
    this.inputs.push({ name, value, dims: dims.map((d, i) => symbols[i] ?? d) });
    return name;
  }

  /** A boolean or int64 input. */
  flags(name: string, dims: readonly number[], values: readonly boolean[]): string {
    this.inputs.push({ name, value: { dtype: "bool", dims, data: Uint8Array.from(values, Number) }, dims });
    return name;
  }
  integers(name: string, dims: readonly number[], values: readonly number[]): string {
    this.inputs.push({ name, value: { dtype: "int64", dims, data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer) }, dims });
    return name;
  }

  constant(name: string, dims: readonly number[], values: Float32Array | number): string {
    const data = typeof values === "number" ? new Float32Array(dims.reduce((n, d) => n * d, 1)).fill(values) : values;
    this.initializers.push({ name, dims: [...dims], dataType: 1, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) });
    return name;
  }
  shape(name: string, values: readonly number[]): string {
    this.initializers.push({
      name,
      dims: [values.length],
      dataType: 7,
      rawData: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
    });
    return name;
  }

  /** A node; its only output has its name. */
  node(name: string, opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const { INT, INTS, FLOAT, STRING } = onnx.AttributeProto.AttributeType;
    const attribute = Object.entries(attributes).map(([key, value]) => {
      if (typeof value === "number") return { name: key, type: INT, i: value };
      if (typeof value === "string") return { name: key, type: STRING, s: new TextEncoder().encode(value) };
      return "float" in value ? { name: key, type: FLOAT, f: value.float } : { name: key, type: INTS, ints: [...value] };
    });
    this.nodes.push({ name, opType, input: [...inputs], output: [name], attribute });
    return name;
  }

  output(name: string, dims: readonly (number | string)[]): void {
    this.outputs.push(valueInfo(name, 1, dims));
  }

  /** Writes model.onnx, and its inputs as `--feed FOLDER/test_data_set_0` takes them. Returns the model's path. */
  async write(folder: string): Promise<string> {
    const data = join(folder, "test_data_set_0");
    await mkdir(data, { recursive: true });
    for (const [i, { name, value }] of this.inputs.entries()) {
      const tensor = { name, dims: [...value.dims], dataType: numberFromDtype(value.dtype), rawData: value.data };
      await writeFile(join(data, `input_${i}.pb`), onnx.TensorProto.encode(tensor).finish());
    }
    const path = join(folder, "model.onnx");
    const graph: proto.onnx.IGraphProto = {
      name: "case",
      node: this.nodes,
      input: this.inputs.map((i) => valueInfo(i.name, numberFromDtype(i.value.dtype), i.dims)),
      output: this.outputs,
      initializer: this.initializers,
    };
    await writeFile(
      path,
      onnx.ModelProto.encode({
        irVersion: this.opset > 16 ? 8 : 7,
        producerName: "halfscope hazard-models",
        opsetImport: [{ domain: "", version: this.opset }],
        graph,
      }).finish(),
    );
    return path;
  }
}

/** One question to an engine: a model and inputs on which a hazard shows, or shows that it does not. */
export interface HazardCase {
  /** Also the model's folder. */
  id: string;
  group: string;
  /** For people, one line. */
  title: string;
  /** Constants lie beyond the FP16 range: what a plain cast makes of them is looked at too. */
  constantsMatter?: boolean;
  make(): CaseGraph;
}
