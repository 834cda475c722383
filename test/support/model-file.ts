/** Small ONNX models for tests, put together with the message classes of onnx-proto. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import proto from "onnx-proto";
import { afterAll } from "vitest";

const { onnx } = proto;
export type NodeProto = proto.onnx.INodeProto;
export type TensorProto = proto.onnx.ITensorProto;
type Attribute = number | { float: number } | { text: string } | readonly number[] | { tensor: TensorProto };

/** A folder that goes away when the test file is done. Call it at the top level of a test file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "halfscope-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Attributes: whole numbers, lists of them, `{ float }`, `{ text }`, `{ tensor }`. The node is named after its first output. */
export function node(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
  domain = "",
): NodeProto {
  const types = onnx.AttributeProto.AttributeType;
  const attribute = Object.entries(attributes).map(([name, v]): proto.onnx.IAttributeProto => {
    if (typeof v === "number") return { name, type: types.INT, i: v };
    if ("float" in v) return { name, type: types.FLOAT, f: v.float };
    if ("text" in v) return { name, type: types.STRING, s: Buffer.from(v.text) };
    if ("tensor" in v) return { name, type: types.TENSOR, t: v.tensor };
    return { name, type: types.INTS, ints: [...v] };
  });
  return { opType, input: [...inputs], output: [...outputs], name: `node of ${outputs[0]}`, domain, attribute };
}

const bytesOf = (v: ArrayBufferView): Uint8Array => new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
export const floats = (name: string, dims: readonly number[], values: ArrayLike<number>): TensorProto => ({
  name,
  dims: [...dims],
  dataType: 1,
  rawData: bytesOf(Float32Array.from(values)),
});
export const int64s = (name: string, dims: readonly number[], values: readonly number[]): TensorProto => ({
  name,
  dims: [...dims],
  dataType: 7,
  rawData: bytesOf(BigInt64Array.from(values, BigInt)),
});

export interface Face {
  name: string;
  /** ONNX number; 1 (float) by default. */
  elementType?: number;
  dims: readonly (number | string)[];
}
export const valueInfo = ({ name, elementType = 1, dims }: Face): proto.onnx.IValueInfoProto => ({
  name,
  type: {
    tensorType: { elemType: elementType, shape: { dim: dims.map((d) => (typeof d === "string" ? { dimParam: d } : { dimValue: d })) } },
  },
});

export interface ModelParts {
  nodes: readonly NodeProto[];
  inputs: readonly Face[];
  outputs: readonly Face[];
  initializers?: readonly TensorProto[];
  valueInfos?: readonly Face[];
  irVersion?: number;
  opset?: number;
  domains?: Readonly<Record<string, number>>;
}

export function modelBytes(m: ModelParts): Uint8Array {
  return onnx.ModelProto.encode({
    irVersion: m.irVersion ?? 8,
    producerName: "test",
    opsetImport: [
      { domain: "", version: m.opset ?? 17 },
      ...Object.entries(m.domains ?? {}).map(([domain, version]) => ({ domain, version })),
    ],
    graph: {
      name: "graph",
      node: [...m.nodes],
      initializer: [...(m.initializers ?? [])],
      input: m.inputs.map(valueInfo),
      output: m.outputs.map(valueInfo),
      valueInfo: (m.valueInfos ?? []).map(valueInfo),
    },
  }).finish();
}

let count = 0;
/** Writes a model under a fresh name and gives its path. */
export function writeModel(folder: string, model: ModelParts | Uint8Array): string {
  const path = join(folder, `model-${count++}.onnx`);
  writeFileSync(path, model instanceof Uint8Array ? model : modelBytes(model));
  return path;
}

/** Random numbers in [0, 1) by seed (mulberry32): the same on every machine. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
/** A number near the normal distribution from such a source. */
export const normal = (random: () => number): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
