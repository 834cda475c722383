import { closeSync, openSync, readSync } from "node:fs";
import type { Initializer } from "@halfscope/onnx";
import { numberFromBfloat, roundToBfloat } from "./bfloat.js";
import { numberFromHalf, roundToHalf } from "./half.js";

/** Elements that are looked at: weights that agree in so many are the same. */
const sampled = 64;

/** Whether a weight of a converted model holds the original's values, told by its first elements; FP16 and bfloat16 ones may be rounded or clamped. */
export function sameValues(original: Initializer, converted: Initializer): boolean {
  if (original.dims.join() !== converted.dims.join()) return false;
  const [a, b] = [firstValues(original), firstValues(converted)];
  if (a === undefined || b === undefined) return original.name === converted.name;
  const round = converted.dtype === "bfloat16" ? roundToBfloat : roundToHalf;
  return a.every((x, i) => near(x, b[i] ?? Number.NaN, round));
}

/** Converters clamp what is beyond the range and lift what is below it, each in its own way: such values tell nothing. */
function near(x: number, y: number, round: (x: number) => number): boolean {
  if (Object.is(x, y) || x === y || !(Math.abs(x) < 1e4)) return true;
  return Math.abs(x - y) <= Math.max(1e-6, Math.abs(round(x) - x));
}

function firstValues(init: Initializer): number[] | undefined {
  const width = { float32: 4, float16: 2, bfloat16: 2, int64: 8, int32: 4 }[init.dtype as string];
  if (width === undefined || init.data.kind === "unsupported") return undefined;
  const bytes = init.data.kind === "bytes" ? init.data.bytes.subarray(0, width * sampled) : readStart(init.data.span, width * sampled);
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.byteLength / width) }, (_, i) => {
    if (init.dtype === "float32") return view.getFloat32(4 * i, true);
    if (init.dtype === "float16") return numberFromHalf(view.getUint16(2 * i, true));
    if (init.dtype === "bfloat16") return numberFromBfloat(view.getUint16(2 * i, true));
    return init.dtype === "int64" ? Number(view.getBigInt64(8 * i, true)) : view.getInt32(4 * i, true);
  });
}

function readStart(span: { path: string; offset: number; length: number }, bytes: number): Uint8Array | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(span.path, "r");
    const start = new Uint8Array(Math.min(bytes, span.length));
    return start.subarray(0, readSync(descriptor, start, 0, start.length, span.offset));
  } catch {
    return undefined; // absent: the name then decides
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
