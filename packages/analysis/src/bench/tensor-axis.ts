import { bytesPerElement, elementCount, InternalError, type TensorValue } from "@halfscope/core";

/** Bytes of one step along the axis, and how many blocks of them there are before it. */
function layout({ dtype, dims }: TensorValue, axis: number): { outer: number; inner: number } {
  const width = bytesPerElement(dtype);
  if (width === undefined || axis < 0 || axis >= dims.length)
    throw new InternalError(`A tensor of ${dtype} [${dims.join(", ")}] has no axis ${axis} of whole bytes.`);
  return { outer: elementCount(dims.slice(0, axis)), inner: elementCount(dims.slice(axis + 1)) * width };
}

const withSize = (dims: readonly number[], axis: number, size: number): number[] => dims.map((d, i) => (i === axis ? size : d));

/** Tensors one behind the other along an axis; all other sizes, and the types, are the same. */
export function stackAlong(parts: readonly [TensorValue, ...TensorValue[]], axis: number): TensorValue {
  const [first] = parts;
  const { outer, inner } = layout(first, axis);
  for (const p of parts)
    if (p.dtype !== first.dtype || p.dims.length !== first.dims.length || p.dims.some((d, i) => i !== axis && d !== first.dims[i]))
      throw new InternalError(
        `Tensors of ${first.dtype} [${first.dims.join(", ")}] and ${p.dtype} [${p.dims.join(", ")}] cannot be stacked along axis ${axis}.`,
      );
  const sizes = parts.map((p) => (p.dims[axis] ?? 0) * inner);
  const row = sizes.reduce((a, b) => a + b, 0);
  const data = new Uint8Array(outer * row);
  for (let o = 0, at = 0; o < outer; o++)
    parts.forEach((p, i) => {
      const size = sizes[i] ?? 0;
      data.set(p.data.subarray(o * size, (o + 1) * size), at);
      at += size;
    });
  const size = parts.reduce((n, p) => n + (p.dims[axis] ?? 0), 0);
  return { dtype: first.dtype, dims: withSize(first.dims, axis, size), data };
}

/** What lies from `from` to before `to` along an axis. A copy. */
export function sliceAlong(tensor: TensorValue, axis: number, from: number, to: number): TensorValue {
  const { outer, inner } = layout(tensor, axis);
  const row = (tensor.dims[axis] ?? 0) * inner;
  const size = (to - from) * inner;
  const data = new Uint8Array(outer * size);
  for (let o = 0; o < outer; o++) data.set(tensor.data.subarray(o * row + from * inner, o * row + to * inner), o * size);
  return { dtype: tensor.dtype, dims: withSize(tensor.dims, axis, to - from), data };
}

/** The tensor with zeros behind it along an axis, to that size. */
export function padAlong(tensor: TensorValue, axis: number, size: number): TensorValue {
  const { outer, inner } = layout(tensor, axis);
  const row = (tensor.dims[axis] ?? 0) * inner;
  const data = new Uint8Array(outer * size * inner);
  for (let o = 0; o < outer; o++) data.set(tensor.data.subarray(o * row, (o + 1) * row), o * size * inner);
  return { dtype: tensor.dtype, dims: withSize(tensor.dims, axis, size), data };
}
