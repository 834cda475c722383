import type { DType } from "./dtype.js";

/** A tensor with its values, little-endian, C order. */
export interface TensorValue {
  dtype: DType;
  dims: readonly number[];
  /**
   * Exactly `byteLength(dtype, product(dims))` bytes. Of a string tensor, each element's length in four bytes and its UTF-8 bytes behind them, one element
   * after the other (`stringsOf`, `stringTensor`).
   */
  data: Uint8Array;
}

/** A list of tensors, ONNX's sequence. */
export interface SequenceValue {
  kind: "sequence";
  /** Type of the elements, also where there are none. */
  dtype: DType;
  elements: readonly TensorValue[];
}

/** A value that may be absent, ONNX's optional. */
export interface OptionalValue {
  kind: "optional";
  /** What it would hold, also where it is absent. */
  of: "tensor" | "sequence";
  dtype: DType;
  value: TensorValue | SequenceValue | undefined;
}

/** Everything that a graph input can be given. */
export type FeedValue = TensorValue | SequenceValue | OptionalValue;

export const isTensorValue = (value: FeedValue): value is TensorValue => !("kind" in value);

/** A tensor of texts. */
export function stringTensor(dims: readonly number[], texts: readonly (string | Uint8Array)[]): TensorValue {
  const encoder = new TextEncoder();
  const parts = texts.map((text) => (typeof text === "string" ? encoder.encode(text) : text));
  const data = new Uint8Array(parts.reduce((n, p) => n + 4 + p.length, 0));
  const view = new DataView(data.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    data.set(part, at + 4);
    at += 4 + part.length;
  }
  return { dtype: "string", dims: [...dims], data };
}

/** The texts of a string tensor; undefined when its bytes are no such list. Bytes that are no UTF-8 read as U+FFFD. */
export function stringsOf({ data }: TensorValue): string[] | undefined {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const texts: string[] = [];
  for (let at = 0; at < data.length; ) {
    if (at + 4 > data.length) return undefined;
    const length = view.getUint32(at, true);
    if (at + 4 + length > data.length) return undefined;
    texts.push(decoder.decode(data.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return texts;
}

/** Bytes of all that a value holds, for hashes and for comparing bit by bit: types, shapes and presence are part of them. */
export function bytesOfValue(value: FeedValue): Uint8Array[] {
  const head = (text: string) => new TextEncoder().encode(`${text}\0`);
  if (isTensorValue(value)) return [head(`${value.dtype} ${value.dims.join(",")} ${value.data.length}`), value.data];
  if (value.kind === "sequence") return [head(`sequence ${value.dtype} ${value.elements.length}`), ...value.elements.flatMap(bytesOfValue)];
  return value.value === undefined ? [head(`none ${value.of} ${value.dtype}`)] : [head("some"), ...bytesOfValue(value.value)];
}
