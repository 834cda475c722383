import { CancelledError } from "@halfscope/core";
import { convertToHalf } from "@halfscope/engine";
import { type FileSpan, readSpan } from "@halfscope/onnx";
import { type HalfLoss, minNormalHalf, roundToHalf } from "@halfscope/precision";

type Source = FileSpan | Uint8Array;
const chunksOf = (source: Source) => (source instanceof Uint8Array ? [source] : readSpan(source));

/** What FP16 does to the FP32 values in a file or in memory, chunk by chunk; nothing is kept. */
export async function scanWeight(source: Source, signal?: AbortSignal): Promise<HalfLoss> {
  const loss: HalfLoss = { count: 0, overflowed: 0, flushed: 0, maxAbs: 0, lostShare: 0 };
  let harmless = true;
  for await (const chunk of chunksOf(source)) {
    if (signal?.aborted) throw new CancelledError();
    const counts = await convertToHalf(chunk, false);
    loss.count += chunk.length >> 2;
    loss.overflowed += counts.overflowed;
    loss.flushed += counts.flushed;
    // The largest magnitude is only told where something overflows, which is rare: no need to compute it for every weight.
    if (counts.overflowed > 0) loss.maxAbs = Math.max(loss.maxAbs, largestFinite(chunk));
    harmless &&= counts.flushed + counts.subnormal === 0 || losesLittle(chunk);
  }
  // A second look at the few weights that may lose something: the first one would cost every weight a second pass.
  if (!harmless) loss.lostShare = await lostShareOf(source, signal);
  return loss;
}

/** Largest share of the squared norm that is not worth a second look. */
const littleShare = 1e-7;
/** Squared error of a value below the smallest normal number is at most (2^-25)^2: half of the distance between subnormal numbers. */
const worstError = 2 ** -50;

/** Whether the squared norm is so large that the worst that can happen to small values is no matter. Ordinary weights show it after a few values. */
function losesLittle(chunk: Uint8Array): boolean {
  const values = floatsIn(chunk);
  const enough = (values.length * worstError) / littleShare;
  let sum = 0;
  for (const x of values) {
    sum += x * x;
    if (sum >= enough) return true;
  }
  return false;
}

/** Squared error of the values below the smallest normal FP16 number relative to the squared norm of the finite values. */
async function lostShareOf(source: Source, signal: AbortSignal | undefined): Promise<number> {
  let lost = 0;
  let sum = 0;
  for await (const chunk of chunksOf(source)) {
    if (signal?.aborted) throw new CancelledError();
    for (const x of floatsIn(chunk)) {
      if (!Number.isFinite(x)) continue;
      sum += x * x;
      if (Math.abs(x) < minNormalHalf && x !== 0) lost += (x - roundToHalf(x)) ** 2;
    }
  }
  return sum === 0 ? 0 : lost / sum;
}

/** The values, copied only where they do not lie on a multiple of four bytes. All machines that the addon is built for are little-endian. */
const floatsIn = (chunk: Uint8Array): Float32Array => {
  const whole = chunk.length - (chunk.length % 4);
  return chunk.byteOffset % 4 === 0
    ? new Float32Array(chunk.buffer, chunk.byteOffset, whole / 4)
    : new Float32Array(chunk.slice(0, whole).buffer);
};

function largestFinite(chunk: Uint8Array): number {
  let max = 0;
  for (const x of floatsIn(chunk)) {
    const magnitude = Math.abs(x);
    if (magnitude > max && magnitude !== Number.POSITIVE_INFINITY) max = magnitude;
  }
  return max;
}
