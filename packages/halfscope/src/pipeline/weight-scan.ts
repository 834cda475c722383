import { CancelledError } from "@halfscope/core";
import { convertToHalf } from "@halfscope/engine";
import { type FileSpan, readSpan } from "@halfscope/onnx";
import type { HalfLoss } from "@halfscope/precision";

/** What FP16 does to the FP32 values in a file or in memory, chunk by chunk; nothing is kept. */
export async function scanWeight(source: FileSpan | Uint8Array, signal?: AbortSignal): Promise<HalfLoss> {
  const loss: HalfLoss = { count: 0, overflowed: 0, flushed: 0, maxAbs: 0 };
  for await (const chunk of source instanceof Uint8Array ? [source] : readSpan(source)) {
    if (signal?.aborted) throw new CancelledError();
    const counts = await convertToHalf(chunk, false);
    loss.count += chunk.length >> 2;
    loss.overflowed += counts.overflowed;
    loss.flushed += counts.flushed;
    // The largest magnitude is only told where something overflows, which is rare: no need to compute it for every weight.
    if (counts.overflowed > 0) loss.maxAbs = Math.max(loss.maxAbs, largestFinite(chunk));
  }
  return loss;
}

function largestFinite(chunk: Uint8Array): number {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  let max = 0;
  for (let at = 0; at + 4 <= chunk.length; at += 4) {
    const x = Math.abs(view.getFloat32(at, true));
    if (x > max && x !== Number.POSITIVE_INFINITY) max = x;
  }
  return max;
}
