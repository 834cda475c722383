import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UsageError } from "@halfscope/core";
import { encodeExternalTensor, encodeTensorHead, encodeValueInfo } from "@halfscope/onnx";
import type { BertGraph } from "./graph.js";
import { dataLength, type TensorSpec } from "./tensors.js";

/** Protobuf cannot hold more in one message. */
const largestMessage = 2 ** 31 - 1;
/** External weights start at multiples of this, so that they can be mapped. */
const alignment = 4096;
/** Values below this size stay in the model file also with external data, as exporters have it. */
const smallTensor = 1024;
const chunkFloats = 1 << 20;

/** Bytes of a file: in memory, or a tensor's values made while they are written. */
export type Piece = Uint8Array | TensorSpec;

export interface ModelFileOptions {
  readonly opset: number;
  readonly irVersion: number;
  readonly external: boolean;
}

/** The bytes of the model file, and of the data file when weights are external, as pieces: nothing large exists yet. */
export function layOut(path: string, graph: BertGraph, options: ModelFileOptions): { model: readonly Piece[]; data: readonly Piece[] } {
  const content: Piece[] = [];
  const data: Piece[] = [];
  let dataEnd = 0;
  const message = (number: number, pieces: readonly Piece[]) => [header(number, lengthOf(pieces)), ...pieces];
  for (const node of graph.nodes) content.push(...message(1, [node]));
  content.push(...message(2, [Buffer.from("main_graph")]));
  for (const tensor of graph.tensors) {
    const length = dataLength(tensor);
    const { name, elementType, dims } = tensor;
    if (options.external && length >= smallTensor) {
      const offset = Math.ceil(dataEnd / alignment) * alignment;
      data.push(new Uint8Array(offset - dataEnd), tensor);
      dataEnd = offset + length;
      content.push(...message(5, [encodeExternalTensor(name, elementType, dims, `${basename(path)}.data`, offset, length)]));
    } else content.push(...message(5, [encodeTensorHead(name, elementType, dims), header(9, length), tensor]));
  }
  for (const name of graph.inputs) content.push(...message(11, [encodeValueInfo(name, 7, ["batch", "sequence"])]));
  for (const { name, dims } of graph.outputs) content.push(...message(12, [encodeValueInfo(name, 1, dims)]));
  const model = [
    Uint8Array.from([8, options.irVersion]),
    ...message(2, [Buffer.from("halfscope make-bert")]),
    ...message(7, content),
    ...message(8, [Uint8Array.from([10, 0, 16, options.opset])]),
  ];
  if (lengthOf(model) > largestMessage)
    throw new UsageError("ERR_OPTION", `The model would have ${lengthOf(model)} bytes; an ONNX file holds at most ${largestMessage}.`, {
      hint: "Use --external to keep the weights in a file of their own.",
    });
  return { model, data };
}

/**
 * Writes files whole or not at all: each under a temporary name in its folder, renamed when all are written. Returns the bytes written in
 * all. When it throws, nothing is left behind.
 */
export async function writeFiles(files: readonly { readonly path: string; readonly pieces: readonly Piece[] }[]): Promise<number> {
  const staged: { path: string; temporary: string }[] = [];
  let total = 0;
  try {
    for (const { path, pieces } of files) {
      await mkdir(dirname(path), { recursive: true });
      const temporary = join(dirname(path), `.${randomBytes(6).toString("hex")}.partial`);
      staged.push({ path, temporary });
      const handle = await open(temporary, "wx");
      try {
        await writePieces(handle, pieces);
      } finally {
        await handle.close();
      }
      total += lengthOf(pieces);
    }
    for (const { path, temporary } of staged) await rename(temporary, path);
    return total;
  } catch (cause) {
    for (const { temporary } of staged) await rm(temporary, { force: true });
    if (!(cause instanceof Error && "syscall" in cause)) throw cause;
    throw new UsageError("ERR_OUTPUT_NOT_WRITABLE", `Cannot write ${staged.at(-1)?.path}: ${cause.message}.`, {
      hint: "Choose a folder that exists or can be made, with enough free space.",
      cause,
    });
  }
}

/** Generates the next chunk while the last one is being written. */
async function writePieces(handle: FileHandle, pieces: readonly Piece[]): Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  const buffers = [new Float32Array(chunkFloats), new Float32Array(chunkFloats)];
  let turn = 0;
  let small: Uint8Array[] = [];
  const put = async (bytes: Uint8Array) => {
    await writing;
    writing = writeAll(handle, bytes);
    // An error is met at the next await; without this it would count as unhandled until then.
    writing.catch(() => {});
  };
  const flush = async () => {
    if (small.length > 0) await put(Buffer.concat(small));
    small = [];
  };
  for (const piece of pieces) {
    const data = piece instanceof Uint8Array ? piece : piece.data;
    if (data instanceof Uint8Array) {
      small.push(data);
      continue;
    }
    await flush();
    const dims = (piece as TensorSpec).dims;
    const columns = dims.at(-1) ?? 1;
    const rows = dims.slice(0, -1).reduce((n, d) => n * d, 1);
    const rowsPerChunk = Math.max(1, Math.floor(chunkFloats / columns));
    const writeRow = data();
    for (let first = 0; first < rows; first += rowsPerChunk) {
      const count = Math.min(rowsPerChunk, rows - first);
      let buffer = buffers[turn]!;
      if (buffer.length < count * columns) buffers[turn] = buffer = new Float32Array(count * columns);
      turn ^= 1;
      for (let r = 0; r < count; r++) writeRow(buffer.subarray(r * columns, (r + 1) * columns), first + r);
      await put(new Uint8Array(buffer.buffer, 0, 4 * count * columns));
    }
  }
  await flush();
  await writing;
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done)).bytesWritten;
}

const lengthOf = (pieces: readonly Piece[]): number =>
  pieces.reduce((n, piece) => n + (piece instanceof Uint8Array ? piece.length : dataLength(piece)), 0);

function header(number: number, length: number): Uint8Array {
  const bytes = [number * 8 + 2];
  let rest = length;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.from([...bytes, rest]);
}
