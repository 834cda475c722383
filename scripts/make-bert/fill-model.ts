import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError } from "@halfscope/core";
import proto, { type onnx } from "onnx-proto";
import { int64Bytes, type TensorSpec } from "./tensors.js";
import { type Role, rowWriter } from "./weights.js";
import { type Piece, writeFiles } from "./writer.js";

export interface FilledModel {
  readonly path: string;
  /** Initializers that got values. */
  readonly tensors: number;
  /** Bytes of the data files. */
  readonly bytes: number;
}

/**
 * Copies a model whose external data is absent and makes that data: seeded values that suit each initializer's use, so that the model
 * computes something sensible. The model file itself is copied byte for byte. Throws ERR_MODEL_PARSE, ERR_MODEL_EXTERNAL_DATA and
 * ERR_OUTPUT_NOT_WRITABLE.
 */
export async function fillModel(model: string, path: string, seed = 1): Promise<FilledModel> {
  const bytes = await readFile(model);
  const graph = decode(bytes, model);
  const roleOf = roles(graph);
  const files = new Map<string, { offset: number; spec: TensorSpec; length: number }[]>();
  for (const tensor of graph.initializer ?? []) {
    if (tensor.dataLocation !== proto.onnx.TensorProto.DataLocation.EXTERNAL) continue;
    const entry = new Map((tensor.externalData ?? []).map((e) => [e.key, e.value ?? ""]));
    const location = entry.get("location") ?? "";
    if (location === "" || basename(location) !== location)
      throw new InputError("ERR_MODEL_EXTERNAL_DATA", `External data must be a file beside the model, found "${location}".`);
    const spec = specOf(tensor, roleOf(tensor.name ?? ""), seed);
    const length = Number(entry.get("length") ?? spec.dims.reduce((n, d) => n * d, spec.elementType === 7 ? 8 : 4));
    const list = files.get(location) ?? [];
    files.set(location, list);
    list.push({ offset: Number(entry.get("offset") ?? 0), spec, length });
  }
  const data = [...files].map(([location, entries]) => ({ path: join(dirname(path), location), pieces: contiguous(entries) }));
  const written = await writeFiles([...data, { path, pieces: [bytes] }]);
  const tensors = [...files.values()].reduce((n, list) => n + list.length, 0);
  return { path, tensors, bytes: written - bytes.length };
}

function decode(bytes: Uint8Array, path: string): onnx.IGraphProto {
  try {
    const { graph } = proto.onnx.ModelProto.decode(bytes);
    if (graph) return graph;
  } catch (cause) {
    throw new InputError("ERR_MODEL_PARSE", `${path} is not an ONNX model.`, { cause });
  }
  throw new InputError("ERR_MODEL_PARSE", `${path} holds no graph.`);
}

/** Values in the order of the file, gaps as zeros. */
function contiguous(entries: { offset: number; spec: TensorSpec; length: number }[]): Piece[] {
  let end = 0;
  return entries
    .toSorted((a, b) => a.offset - b.offset)
    .flatMap(({ offset, spec, length }): Piece[] => {
      const gap = new Uint8Array(offset - end);
      end = offset + length;
      return [gap, spec];
    });
}

function specOf(tensor: onnx.ITensorProto, role: Role, seed: number): TensorSpec {
  const name = tensor.name ?? "";
  const dims = (tensor.dims ?? []).map(Number);
  const columns = dims.at(-1) ?? 1;
  const rows = dims.slice(0, -1).reduce((n, d) => n * d, 1);
  if (tensor.dataType === 7) {
    const ramp = Array.from({ length: rows * columns }, (_, i) => i % columns);
    return { key: name, name, elementType: 7, dims, data: int64Bytes(ramp) };
  }
  if (tensor.dataType !== 1)
    throw new InputError("ERR_MODEL_UNSUPPORTED", `Only float and int64 initializers can be filled; ${name} has type ${tensor.dataType}.`);
  return { key: name, name, elementType: 1, dims, data: rowWriter(seed, name, role, columns, rows, []) };
}

/** Guesses from the consumers of an initializer what it is for. Exporters share equal vectors, so one may serve many purposes. */
function roles(graph: onnx.IGraphProto): (initializer: string) => Role {
  const nodes = graph.node ?? [];
  const producers = new Map(nodes.flatMap((n) => (n.output ?? []).map((o) => [o, n] as const)));
  const users = new Map<string, { node: onnx.INodeProto; index: number }[]>();
  for (const node of nodes)
    for (const [index, input] of (node.input ?? []).entries()) users.set(input, [...(users.get(input) ?? []), { node, index }]);
  /** What uses a tensor, also through Identity. */
  const usersOf = (tensor: string): { node: onnx.INodeProto; index: number }[] =>
    (users.get(tensor) ?? []).flatMap((u) => (u.node.opType === "Identity" ? usersOf(u.node.output?.[0] ?? "") : [u]));
  /** The operator that made a tensor, past those that only move values. */
  const madeBy = (tensor: string): string => {
    const node = producers.get(tensor);
    const moves = node !== undefined && ["Reshape", "Transpose", "Identity"].includes(node.opType ?? "");
    return moves ? madeBy(node.input?.[0] ?? "") : (node?.opType ?? "");
  };
  const dims = new Map((graph.initializer ?? []).map((t) => [t.name ?? "", (t.dims ?? []).map(Number)]));
  return (name) => {
    const used = usersOf(name);
    const shape = dims.get(name) ?? [];
    if (used.some((u) => u.node.opType === "LayerNormalization" && u.index === 1)) return { kind: "gain", residual: false, outlierGain: 1 };
    if (used.some((u) => u.node.opType === "Gather")) return { kind: "embedding", std: (shape[0] ?? 0) > 4096 ? 0.04 : 0.02 };
    if (shape.length < 2) return { kind: "bias", std: 0.03 };
    const product = used.find((u) => u.node.opType === "MatMul");
    const origin = madeBy(product?.node.input?.[0] ?? "");
    if (["MatMul", "Attention"].includes(origin)) return { kind: "matrix", std: 0.01, rows: "heads" };
    if (["Mul", "Gelu"].includes(origin)) return { kind: "matrix", std: 0.02, rows: "hidden" };
    return { kind: "matrix", std: 0.04, rows: "residual" };
  };
}
