import {
  bitsPerElement,
  type FeedValue,
  isTensorValue,
  numberFromDtype,
  type SequenceValue,
  stringsOf,
  type TensorValue,
} from "@halfscope/core";
import { delimitedField, encodeIrVersion, encodeNode, encodeOpset, encodeTensor, encodeTensorHead } from "@halfscope/onnx";

/**
 * A model without inputs whose only output is the value; undefined for an optional that is absent, which is not fed at all. ONNX Runtime's C API has no call that
 * makes an empty sequence or a tensor of packed types; a session makes them all.
 */
export function valueModel(value: FeedValue): Uint8Array | undefined {
  if (isTensorValue(value)) return model([], [["value", value]]);
  if (value.kind === "sequence") return sequenceModel(value);
  return value.value === undefined ? undefined : valueModel(value.value);
}

function sequenceModel({ dtype, elements }: SequenceValue): Uint8Array {
  if (elements.length === 0)
    return model(
      [encodeNode({ name: "", opType: "SequenceEmpty", inputs: [], outputs: ["value"], attributes: { dtype: numberFromDtype(dtype) } })],
      [],
    );
  const inputs = elements.map((_, i) => `element ${i}`);
  return model(
    [encodeNode({ name: "", opType: "SequenceConstruct", inputs, outputs: ["value"] })],
    elements.map((e, i) => [inputs[i] as string, e] as const),
  );
}

/** Whether the C API takes the bytes of such a tensor as they are. */
export const isPlainTensor = (value: FeedValue): value is TensorValue =>
  isTensorValue(value) && !/^complex|^string$|e8m0$/.test(value.dtype) && (bitsPerElement(value.dtype) ?? 0) >= 8;

const wrap = (field: number, content: Uint8Array): Uint8Array => Buffer.concat(delimitedField(field, [content]) as Uint8Array[]);
function encodeValue(name: string, value: TensorValue): Uint8Array {
  if (value.dtype !== "string") return encodeTensor(name, numberFromDtype(value.dtype), value.dims, value.data);
  const texts = (stringsOf(value) ?? []).map((text) => wrap(6, new TextEncoder().encode(text)));
  return Buffer.concat([encodeTensorHead(name, numberFromDtype("string"), value.dims), ...texts]);
}

function model(nodes: readonly Uint8Array[], initializers: readonly (readonly [string, TensorValue])[]): Uint8Array {
  const graph = Buffer.concat([
    ...nodes.map((n) => wrap(1, n)),
    wrap(2, new TextEncoder().encode("value")),
    ...initializers.map(([name, value]) => wrap(5, encodeValue(name, value))),
    wrap(12, wrap(1, new TextEncoder().encode("value"))),
  ]);
  return Buffer.concat([encodeIrVersion(10), wrap(8, encodeOpset("", 17)), wrap(7, graph)]);
}
