import { type DType, type FeedValue, isTensorValue, type SequenceValue, type TensorValue } from "@halfscope/core";
import type { ContainerType } from "@halfscope/onnx";
import { badFile } from "./feed-errors.js";
import { Budget } from "./limits.js";
import { readTensorProto } from "./tensor-proto.js";
import { type WireField, wireFields } from "./wire-fields.js";

/** A value and the name that its file gives it, which may be empty. */
export interface NamedValue {
  name: string;
  value: FeedValue;
}

/** SequenceProto and OptionalProto field numbers (onnx-data.proto); both have their name in field 1. */
const sequenceField = { name: 1, elementKind: 2, tensors: 3 } as const;
const optionalField = { name: 1, elementKind: 2, tensor: 3, sequence: 5 } as const;
const tensorNameField = 8;
const elementKinds = ["no type", "tensors", "sparse tensors", "sequences", "maps", "optionals"];
const save = "Write it with onnx.numpy_helper.from_list or from_optional, and SerializeToString().";

/** The names that the bytes would have as a tensor and as a sequence or optional: the file itself does not say what it is. */
export function namesInside(bytes: Uint8Array, file: string): { asTensor: string | undefined; asContainer: string | undefined } {
  const fields = wireFields(bytes, file, "an ONNX value");
  const text = (number: number) => fields.findLast((f) => f.number === number && f.wireType === 2)?.payload;
  const decode = (payload: Uint8Array | undefined) => (payload === undefined ? undefined : new TextDecoder().decode(payload));
  return { asTensor: decode(text(tensorNameField)), asContainer: decode(text(sequenceField.name)) };
}

/**
 * Reads a serialised TensorProto, SequenceProto or OptionalProto, as `container` (the type of its input; undefined for tensors) says: the three cannot be told
 * apart by their bytes. Sequences of tensors, and optionals of tensors or of such sequences. Errors: ERR_FEED_FILE.
 */
export function readValueProto(bytes: Uint8Array, file: string, container: ContainerType | undefined, budget = new Budget()): NamedValue {
  if (container === undefined) return readTensorProto(bytes, file, budget);
  if (container.kind === "sequence") return readSequence(bytes, file, container.dtype, budget);
  if (container.kind === "optional") return readOptional(bytes, file, container, budget);
  throw badFile(
    file,
    "a tensor, a sequence or an optional",
    "an input of another kind (a map or a sparse tensor)",
    "Cut that input off the model.",
  );
}

function readSequence(bytes: Uint8Array, file: string, dtype: DType, budget: Budget): { name: string; value: SequenceValue } {
  const fields = wireFields(bytes, file, "a serialised ONNX SequenceProto");
  requireTensors(fields, sequenceField.elementKind, file, [0, 1]);
  const elements = fields
    .filter((f) => f.number === sequenceField.tensors)
    .map((f, i): TensorValue => readTensorProto(f.payload, `${file}, element ${i}`, budget).value);
  const found = elements.find((e) => e.dtype !== elements[0]?.dtype);
  if (found !== undefined) throw badFile(file, `elements of one type (${elements[0]?.dtype})`, `one of ${found.dtype}`, save);
  return { name: nameOf(fields), value: { kind: "sequence", dtype: elements[0]?.dtype ?? dtype, elements } };
}

function readOptional(bytes: Uint8Array, file: string, type: ContainerType & { kind: "optional" }, budget: Budget): NamedValue {
  const fields = wireFields(bytes, file, "a serialised ONNX OptionalProto");
  requireTensors(fields, optionalField.elementKind, file, [0, 1, 3]);
  const part = (number: number) => fields.findLast((f) => f.number === number)?.payload;
  const [tensor, sequence] = [part(optionalField.tensor), part(optionalField.sequence)];
  const value =
    tensor !== undefined
      ? readTensorProto(tensor, file, budget).value
      : sequence !== undefined
        ? readSequence(sequence, file, type.dtype, budget).value
        : undefined;
  if (value !== undefined && isTensorValue(value) !== (type.of === "tensor"))
    throw badFile(file, `an optional ${type.of}`, `an optional ${isTensorValue(value) ? "tensor" : "sequence"}`, save);
  return { name: nameOf(fields), value: { kind: "optional", of: type.of, dtype: type.dtype, value } };
}

const nameOf = (fields: readonly WireField[]): string =>
  new TextDecoder().decode(fields.findLast((f) => f.number === sequenceField.name && f.wireType === 2)?.payload);

function requireTensors(fields: readonly WireField[], number: number, file: string, allowed: readonly number[]): void {
  const kind = Number(fields.findLast((f) => f.number === number && f.wireType === 0)?.payload[0] ?? 0);
  if (!allowed.includes(kind))
    throw badFile(
      file,
      "tensors, or sequences of tensors",
      elementKinds[kind] ?? `elements of kind ${kind}`,
      "Cut that input off the model.",
    );
}
