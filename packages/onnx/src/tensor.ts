import { isAbsolute, join, normalize, sep } from "node:path";
import { bitsPerElement, byteLength, type DType, dtypeFromNumber, elementCount, InputError } from "@halfscope/core";
import type { Field, FileSpan, Initializer, InitializerData, SparseInitializer } from "./types.js";
import {
  bigIntsOf,
  bytesOf,
  type FieldLocation,
  type FileBytes,
  fieldsOf,
  floatsOf,
  intOf,
  intsOf,
  largeDataBytes,
  textOf,
  view,
} from "./wire.js";

/** TensorProto field numbers (onnx.proto). */
const tensorField = {
  dims: 1,
  dataType: 2,
  floatData: 4,
  int32Data: 5,
  stringData: 6,
  int64Data: 7,
  name: 8,
  rawData: 9,
  doubleData: 10,
  uint64Data: 11,
  externalData: 13,
  dataLocation: 14,
} as const;

/** Reads an initializer in a file: large raw or packed float data stays there. */
export function tensorFromFile(file: FileBytes, location: FieldLocation, folder: string): Initializer {
  if (location.payloadLength <= largeDataBytes) return tensorFromField(file.field(location, "read"), folder);
  const locations = [...file.fields(location.payloadOffset, location.payloadOffset + location.payloadLength)];
  // Floats may come in several packed runs; only a single one lies in the file as the values do.
  const runs = locations.filter((l) => l.number === tensorField.floatData).length;
  const isData = (l: FieldLocation) =>
    l.wireType === 2 && (l.number === tensorField.rawData || (l.number === tensorField.floatData && runs === 1));
  const fields = locations.map((l) => file.field(l, isData(l) && l.payloadLength >= largeDataBytes ? "leave" : "read"));
  const tensor = tensorFromFields(fields, file.field(location, "leave"), folder);
  // Values that nobody can point at (strings) travel with the field.
  return tensor.data.kind === "unsupported" ? { ...tensor, field: file.field(location, "read") } : tensor;
}

/** Reads an initializer, attribute tensor or `.pb` tensor that is in memory. `folder` resolves external data. */
export function tensorFromField(field: Field, folder: string): Initializer {
  return tensorFromFields(fieldsOf(bytesOf(field), "a tensor"), field, folder);
}

function tensorFromFields(fields: readonly Field[], field: Field, folder: string): Initializer {
  const find = (number: number): Field | undefined => fields.findLast((f) => f.number === number);
  const name = find(tensorField.name);
  const dataType = find(tensorField.dataType);
  const elementType = dataType === undefined ? 0 : intOf(dataType);
  const location = find(tensorField.dataLocation);
  const dims = fields.filter((f) => f.number === tensorField.dims).flatMap(intsOf);
  const dtype = dtypeFromNumber(elementType);
  const tensorName = name === undefined ? "" : textOf(name);
  if (dims.some((d) => d < 0 || !Number.isSafeInteger(d)))
    throw new InputError("ERR_MODEL_PARSE", `Initializer "${tensorName}" has the shape [${dims.join(", ")}]; sizes must not be negative.`, {
      hint: "The file is damaged; export the model again.",
    });
  const data =
    location !== undefined && intOf(location) === 1
      ? externalData(fields, tensorName, dtype, dims, folder)
      : embeddedData(fields, dtype, elementType, elementCount(dims));
  return { name: tensorName, dtype, elementType, dims, data, field };
}

/** SparseTensorProto field numbers. Its name is that of its values. */
const sparseField = { values: 1, indices: 2, dims: 3 } as const;

/** Reads a sparse initializer. Throws ERR_MODEL_PARSE when it has no values. */
export function sparseFromField(field: Field, folder: string): SparseInitializer {
  const fields = fieldsOf(bytesOf(field), "a sparse tensor");
  const part = (number: number) => {
    const found = fields.findLast((f) => f.number === number && f.wireType === 2);
    return found === undefined ? undefined : tensorFromField(found, folder);
  };
  const values = part(sparseField.values);
  if (values === undefined)
    throw new InputError("ERR_MODEL_PARSE", "A sparse initializer has no values, and so no name.", {
      hint: "The file is damaged; export the model again.",
    });
  const { name, dtype, elementType } = values;
  const dims = fields.filter((f) => f.number === sparseField.dims).flatMap(intsOf);
  return { name, dtype, elementType, dims, values, indices: part(sparseField.indices), field };
}

function externalData(fields: readonly Field[], name: string, dtype: DType, dims: readonly number[], folder: string): InitializerData {
  const entries = new Map<string, string>();
  for (const entry of fields.filter((f) => f.number === tensorField.externalData)) {
    const parts = fieldsOf(bytesOf(entry), "an external-data entry");
    const text = (n: number) => textOf(parts.find((f) => f.number === n) ?? { ...entry, payload: new Uint8Array(0) });
    entries.set(text(1), text(2));
  }
  const location = entries.get("location") ?? "";
  const offset = Number(entries.get("offset") ?? "0");
  const expected = byteLength(dtype, elementCount(dims));
  const length = entries.has("length") ? Number(entries.get("length")) : (expected ?? Number.NaN);
  const relative = normalize(location);
  const refuse = (found: string): InputError =>
    new InputError("ERR_MODEL_EXTERNAL_DATA", `Initializer "${name}" names external data ${found}.`, {
      hint: "External data must be a file in the model's own folder; do not use this model if you did not make it.",
      context: { initializer: name, location },
    });
  if (location === "" || isAbsolute(location) || relative === ".." || relative.startsWith(`..${sep}`) || location.includes("\0"))
    throw refuse(`at "${location}", which lies outside the model's folder`);
  // ONNX Runtime reads this name as "at this address of my memory", whatever files there are.
  if (location.includes("_ORT_MEM_ADDR_")) throw refuse(`at "${location}", which ONNX Runtime takes for an address in memory`);
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 0)
    throw refuse(`with offset "${entries.get("offset") ?? ""}" and length "${entries.get("length") ?? ""}", which are not sizes`);
  if (expected !== undefined && length !== expected)
    throw refuse(`of ${length} bytes where its shape [${dims.join(", ")}] of ${dtype} needs ${expected}`);
  return { kind: "file", span: { path: join(folder, relative), offset, length }, external: true };
}

/** Values inside the tensor; which typed field holds which type is fixed by ONNX (TensorProto in onnx.proto). */
function embeddedData(fields: readonly Field[], dtype: DType, elementType: number, count: number): InitializerData {
  const raw = fields.findLast((f) => f.number === tensorField.rawData);
  if (raw !== undefined) return fromPayload(raw.payload);
  if (dtype === "string") return { kind: "unsupported", reason: "string tensor" };
  const chunks = (number: number) => fields.filter((f) => f.number === number);
  const bytes = (b: Uint8Array): InitializerData => ({ kind: "bytes", bytes: b });
  if (dtype === "float32" || dtype === "complex64") {
    const [only, ...more] = chunks(tensorField.floatData);
    if (more.length === 0 && only !== undefined && only.wireType === 2) return fromPayload(only.payload);
    const values = chunks(tensorField.floatData).flatMap(floatsOf);
    return bytes(littleEndian(values, 4, (v, at, x) => v.setFloat32(at, x, true)));
  }
  if (dtype === "float64" || dtype === "complex128") return bytes(Buffer.concat(chunks(tensorField.doubleData).map(bytesOf)));
  if (dtype === "int64" || dtype === "uint64") {
    const values = chunks(dtype === "int64" ? tensorField.int64Data : tensorField.uint64Data).flatMap(bigIntsOf);
    return bytes(littleEndian(values, 8, (v, at, x) => v.setBigInt64(at, x, true)));
  }
  if (dtype === "uint32")
    return bytes(littleEndian(chunks(tensorField.uint64Data).flatMap(intsOf), 4, (v, at, x) => v.setUint32(at, x, true)));
  const bits = bitsPerElement(dtype);
  if (bits === undefined)
    return {
      kind: "unsupported",
      reason: `element type ${elementType}, which is ${elementType === 0 ? "no type" : "newer than this version of halfscope"}, outside raw_data`,
    };
  const values = chunks(tensorField.int32Data).flatMap(intsOf);
  // Types of six bits come one by one; of four and two bits, each number is a byte that is packed already.
  if (bits === 6) return bytes(packSixBits(values.slice(0, count)));
  const width = Math.max(1, bits / 8);
  const set = width === 1 ? "setUint8" : width === 2 ? "setUint16" : "setUint32";
  return bytes(littleEndian(values, width, (v, at, x) => v[set](at, x, true)));
}

/** Six bits each, the first in the lowest bits: four values in three bytes. */
function packSixBits(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((6 * values.length) / 8));
  values.forEach((value, i) => {
    const at = Math.floor((6 * i) / 8);
    const shifted = (value & 63) << ((6 * i) % 8);
    bytes[at] = (bytes[at] ?? 0) | (shifted & 255);
    if (shifted > 255) bytes[at + 1] = shifted >> 8;
  });
  return bytes;
}

const fromPayload = (payload: Uint8Array | FileSpan): InitializerData =>
  payload instanceof Uint8Array ? { kind: "bytes", bytes: payload } : { kind: "file", span: payload, external: false };

function littleEndian<T extends number | bigint>(
  values: readonly T[],
  width: number,
  set: (v: DataView, at: number, x: T) => void,
): Uint8Array {
  const bytes = new Uint8Array(values.length * width);
  const target = view(bytes);
  values.forEach((x, i) => {
    set(target, i * width, x);
  });
  return bytes;
}
