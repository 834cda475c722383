import { closeSync, openSync, readSync } from "node:fs";

const chunkBytes = 2 ** 20;
const lineFeed = 0x0a;

/** A line of a file as it lies there. */
export interface Line {
  /** Counted from 1. */
  number: number;
  /** undefined where the bytes are no UTF-8. */
  text: string | undefined;
  /** Offsets in the file; `end` is behind the line feed. */
  start: number;
  end: number;
  /** A line feed ends it: all but the last line have one. */
  ended: boolean;
}

/**
 * Lines of a file that may be of any size, one at a time; empty ones are left out. A file that is not there throws ENOENT. `tooLong` makes the error for a line beyond
 * `mostBytes`, which is never held.
 */
export function* linesOf(path: string, mostBytes: number, tooLong: (line: number) => Error): Generator<Line> {
  const file = openSync(path, "r");
  try {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    let parts: Buffer[] = [];
    let held = 0;
    let start = 0;
    let at = 0;
    let number = 1;
    const line = (ended: boolean): Line => ({ number, text: decoded(Buffer.concat(parts)), start, end: at, ended });
    for (let got = readSync(file, chunk, 0, chunkBytes, null); got > 0; got = readSync(file, chunk, 0, chunkBytes, null)) {
      for (let from = 0; from < got; ) {
        const feed = chunk.subarray(from, got).indexOf(lineFeed);
        const to = feed < 0 ? got : from + feed;
        held += to - from;
        if (held > mostBytes) throw tooLong(number);
        if (to > from) parts.push(Buffer.from(chunk.subarray(from, to)));
        at += to - from;
        from = to;
        if (feed < 0) break;
        at++;
        from++;
        if (held > 0) yield line(true);
        number++;
        parts = [];
        held = 0;
        start = at;
      }
    }
    if (held > 0) yield line(false);
  } finally {
    closeSync(file);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decoded(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
