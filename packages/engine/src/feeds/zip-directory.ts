import { badFile, saveAgain } from "./feed-errors.js";
import type { FeedLimits } from "./limits.js";

/** One file of a zip archive, as its central directory declares it. Nothing here has been unpacked. */
export interface ZipEntry {
  readonly name: string;
  readonly deflated: boolean;
  /** The packed bytes. */
  readonly packed: Uint8Array;
  /** Bytes that unpacking must give. */
  readonly size: number;
  readonly crc: number;
}

const endRecord = 0x06054b50;
const endRecord64 = 0x06064b50;
const endLocator64 = 0x07064b50;
const centralHeader = 0x02014b50;
const localHeader = 0x04034b50;
/** Deflate packs at most 258 bytes into 2 bits. */
const largestRatio = 1032;

/**
 * Reads the directory of a zip archive, zip64 included (NumPy always writes it). A reader of our own, because the checksums and the exact
 * places of the data are needed: overlapping entries, impossible sizes and encrypted or unknown methods are refused before anything is
 * unpacked. Errors: ERR_FEED_FILE.
 */
export function readZipDirectory(bytes: Uint8Array, file: string, limits: FeedLimits): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wrong = (expected: string, found: string) => badFile(file, expected, found, saveAgain);
  const end = findEnd(view);
  if (end === undefined)
    throw wrong("a zip archive with a directory at its end", bytes.length === 0 ? "an empty file" : "no such directory");
  const { count, offset, limit } = directoryPlace(view, end, wrong);
  if (count > limits.entries) throw wrong(`at most ${limits.entries} entries`, `${count}`);
  const entries: ZipEntry[] = [];
  const ranges: { name: string; from: number; to: number }[] = [];
  let at = offset;
  for (let i = 0; i < count; i++) {
    if (at + 46 > limit || view.getUint32(at, true) !== centralHeader) throw wrong(`${count} entries in the directory`, `${i}`);
    const [nameLength, extraLength, commentLength] = [
      view.getUint16(at + 28, true),
      view.getUint16(at + 30, true),
      view.getUint16(at + 32, true),
    ];
    const next = at + 46 + nameLength + extraLength + commentLength;
    if (next > limit) throw wrong("directory entries that end inside the directory", "one that does not");
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const sizes = entrySizes(view, at, nameLength, extraLength);
    if (sizes === undefined) throw wrong(`sizes of entry "${name}"`, "an incomplete zip64 record");
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    if (flags & 1) throw badFile(file, "entries that are not encrypted", `"${name}"`, "Save the archive without a password.");
    if (method !== 0 && method !== 8)
      throw badFile(
        file,
        "entries stored or deflated",
        `"${name}" with method ${method}`,
        "Save it with numpy.savez or numpy.savez_compressed.",
      );
    const from = dataStart(view, sizes.local, offset);
    if (from === undefined || !(from + sizes.packed <= offset)) throw wrong(`data of entry "${name}" inside the archive`, "none");
    const possible = method === 0 ? sizes.size === sizes.packed : sizes.size <= sizes.packed * largestRatio;
    if (!possible) throw wrong(`an honest size of entry "${name}"`, `${sizes.size} bytes from ${sizes.packed}`);
    entries.push({
      name,
      deflated: method === 8,
      packed: bytes.subarray(from, from + sizes.packed),
      size: sizes.size,
      crc: view.getUint32(at + 16, true),
    });
    ranges.push({ name, from, to: from + sizes.packed });
    at = next;
  }
  ranges.sort((a, b) => a.from - b.from);
  for (const [i, range] of ranges.entries())
    if (i > 0 && range.from < ranges[i - 1]!.to)
      throw wrong("entries beside each other", `"${range.name}" inside "${ranges[i - 1]!.name}"`);
  return entries;
}

/** The end record, whose comment must reach exactly to the end of the file. */
function findEnd(view: DataView): number | undefined {
  for (let at = view.byteLength - 22; at >= Math.max(0, view.byteLength - 22 - 0xffff); at--)
    if (view.getUint32(at, true) === endRecord && at + 22 + view.getUint16(at + 20, true) === view.byteLength) return at;
  return undefined;
}

function directoryPlace(view: DataView, end: number, wrong: (expected: string, found: string) => Error) {
  let [count, size, offset, limit] = [view.getUint16(end + 10, true), view.getUint32(end + 12, true), view.getUint32(end + 16, true), end];
  if (count === 0xffff || size === 0xffffffff || offset === 0xffffffff) {
    const at = end >= 20 && view.getUint32(end - 20, true) === endLocator64 ? Number(view.getBigUint64(end - 12, true)) : -1;
    if (at < 0 || at + 56 > end || view.getUint32(at, true) !== endRecord64) throw wrong("a zip64 directory record", "none");
    count = Number(view.getBigUint64(at + 32, true));
    size = Number(view.getBigUint64(at + 40, true));
    offset = Number(view.getBigUint64(at + 48, true));
    limit = at;
  }
  if (!(offset + size <= limit)) throw wrong("a directory inside the archive", `${size} bytes at ${offset}`);
  return { count, offset, limit: offset + size };
}

/** Sizes and place of an entry; those that do not fit 32 bits stand in its zip64 extra field, in this order. */
function entrySizes(view: DataView, at: number, nameLength: number, extraLength: number) {
  let [packed, size, local] = [view.getUint32(at + 20, true), view.getUint32(at + 24, true), view.getUint32(at + 42, true)];
  if (packed !== 0xffffffff && size !== 0xffffffff && local !== 0xffffffff) return { packed, size, local };
  const end = at + 46 + nameLength + extraLength;
  for (let extra = at + 46 + nameLength; extra + 4 <= end; extra += 4 + view.getUint16(extra + 2, true)) {
    if (view.getUint16(extra, true) !== 1) continue;
    const stop = extra + 4 + view.getUint16(extra + 2, true);
    let from = extra + 4;
    const wide = (value: number): number => {
      if (value !== 0xffffffff) return value;
      if (from + 8 > Math.min(stop, end)) return Number.NaN;
      from += 8;
      return Number(view.getBigUint64(from - 8, true));
    };
    size = wide(size);
    packed = wide(packed);
    local = wide(local);
    return Number.isNaN(size + packed + local) ? undefined : { packed, size, local };
  }
  return undefined;
}

/** Where an entry's data starts, from its local header; undefined when there is no such header before the directory. */
function dataStart(view: DataView, local: number, directory: number): number | undefined {
  if (local + 30 > directory || view.getUint32(local, true) !== localHeader) return undefined;
  return local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
}
