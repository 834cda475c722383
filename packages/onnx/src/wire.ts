import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { InputError } from "@halfscope/core";
import protobuf from "protobufjs/minimal.js";
import type { Field, FileSpan } from "./types.js";

/** Payloads of at least this many bytes stay in the file when they are tensor data. */
export const largeDataBytes = 1024;

/** A field located in a file, nothing read of its payload yet. */
export interface FieldLocation {
  readonly number: number;
  readonly wireType: number;
  readonly headerOffset: number;
  readonly payloadOffset: number;
  readonly payloadLength: number;
}

/**
 * How much of a file may be read into memory as structure: nodes, constants inside them, functions. Weights do not count, they stay in the file. A protobuf
 * message ends at 2 GB, so no other program loads more either.
 */
export const structureLimit = 2 ** 31 - 1;

/** Reads a model file by ranges, through a small window, so that skipping a weight costs nothing. */
export class FileBytes implements Disposable {
  readonly sizeBytes: number;
  private readonly descriptor: number;
  private window: Uint8Array = new Uint8Array(0);
  private windowOffset = 0;
  private structureBytes = 0;

  constructor(readonly path: string) {
    this.descriptor = openSync(path, "r");
    this.sizeBytes = fstatSync(this.descriptor).size;
  }

  /** Bytes [offset, offset + length); throws ERR_MODEL_PARSE when the file is shorter. */
  read(offset: number, length: number): Uint8Array {
    if (offset + length > this.sizeBytes) throw truncated(this.path, offset + length, this.sizeBytes);
    const inside = offset - this.windowOffset;
    if (inside >= 0 && inside + length <= this.window.length) return this.window.slice(inside, inside + length);
    const bytes = new Uint8Array(length);
    this.fill(bytes, offset);
    return bytes;
  }

  /** Iterates over the fields of the message at [start, end) without reading payloads. */
  *fields(start: number, end: number): Generator<FieldLocation> {
    for (let at = start; at < end; ) {
      const header = this.peek(at, Math.min(20, end - at));
      const tag = varintAt(header, 0);
      const wireType = tag === undefined ? -1 : tag.value & 7;
      const number = tag === undefined ? 0 : Math.floor(tag.value / 8);
      if (tag === undefined || number === 0) throw notProtobuf(this.path, at);
      let payloadOffset = at + tag.length;
      let payloadLength: number;
      if (wireType === 2) {
        const size = varintAt(header, tag.length);
        if (size === undefined) throw notProtobuf(this.path, at);
        payloadOffset += size.length;
        payloadLength = size.value;
      } else if (wireType === 0) {
        const value = varintAt(header, tag.length);
        if (value === undefined) throw notProtobuf(this.path, at);
        payloadLength = value.length;
      } else if (wireType === 1) payloadLength = 8;
      else if (wireType === 5) payloadLength = 4;
      else throw notProtobuf(this.path, at);
      if (payloadOffset + payloadLength > end) throw truncated(this.path, payloadOffset + payloadLength, end);
      yield { number, wireType, headerOffset: at, payloadOffset, payloadLength };
      at = payloadOffset + payloadLength;
    }
  }

  /** The field with its payload in memory, or left in the file. */
  field(location: FieldLocation, payload: "read" | "leave"): Field {
    const { number, wireType, headerOffset, payloadOffset, payloadLength } = location;
    return {
      number,
      wireType,
      header: this.read(headerOffset, payloadOffset - headerOffset),
      payload: payload === "read" ? this.structure(payloadOffset, payloadLength) : this.span(payloadOffset, payloadLength),
    };
  }

  span(offset: number, length: number): FileSpan {
    return { path: this.path, offset, length };
  }

  [Symbol.dispose](): void {
    closeSync(this.descriptor);
  }

  private structure(offset: number, length: number): Uint8Array {
    this.structureBytes += length;
    if (this.structureBytes > structureLimit)
      throw new InputError(
        "ERR_MODEL_UNSUPPORTED",
        `${this.path} has more than 2 GB of structure (nodes, constants inside nodes, functions); found ${this.structureBytes} bytes and more.`,
        {
          hint: "Save large constants as external data (onnx.save with save_as_external_data=True and convert_attribute=True).",
          context: { found: this.structureBytes, limit: structureLimit },
        },
      );
    return this.read(offset, length);
  }

  private peek(offset: number, length: number): Uint8Array {
    const inside = offset - this.windowOffset;
    if (inside < 0 || inside + length > this.window.length) {
      this.window = new Uint8Array(Math.min(1 << 16, this.sizeBytes - offset));
      this.windowOffset = offset;
      this.fill(this.window, offset);
    }
    return this.window.subarray(offset - this.windowOffset, offset - this.windowOffset + length);
  }

  private fill(bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length; ) {
      const n = readSync(this.descriptor, bytes, done, bytes.length - done, offset + done);
      if (n === 0) throw truncated(this.path, offset + bytes.length, offset + done);
      done += n;
    }
  }
}

/** Fields of a message that is in memory. `where` names it in errors. */
export function fieldsOf(bytes: Uint8Array, where: string): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = varintAt(bytes, at);
    if (tag === undefined || tag.value < 8) throw notProtobuf(where, at);
    const wireType = tag.value & 7;
    let start = at + tag.length;
    let length: number | undefined;
    if (wireType === 2) {
      const size = varintAt(bytes, start);
      if (size !== undefined) {
        start += size.length;
        length = size.value;
      }
    } else if (wireType === 0) length = varintAt(bytes, start)?.length;
    else if (wireType === 1) length = 8;
    else if (wireType === 5) length = 4;
    if (length === undefined) throw notProtobuf(where, at);
    if (start + length > bytes.length) throw truncated(where, start + length, bytes.length);
    fields.push({
      number: Math.floor(tag.value / 8),
      wireType,
      header: bytes.subarray(at, start),
      payload: bytes.subarray(start, start + length),
    });
    at = start + length;
  }
  return fields;
}

// A byte order mark belongs to a name like any other character.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
export const bytesOf = (field: Field): Uint8Array => {
  if (field.payload instanceof Uint8Array) return field.payload;
  throw new TypeError(`field ${field.number} was left in the file`);
};
export const textOf = (field: Field): string => decoder.decode(bytesOf(field));
/** A varint field as a signed 64-bit number (exact up to 2^53). */
export const intOf = (field: Field): number => signedVarints(bytesOf(field))[0] ?? 0;
export const floatOf = (field: Field): number => view(whole(field, 4)).getFloat32(0, true);
/** Repeated integers: packed or one by one. */
export const intsOf = (field: Field): number[] => signedVarints(bytesOf(field));
/** Repeated floats: packed or one by one. */
export function floatsOf(field: Field): number[] {
  const bytes = whole(field, 4);
  return Array.from({ length: bytes.length >> 2 }, (_, i) => view(bytes).getFloat32(4 * i, true));
}

export const view = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** Repeated integers with all 64 bits: a Slice's end is often the largest of them, which a number cannot hold. */
export const bigIntsOf = (field: Field): bigint[] => varints(bytesOf(field)).map((text) => BigInt(text));

const signedVarints = (bytes: Uint8Array): number[] => varints(bytes).map(Number);

/** Signed decimal texts, as protobufjs gives them for 64 bits. */
function varints(bytes: Uint8Array): string[] {
  const reader = protobuf.Reader.create(bytes);
  const values: string[] = [];
  try {
    while (reader.pos < reader.len) values.push(reader.int64().toString());
  } catch {
    throw notProtobuf("a list of integers", reader.pos);
  }
  return values;
}

function varintAt(bytes: Uint8Array, at: number): { value: number; length: number } | undefined {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value += (byte & 127) * scale;
    if (byte < 128) return { value, length: i + 1 };
    scale *= 128;
  }
  return undefined;
}

const truncated = (path: string, expected: number, found: number): InputError =>
  new InputError("ERR_MODEL_PARSE", `${path} ends too early: its structure announces ${expected} bytes, but there are only ${found}.`, {
    hint: "The file is probably an unfinished download or copy; fetch it again.",
    context: { expected, found },
  });

/** A field's bytes, which must be a non-zero number of elements of `width` bytes, or none in a packed list. */
function whole(field: Field, width: number): Uint8Array {
  const bytes = bytesOf(field);
  if (bytes.length % width === 0 && (bytes.length > 0 || field.wireType === 2)) return bytes;
  throw notProtobuf("a list of numbers", bytes.length);
}

export const notProtobuf = (path: string, offset: number): InputError =>
  new InputError("ERR_MODEL_PARSE", `${path} is not an ONNX model: no protobuf field was found at byte ${offset}.`, {
    hint: "Give the .onnx file itself (not an archive, a checkpoint or a text file).",
    context: { offset },
  });
