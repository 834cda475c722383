import { numberFromDtype } from "@halfscope/core";
import protobuf from "protobufjs/minimal.js";
import { graphField } from "./graph.js";
import { attributeField, mayHoldSubgraph, nodeField } from "./node.js";
import { varint } from "./rope.js";
import type { Field, Node } from "./types.js";
import { bytesOf, fieldsOf, textOf } from "./wire.js";

/** A node to be written from scratch. */
export interface NewNode {
  name: string;
  opType: string;
  /** Defaults to the standard domain. */
  domain?: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, AttributeValue>>;
}

/** NodeProto bytes. Attribute numbers are written as `int` (arrays as `ints`) unless wrapped in `{ float }`. */
export function encodeNode(node: NewNode): Uint8Array {
  const w = protobuf.Writer.create();
  for (const input of node.inputs) w.uint32(tag(nodeField.input)).string(input);
  for (const output of node.outputs) w.uint32(tag(nodeField.output)).string(output);
  w.uint32(tag(nodeField.name)).string(node.name);
  w.uint32(tag(nodeField.opType)).string(node.opType);
  for (const [name, value] of Object.entries(node.attributes ?? {})) w.uint32(tag(nodeField.attribute)).bytes(encodeAttribute(name, value));
  if (node.domain) w.uint32(tag(nodeField.domain)).string(node.domain);
  return w.finish();
}

export type AttributeValue =
  | number
  | readonly number[]
  | { float: number }
  | { tensor: Uint8Array }
  | { graph: Uint8Array }
  | { string: string };

export function encodeAttribute(name: string, value: AttributeValue): Uint8Array {
  const w = protobuf.Writer.create();
  w.uint32(tag(attributeField.name)).string(name);
  const type = (n: number) => w.uint32(attributeField.type * 8).int32(n);
  if (typeof value === "number") {
    w.uint32(attributeField.int * 8).int64(value);
    type(2);
  } else if ("float" in value) {
    w.uint32(attributeField.float * 8 + 5).float(value.float);
    type(1);
  } else if ("string" in value) {
    w.uint32(tag(attributeField.string)).string(value.string);
    type(3);
  } else if ("graph" in value) {
    w.uint32(tag(attributeField.graph)).bytes(value.graph);
    type(5);
  } else if ("tensor" in value) {
    w.uint32(tag(attributeField.tensor)).bytes(value.tensor);
    type(4);
  } else {
    for (const v of value) w.uint32(attributeField.ints * 8).int64(v);
    type(7);
  }
  return w.finish();
}

/** What to change in a node; everything else, also fields that this program does not know, stays byte for byte. */
export interface NodeEdit {
  name?: string;
  /** Another operator in its place. */
  opType?: string;
  domain?: string;
  /** New name of the tensor at an input. */
  input?: (tensor: string, index: number) => string;
  output?: (tensor: string, index: number) => string;
  /** All inputs or outputs anew, in place of `input` and `output`: their number may change. */
  inputs?: readonly string[];
  outputs?: readonly string[];
  /** New name of a tensor that a subgraph takes from outside; `input` with index -1 when absent. */
  outer?: (tensor: string) => string;
  /** AttributeProto bytes by name: replaced, or added when the node has no such attribute. */
  attributes?: ReadonlyMap<string, Uint8Array>;
}

export function editNode(node: Node, edit: NodeEdit): Uint8Array {
  const pieces: Uint8Array[] = [];
  const put = (number: number, bytes: Uint8Array) =>
    pieces.push(Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes);
  const outer = edit.outer ?? (edit.input && ((t: string) => edit.input?.(t, -1) ?? t));
  const pending = new Map(edit.attributes ?? []);
  let input = 0;
  let output = 0;
  let named = edit.name === undefined;
  for (const tensor of edit.inputs ?? []) put(nodeField.input, utf8(tensor));
  for (const tensor of edit.outputs ?? []) put(nodeField.output, utf8(tensor));
  for (const field of fieldsOf(node.bytes, "a node")) {
    if ((field.number === nodeField.input && edit.inputs) || (field.number === nodeField.output && edit.outputs)) continue;
    if (field.number === nodeField.input && edit.input) put(field.number, utf8(edit.input(textOf(field), input++)));
    else if (field.number === nodeField.output && edit.output) put(field.number, utf8(edit.output(textOf(field), output++)));
    else if (field.number === nodeField.name && edit.name !== undefined) {
      put(field.number, utf8(edit.name));
      named = true;
    } else if (field.number === nodeField.opType && edit.opType !== undefined) put(field.number, utf8(edit.opType));
    else if (field.number === nodeField.domain && edit.domain !== undefined) continue;
    else if (field.number === nodeField.attribute) {
      const parts = fieldsOf(bytesOf(field), "an attribute");
      const nameField = parts.find((p) => p.number === attributeField.name);
      const name = nameField === undefined ? "" : textOf(nameField);
      const replaced = pending.get(name);
      pending.delete(name);
      if (replaced !== undefined) put(field.number, replaced);
      else if (outer !== undefined && mayHoldSubgraph(node) && parts.some(isGraph)) put(field.number, renameInAttribute(parts, outer));
      else pieces.push(field.header, bytesOf(field));
    } else pieces.push(field.header, bytesOf(field));
  }
  if (!named && edit.name !== undefined) put(nodeField.name, utf8(edit.name));
  if (edit.domain !== undefined) put(nodeField.domain, utf8(edit.domain));
  for (const attribute of pending.values()) put(nodeField.attribute, attribute);
  return Buffer.concat(pieces);
}

const isGraph = (f: Field) => (f.number === attributeField.graph || f.number === attributeField.graphs) && f.wireType === 2;

function renameInAttribute(parts: readonly Field[], outer: (tensor: string) => string): Uint8Array {
  return Buffer.concat(parts.flatMap((p) => (isGraph(p) ? wrap(p.number, renameInGraph(bytesOf(p), outer)) : [p.header, bytesOf(p)])));
}

/** Renames what a subgraph takes from outside; names that it defines itself shadow the outer ones. */
function renameInGraph(bytes: Uint8Array, outer: (tensor: string) => string): Uint8Array {
  const fields = fieldsOf(bytes, "a subgraph");
  const local = new Set<string>();
  for (const f of fields) {
    if (f.number === graphField.input) local.add(nameIn(f, 1));
    else if (f.number === graphField.initializer) local.add(nameIn(f, 8));
    else if (f.number === graphField.sparseInitializer) {
      const values = fieldsOf(bytesOf(f), "a sparse tensor").find((part) => part.number === 1);
      if (values !== undefined) local.add(nameIn(values, 8));
    } else if (f.number === graphField.node)
      for (const part of fieldsOf(bytesOf(f), "a node")) if (part.number === nodeField.output) local.add(textOf(part));
  }
  const rename = (tensor: string) => (tensor === "" || local.has(tensor) ? tensor : outer(tensor));
  return Buffer.concat(
    fields.flatMap((f) => {
      if (f.number !== graphField.node) return [f.header, bytesOf(f)];
      const node = fieldsOf(bytesOf(f), "a node").flatMap((part) => {
        if (part.number === nodeField.input) return wrap(part.number, utf8(rename(textOf(part))));
        if (part.number !== nodeField.attribute) return [part.header, bytesOf(part)];
        const inner = fieldsOf(bytesOf(part), "an attribute");
        return inner.some(isGraph) ? wrap(part.number, renameInAttribute(inner, rename)) : [part.header, bytesOf(part)];
      });
      return wrap(f.number, Buffer.concat(node));
    }),
  );
}

const nameIn = (field: Field, number: number): string => {
  const found = fieldsOf(bytesOf(field), "a name").find((f) => f.number === number);
  return found === undefined ? "" : textOf(found);
};
const encoder = new TextEncoder();
const utf8 = (text: string): Uint8Array => encoder.encode(text);
const tag = (number: number): number => number * 8 + 2;
const wrap = (number: number, bytes: Uint8Array): Uint8Array[] => [
  Uint8Array.from([...varint(tag(number)), ...varint(bytes.length)]),
  bytes,
];

/** The `to` attribute of a Cast: until opset 6 it was the type's name, since then its number. */
export const castTarget = (dtype: "float16" | "float32" | "bfloat16", opset: number): AttributeValue =>
  opset < 6 ? { string: { float16: "FLOAT16", float32: "FLOAT", bfloat16: "BFLOAT16" }[dtype] } : numberFromDtype(dtype);

/** TensorProto bytes around values in memory. */
export function encodeTensor(name: string, elementType: number, dims: readonly number[], raw: Uint8Array): Uint8Array {
  return Buffer.concat([encodeTensorHead(name, elementType, dims), ...wrap(9, raw)]);
}

/** TensorProto bytes without values: a raw_data field of the caller's follows. */
export function encodeTensorHead(name: string, elementType: number, dims: readonly number[]): Uint8Array {
  const w = protobuf.Writer.create();
  for (const d of dims) w.uint32(8).int64(d);
  return w.uint32(16).int32(elementType).uint32(tag(8)).string(name).finish();
}

/** TensorProto bytes whose values lie in a file. `location` is relative to the folder that the reader of the model is told. */
export function encodeExternalTensor(
  name: string,
  elementType: number,
  dims: readonly number[],
  location: string,
  offset: number,
  length: number,
): Uint8Array {
  const w = protobuf.Writer.create();
  for (const d of dims) w.uint32(8).int64(d);
  w.uint32(16).int32(elementType).uint32(tag(8)).string(name);
  for (const [key, value] of [
    ["location", location],
    ["offset", String(offset)],
    ["length", String(length)],
  ] as const)
    w.uint32(tag(13)).fork().uint32(tag(1)).string(key).uint32(tag(2)).string(value).ldelim();
  return w
    .uint32(14 * 8)
    .int32(1)
    .finish();
}

/** ValueInfoProto bytes; no type at all for element type 0, no shape when `dims` is undefined. */
export function encodeValueInfo(name: string, elementType: number, dims?: readonly (number | string | undefined)[]): Uint8Array {
  const w = protobuf.Writer.create();
  w.uint32(tag(1)).string(name);
  if (elementType === 0) return w.finish();
  w.uint32(tag(2)).fork().uint32(tag(1)).fork().uint32(8).int32(elementType);
  if (dims !== undefined) {
    w.uint32(tag(2)).fork();
    for (const d of dims) {
      w.uint32(tag(1)).fork();
      if (typeof d === "number") w.uint32(8).int64(d);
      else if (d !== undefined) w.uint32(tag(2)).string(d);
      w.ldelim();
    }
    w.ldelim();
  }
  return w.ldelim().ldelim().finish();
}

/** OperatorSetIdProto bytes. */
export const encodeOpset = (domain: string, version: number): Uint8Array =>
  protobuf.Writer.create().uint32(tag(1)).string(domain).uint32(16).int64(version).finish();

/** The ir_version field of a ModelProto, with its tag. */
export const encodeIrVersion = (version: number): Uint8Array => protobuf.Writer.create().uint32(8).int64(version).finish();
