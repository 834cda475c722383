/** How outputs are held against those that came with a model, and against each other bit by bit. */
import { bytesOfValue, type DType, type FeedValue, isTensorValue, type TensorValue } from "@halfscope/core";
import { elementsOf, type RunResult } from "@halfscope/engine";

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

/** Tensors and sequences of a run. */
export const valuesOf = ({ outputs, sequences }: RunResult): ReadonlyMap<string, FeedValue> =>
  new Map<string, FeedValue>([...outputs, ...sequences]);

/** What is wrong with `found`, in a sentence; undefined when it matches. What an optional holds is compared with what is there. */
export function mismatch(name: string, found: FeedValue, expected: FeedValue): string | undefined {
  if (!isTensorValue(expected) && expected.kind === "optional")
    return expected.value === undefined ? `output "${name}" holds a value, expected none` : mismatch(name, found, expected.value);
  if (isTensorValue(found) && isTensorValue(expected)) return tensorMismatch(name, found, expected);
  if (isTensorValue(found) || isTensorValue(expected) || found.kind !== "sequence")
    return `output "${name}" is ${isTensorValue(found) ? "a tensor" : "a sequence"}, expected ${isTensorValue(expected) ? "a tensor" : "a sequence"}`;
  if (found.elements.length !== expected.elements.length)
    return `output "${name}" has ${found.elements.length} elements, expected ${expected.elements.length}`;
  for (const [i, element] of found.elements.entries()) {
    const wrong = tensorMismatch(`${name}[${i}]`, element, expected.elements[i] as TensorValue);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function tensorMismatch(name: string, found: TensorValue, shipped: TensorValue): string | undefined {
  // Shipped by a NumPy that had no bfloat16.
  const expected = found.dtype === "bfloat16" && shipped.dtype === "uint16" ? { ...shipped, dtype: found.dtype } : shipped;
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

export const sameBits = (a: FeedValue, b: FeedValue): boolean => Buffer.concat(bytesOfValue(a)).equals(Buffer.concat(bytesOfValue(b)));

/** The first difference between two sets of outputs, in words; undefined when all bits are equal. */
export function difference(a: ReadonlyMap<string, FeedValue>, b: ReadonlyMap<string, FeedValue>): string | undefined {
  for (const name of new Set([...a.keys(), ...b.keys()])) {
    const [x, y] = [a.get(name), b.get(name)];
    if (x === undefined || y === undefined) return `output "${name}" is missing`;
    if (sameBits(x, y)) continue;
    if (!isTensorValue(x) || !isTensorValue(y)) return `output "${name}" has other elements`;
    const head = `output "${name}": ${x.dtype} [${x.dims.join(", ")}] against ${y.dtype} [${y.dims.join(", ")}]`;
    const [left, right] = [elementsOf(x), elementsOf(y)];
    if (x.dtype !== y.dtype || x.dims.join() !== y.dims.join() || left === undefined || right === undefined) return head;
    const at = left.findIndex((v: number | bigint, i: number) => !Object.is(v, right[i]));
    return `output "${name}"[${at}]: ${left[at]} against ${right[at]}`;
  }
  return undefined;
}
