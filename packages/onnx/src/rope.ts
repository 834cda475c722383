import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CancelledError, InputError, InternalError, UsageError } from "@halfscope/core";
import type { Field, FileSpan } from "./types.js";
import { FileBytes } from "./wire.js";

/** Data of a file span that is changed on its way out, chunk by chunk. `length` is what it gives, for the length prefix. */
export interface Conversion {
  readonly source: FileSpan | Uint8Array;
  readonly length: number;
  /** Source bytes per chunk are a multiple of 64 except in the last one; must give proportionally many bytes. */
  convert(chunk: Uint8Array): Promise<Uint8Array>;
}

/** Bytes to be written: in memory, in another file, or converted from there. Nothing large is ever held. */
export type Piece = Uint8Array | FileSpan | Conversion;
export type Rope = readonly Piece[];

export const ropeLength = (rope: Rope): number => rope.reduce((n, piece) => n + piece.length, 0);

/** A length-delimited field around a rope. */
export function delimitedField(number: number, content: Rope): Rope {
  return [Uint8Array.from([...varint(number * 8 + 2), ...varint(ropeLength(content))]), ...content];
}

/** A field as it stood in its file, byte for byte. */
export const verbatim = (field: Field): Rope => [field.header, field.payload];

export function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

const chunkBytes = 4 << 20;

/**
 * Writes a rope to `path`: first under a temporary name in the same folder, then renamed, so that nobody ever sees half a file.
 * Throws ERR_OUTPUT_NOT_WRITABLE; when it throws, nothing is left behind and an existing file is untouched.
 */
export async function writeRope(
  path: string,
  rope: Rope,
  options: { signal?: AbortSignal | undefined; written?: (bytes: number) => void } = {},
): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString("hex")}.partial`);
  try {
    const handle = await open(temporary, "wx");
    try {
      let total = 0;
      for (const piece of rope)
        for await (const chunk of chunksOf(piece)) {
          if (options.signal?.aborted) throw new CancelledError();
          for (let done = 0; done < chunk.length; ) done += (await handle.write(chunk, done)).bytesWritten;
          total += chunk.length;
          options.written?.(total);
        }
      if (total !== ropeLength(rope)) throw new InternalError(`Wrote ${total} bytes to ${path} where ${ropeLength(rope)} were announced.`);
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === undefined || !/^E[A-Z]+$/.test(code)) throw cause;
    throw new UsageError("ERR_OUTPUT_NOT_WRITABLE", `${path} cannot be written: ${(cause as Error).message}.`, {
      hint: "Choose a folder that exists, is writable and has room.",
      cause,
    });
  }
}

async function* chunksOf(piece: Piece): AsyncGenerator<Uint8Array> {
  if (piece instanceof Uint8Array) yield piece;
  else if (!("convert" in piece)) yield* readSpan(piece);
  else if (piece.source instanceof Uint8Array) yield piece.convert(piece.source);
  else for await (const chunk of readSpan(piece.source)) yield piece.convert(chunk);
}

const unreadable = (span: FileSpan, found: string, cause?: Error): InputError =>
  new InputError("ERR_MODEL_EXTERNAL_DATA", `${span.path}, which holds weights, ${found}.`, {
    hint: "It was there when the model was opened: leave it alone until the work is done.",
    ...(cause && { cause }),
  });

/** The bytes of a span in chunks of 4 MiB. Throws ERR_MODEL_EXTERNAL_DATA when the file has gone or become shorter. */
export async function* readSpan(span: FileSpan): AsyncGenerator<Uint8Array> {
  const handle = await open(span.path, "r").catch((cause: Error) => {
    throw unreadable(span, `cannot be read: ${cause.message}`, cause);
  });
  try {
    for (let at = 0; at < span.length; ) {
      const chunk = new Uint8Array(Math.min(chunkBytes, span.length - at));
      for (let done = 0; done < chunk.length; ) {
        const { bytesRead } = await handle.read(chunk, done, chunk.length - done, span.offset + at + done);
        if (bytesRead === 0) throw unreadable(span, "is shorter than the model says");
        done += bytesRead;
      }
      yield chunk;
      at += chunk.length;
    }
  } finally {
    await handle.close();
  }
}

/** The bytes of a small span at once. */
export function readSpanSync({ path, offset, length }: FileSpan): Uint8Array {
  using file = new FileBytes(path);
  return file.read(offset, length);
}
