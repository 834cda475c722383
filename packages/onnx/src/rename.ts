import { graphField } from "./graph.js";
import { attributeField, nodeField } from "./node.js";
import { varint } from "./rope.js";
import type { Field, ValueInfo } from "./types.js";
import { bytesOf, fieldsOf, textOf } from "./wire.js";

/** How names change in a node and in all that it holds. */
export interface Renaming {
  /** New name of a tensor that is defined outside of the node's bodies. */
  outside: (tensor: string) => string;
  /** New name for a tensor that a body defines. */
  inside: (tensor: string) => string;
  /** New name of a node. */
  node?: (name: string) => string;
  /** What stands in place of an attribute that refers to one of the function's: AttributeProto bytes; undefined drops it. */
  reference?: (attribute: string, refersTo: string) => Uint8Array | undefined;
}

/** NodeProto bytes under other names; all other fields, known or not, stay byte for byte. */
export function renameNode(bytes: Uint8Array, renaming: Renaming): Uint8Array {
  const fields = fieldsOf(bytes, "a node");
  // What stays closed keeps its names: some operators (BeamSearch) prescribe those of their bodies.
  const r = isOpenable(fields) ? renaming : { ...renaming, inside: (tensor: string) => tensor };
  return Buffer.concat(
    fields.flatMap((f) => {
      if (f.number === nodeField.input || f.number === nodeField.output) return wrapField(f.number, renamed(textOf(f), r.outside));
      if (f.number === nodeField.name && r.node !== undefined) return wrapField(f.number, utf8(r.node(textOf(f))));
      if (f.number === nodeField.attribute) return renameAttribute(f, r);
      return [f.header, bytesOf(f)];
    }),
  );
}

function renameAttribute(field: Field, r: Renaming): Uint8Array[] {
  const parts = fieldsOf(bytesOf(field), "an attribute");
  const reference = parts.find((p) => p.number === attributeField.refName);
  if (reference !== undefined && r.reference !== undefined && textOf(reference) !== "") {
    const replaced = r.reference(nameAt(parts, attributeField.name), textOf(reference));
    return replaced === undefined ? [] : wrapField(field.number, replaced);
  }
  if (!parts.some(isGraphField)) return [field.header, bytesOf(field)];
  const inner = parts.flatMap((p) => (isGraphField(p) ? wrapField(p.number, renameGraph(bytesOf(p), r)) : [p.header, bytesOf(p)]));
  return wrapField(field.number, Buffer.concat(inner));
}

/** GraphProto bytes of a body: what it defines gets new names, what it takes from outside follows. */
function renameGraph(bytes: Uint8Array, r: Renaming): Uint8Array {
  const fields = fieldsOf(bytes, "a subgraph");
  const local = new Map<string, string>();
  for (const name of definitionsOf(fields)) if (!local.has(name)) local.set(name, r.inside(name));
  const outside = (tensor: string) => local.get(tensor) ?? r.outside(tensor);
  const inner: Renaming = { ...r, outside };
  return Buffer.concat(
    fields.flatMap((f) => {
      if (f.number === graphField.node) return wrapField(f.number, renameNode(bytesOf(f), inner));
      if (f.number === graphField.initializer) return wrapField(f.number, renameText(bytesOf(f), 8, outside));
      if (f.number === graphField.sparseInitializer)
        return wrapField(
          f.number,
          mapField(bytesOf(f), 1, (values) => renameText(values, 8, outside)),
        );
      if (valueFields.has(f.number)) return wrapField(f.number, renameText(bytesOf(f), 1, outside));
      return [f.header, bytesOf(f)];
    }),
  );
}

/** Inputs, outputs, value_info and quantization annotations name their tensor in field 1. */
const valueFields = new Set<number>([graphField.input, graphField.output, graphField.valueInfo, 14]);

/** Names that a graph defines, given its fields. */
export function definitionsOf(fields: readonly Field[]): string[] {
  return fields
    .flatMap((f) => {
      if (f.number === graphField.input) return [nameAt(fieldsOf(bytesOf(f), "a value"), 1)];
      if (f.number === graphField.initializer) return [nameAt(fieldsOf(bytesOf(f), "a tensor"), 8)];
      if (f.number === graphField.sparseInitializer)
        return fieldsOf(bytesOf(f), "a sparse tensor")
          .filter((p) => p.number === 1)
          .map((p) => nameAt(fieldsOf(bytesOf(p), "a tensor"), 8));
      if (f.number !== graphField.node) return [];
      return fieldsOf(bytesOf(f), "a node")
        .filter((p) => p.number === nodeField.output)
        .map(textOf);
    })
    .filter((name) => name !== "");
}

const openable = new Set(["If", "Loop", "Scan"]);
const isOpenable = (fields: readonly Field[]): boolean =>
  openable.has(nameAt(fields, nodeField.opType)) && ["", "ai.onnx"].includes(nameAt(fields, nodeField.domain));

/** Names defined in the bodies of a node that can be opened, at any depth. */
export function innerDefinitions(nodeBytes: Uint8Array): string[] {
  if (!isOpenable(fieldsOf(nodeBytes, "a node"))) return [];
  return graphsIn(nodeBytes).flatMap((graph) => {
    const fields = fieldsOf(graph, "a subgraph");
    return [
      ...new Set(definitionsOf(fields)),
      ...fields.filter((f) => f.number === graphField.node).flatMap((f) => innerDefinitions(bytesOf(f))),
    ];
  });
}

/** GraphProto bytes of a node's bodies. */
export function graphsIn(nodeBytes: Uint8Array): Uint8Array[] {
  return fieldsOf(nodeBytes, "a node")
    .filter((f) => f.number === nodeField.attribute)
    .flatMap((f) => fieldsOf(bytesOf(f), "an attribute").filter(isGraphField).map(bytesOf));
}

/** NodeProto bytes with each body replaced. */
export function mapGraphsIn(nodeBytes: Uint8Array, change: (graph: Uint8Array) => Uint8Array): Uint8Array {
  return mapField(nodeBytes, nodeField.attribute, (attribute) =>
    fieldsOf(attribute, "an attribute").some(isGraphField)
      ? mapField(mapField(attribute, attributeField.graph, change), attributeField.graphs, change)
      : attribute,
  );
}

/** A message with the content of every length-delimited field of a number replaced. */
export function mapField(bytes: Uint8Array, number: number, change: (content: Uint8Array) => Uint8Array): Uint8Array {
  return Buffer.concat(
    fieldsOf(bytes, "a message").flatMap((f) =>
      f.number === number && f.wireType === 2 ? wrapField(number, change(bytesOf(f))) : [f.header, bytesOf(f)],
    ),
  );
}

/** TensorProto bytes under another name. */
export const tensorNamed = (tensor: Uint8Array, name: string): Uint8Array => {
  const others = fieldsOf(tensor, "a tensor").filter((f) => f.number !== 8);
  return Buffer.concat([...others.flatMap((f) => [f.header, bytesOf(f)]), ...wrapField(8, utf8(name))]);
};

/** SparseTensorProto bytes under another name, which is that of its values. */
export const sparseNamed = (sparse: Uint8Array, name: string): Uint8Array => mapField(sparse, 1, (values) => tensorNamed(values, name));

/** ValueInfoProto bytes with another element type; shape, denotations, documentation and unknown fields stay. */
export const retypedValue = (value: ValueInfo, elementType: number): Uint8Array =>
  mapField(bytesOf(value.field), 2, (type) =>
    mapField(type, 1, (tensor) =>
      Buffer.concat([
        Uint8Array.from([8, ...varint(elementType)]),
        ...fieldsOf(tensor, "a tensor type")
          .filter((f) => f.number !== 1)
          .flatMap((f) => [f.header, bytesOf(f)]),
      ]),
    ),
  );

const renameText = (bytes: Uint8Array, number: number, name: (old: string) => string): Uint8Array =>
  mapField(bytes, number, (text) => renamed(new TextDecoder("utf-8", { ignoreBOM: true }).decode(text), name));

const renamed = (tensor: string, name: (old: string) => string): Uint8Array => utf8(tensor === "" ? "" : name(tensor));
const isGraphField = (f: Field) => (f.number === attributeField.graph || f.number === attributeField.graphs) && f.wireType === 2;
const nameAt = (fields: readonly Field[], number: number): string => {
  const found = fields.findLast((f) => f.number === number);
  return found === undefined ? "" : textOf(found);
};
const encoder = new TextEncoder();
const utf8 = (text: string): Uint8Array => encoder.encode(text);
/** A length-delimited field, as pieces. */
export const wrapField = (number: number, bytes: Uint8Array): Uint8Array[] => [
  Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length)]),
  bytes,
];
