/** The same sample a little changed, so that every rounding behind it falls another way: one measured error is one draw, and this gives the others. */
import { InternalError, isTensorValue, type TensorValue } from "@halfscope/core";
import { type Feed, Random } from "@halfscope/engine";

/**
 * Sample `draw` around `feed`; the same arguments give the same values. FP32 inputs get normal noise of `noise` times their root mean square. Of integers, a share of
 * `noise` (one at least) takes the value of another element of the same input, so that ids stay ids; inputs of fewer than 16 integers (sizes, rates) and all others stay.
 */
export function perturbed(feed: Feed, noise: number, draw: number): Feed {
  const tensors = new Map(feed.tensors);
  for (const [name, value] of feed.tensors) {
    if (!isTensorValue(value)) continue;
    const random = new Random(draw, name);
    if (value.dtype === "float32") tensors.set(name, shaken(value, noise, random));
    else if (value.dtype === "int32" || value.dtype === "int64" || value.dtype === "uint8")
      tensors.set(name, swapped(value, noise, random));
  }
  return { ...feed, tensors };
}

/** A copy that can be written through: a feed's own bytes may be a mapped file. */
const copyOf = (value: TensorValue): Uint8Array<ArrayBuffer> => new Uint8Array(value.data);

function shaken(value: TensorValue, noise: number, random: Random): TensorValue {
  const data = copyOf(value);
  const floats = new Float32Array(data.buffer);
  const rms = Math.sqrt(floats.reduce((sum, x) => sum + x * x, 0) / Math.max(1, floats.length));
  for (let i = 0; i < floats.length; i++) floats[i] = (floats[i] ?? 0) + noise * rms * random.normal();
  return { ...value, data };
}

function swapped(value: TensorValue, noise: number, random: Random): TensorValue {
  const count = value.dims.reduce((a, b) => a * b, 1);
  if (count < 16) return value;
  const width = value.data.byteLength / count;
  if (!Number.isInteger(width)) throw new InternalError(`An input of ${count} elements has ${value.data.byteLength} bytes.`);
  const data = copyOf(value);
  const any = () => width * Math.floor(random.uniform() * count);
  for (let left = Math.max(1, Math.round(noise * count)); left > 0; left--) {
    const from = any();
    data.set(value.data.subarray(from, from + width), any());
  }
  return { ...value, data };
}
