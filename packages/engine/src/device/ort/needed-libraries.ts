import { closeSync, openSync, readSync } from "node:fs";

/** ELF numbers (elf.h): program headers of segments that are loaded and of the dynamic section; entries of that section. */
const segment = { load: 1, dynamic: 2 } as const;
const entry = { end: 0, needed: 1, strings: 5 } as const;
/** More than any library has; a file that says otherwise is damaged. */
const most = { headers: 1000, dynamicBytes: 2 ** 20, nameBytes: 256 } as const;

/**
 * Names of the libraries that a library is linked with, as its file says them ("libcudart.so.13"), in its order; the loader looks for each. Nothing is loaded. Undefined for what is
 * no 64-bit little-endian ELF library, and where the file cannot be read.
 */
export function neededLibraries(path: string): readonly string[] | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    return read(file);
  } catch {
    return undefined; // damaged: an offset beyond the file, or one that is no number
  } finally {
    closeSync(file);
  }
}

function read(file: number): string[] | undefined {
  const at = (offset: number, length: number): DataView => {
    const bytes = new Uint8Array(length);
    const found = readSync(file, bytes, 0, length, offset);
    return new DataView(bytes.buffer, 0, found);
  };
  const header = at(0, 64);
  if (header.getUint32(0) !== 0x7f454c46 || header.getUint8(4) !== 2 || header.getUint8(5) !== 1) return undefined;
  const number = (view: DataView, offset: number) => Number(view.getBigUint64(offset, true));
  const [start, size, count] = [number(header, 32), header.getUint16(54, true), header.getUint16(56, true)];
  if (count > most.headers) return undefined;
  const segments = Array.from({ length: count }, (_, i) => {
    const view = at(start + i * size, 56);
    return { type: view.getUint32(0, true), offset: number(view, 8), address: number(view, 16), bytes: number(view, 32) };
  });
  const dynamic = segments.find((s) => s.type === segment.dynamic);
  if (dynamic === undefined || dynamic.bytes > most.dynamicBytes) return undefined;
  const section = at(dynamic.offset, dynamic.bytes);
  const needed: number[] = [];
  let strings: number | undefined;
  for (let i = 0; i + 16 <= section.byteLength; i += 16) {
    const tag = number(section, i);
    if (tag === entry.end) break;
    if (tag === entry.needed) needed.push(number(section, i + 8));
    if (tag === entry.strings) strings = number(section, i + 8);
  }
  const home = segments.find(
    (s) => s.type === segment.load && strings !== undefined && strings >= s.address && strings < s.address + s.bytes,
  );
  if (strings === undefined || home === undefined) return undefined;
  const table = strings - home.address + home.offset;
  return needed.map((offset) => {
    const view = at(table + offset, most.nameBytes);
    const bytes = new Uint8Array(view.buffer, 0, view.byteLength);
    const end = bytes.indexOf(0);
    return new TextDecoder("latin1").decode(end < 0 ? bytes : bytes.subarray(0, end));
  });
}
