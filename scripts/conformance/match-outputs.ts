/** How outputs are held against those that came with a model, and against each other bit by bit. */
import type { DType, TensorValue } from "@halfscope/core";
import { elementsOf } from "@halfscope/engine";

/** |found - expected| <= absolute + relative * |expected|, as numpy.testing.assert_allclose has it. */
interface Tolerance {
  relative: number;
  absolute: number;
}

/** rtol 1e-3, atol 1e-7 are those of ONNX's own test runner; 16-bit floats get two units in their last place. Everything else is exact. */
const tolerances: Partial<Record<DType, Tolerance>> = {
  float32: { relative: 1e-3, absolute: 1e-7 },
  float64: { relative: 1e-3, absolute: 1e-7 },
  float16: { relative: 2 ** -9, absolute: 2 ** -23 },
  bfloat16: { relative: 2 ** -6, absolute: 1e-7 },
};

/** What is wrong with `found`, in a sentence; undefined when it matches. */
export function mismatch(name: string, found: TensorValue, expected: TensorValue): string | undefined {
  if (found.dtype !== expected.dtype) return `output "${name}" is ${found.dtype}, expected ${expected.dtype}`;
  if (found.dims.join() !== expected.dims.join())
    return `output "${name}" has the shape [${found.dims.join(", ")}], expected [${expected.dims.join(", ")}]`;
  const tolerance = tolerances[found.dtype];
  if (tolerance === undefined) return sameBits(found, expected) ? undefined : `output "${name}" (${found.dtype}) has other values`;
  const [a, b] = [elementsOf(found), elementsOf(expected)];
  if (a === undefined || b === undefined) return `output "${name}" of type ${found.dtype} cannot be compared`;
  let wrong = 0;
  let first = -1;
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [Number(a[i]), Number(b[i])];
    if (Object.is(x, y) || Math.abs(x - y) <= tolerance.absolute + tolerance.relative * Math.abs(y)) continue;
    if (wrong++ === 0) first = i;
  }
  return wrong === 0
    ? undefined
    : `output "${name}" (${found.dtype}): ${wrong} of ${b.length} values beyond the tolerance, first ${a[first]} for ${b[first]} at ${first}`;
}

export const sameBits = (a: TensorValue, b: TensorValue): boolean =>
  a.dtype === b.dtype && a.dims.join() === b.dims.join() && Buffer.from(a.data.buffer, a.data.byteOffset, a.data.byteLength).equals(b.data);

/** The first difference between two sets of outputs, in words; undefined when all bits are equal. */
export function difference(a: ReadonlyMap<string, TensorValue>, b: ReadonlyMap<string, TensorValue>): string | undefined {
  for (const name of new Set([...a.keys(), ...b.keys()])) {
    const [x, y] = [a.get(name), b.get(name)];
    if (x === undefined || y === undefined) return `output "${name}" is missing`;
    if (sameBits(x, y)) continue;
    const head = `output "${name}": ${x.dtype} [${x.dims.join(", ")}] against ${y.dtype} [${y.dims.join(", ")}]`;
    const [left, right] = [elementsOf(x), elementsOf(y)];
    if (x.dtype !== y.dtype || x.dims.join() !== y.dims.join() || left === undefined || right === undefined) return head;
    const at = left.findIndex((v: number | bigint, i: number) => !Object.is(v, right[i]));
    return `output "${name}"[${at}]: ${left[at]} against ${right[at]}`;
  }
  return undefined;
}
