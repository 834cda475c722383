import type { TensorValue } from "@halfscope/core";
import { inflateSync, zipSync } from "fflate";
import { badFile, saveAgain } from "./feed-errors.js";
import { Budget } from "./limits.js";
import { readNpy, writeNpy } from "./npy.js";
import { readZipDirectory, type ZipEntry } from "./zip-directory.js";

/** Reads a `.npz` archive as `numpy.savez` and `numpy.savez_compressed` write it: tensors by name. Errors: ERR_FEED_FILE. */
export function readNpz(bytes: Uint8Array, file: string, budget = new Budget()): Map<string, TensorValue> {
  const entries = readZipDirectory(bytes, file, budget.limits);
  // Sizes are declared: all of them must fit before the first entry is unpacked.
  budget.require(
    entries.reduce((sum, e) => sum + e.size, 0),
    file,
  );
  const tensors = new Map<string, TensorValue>();
  for (const entry of entries) {
    if (!entry.name.endsWith(".npy"))
      throw badFile(file, "an archive of .npy files", `"${entry.name}"`, "Save the inputs with numpy.savez(file, **{name: array}).");
    const name = entry.name.slice(0, -".npy".length);
    if (tensors.has(name)) throw badFile(file, "every name once", `"${name}" twice`, saveAgain);
    tensors.set(name, readNpy(unpack(entry, file), `${file}, entry "${name}"`, budget));
  }
  if (tensors.size === 0)
    throw badFile(file, "at least one array", "an empty archive", "Save the inputs with numpy.savez(file, **{name: array}).");
  return tensors;
}

function unpack(entry: ZipEntry, file: string): Uint8Array {
  const wrong = (expected: string, found: string, cause?: unknown) =>
    badFile(`${file}, entry "${entry.name}"`, expected, found, saveAgain, cause);
  let data = entry.packed;
  if (entry.deflated)
    try {
      // One byte more than declared, so that a longer stream shows.
      data = inflateSync(entry.packed, { out: new Uint8Array(entry.size + 1) });
    } catch (cause) {
      throw wrong("deflated data", `data that cannot be inflated (${(cause as Error).message})`, cause);
    }
  if (data.length !== entry.size) throw wrong(`${entry.size} bytes`, data.length > entry.size ? "more" : `${data.length}`);
  if (crc32(data) !== entry.crc) throw wrong("data that matches its checksum", "other data");
  return data;
}

/** Writes tensors as a stored `.npz` archive. */
export function writeNpz(tensors: ReadonlyMap<string, TensorValue>): Uint8Array {
  return zipSync(Object.fromEntries([...tensors].map(([name, value]) => [`${name}.npy`, writeNpy(value)])), { level: 0 });
}

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c;
});

/** CRC-32 as zip uses it. `node:zlib` has one from Node 20.15 on; we support 20.0. */
export function crc32(data: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < data.length; i++) c = crcTable[(c ^ data[i]!) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
}
