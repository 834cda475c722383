import { dtypeFromNumber } from "@halfscope/core";
import { nodeFromField } from "./node.js";
import { sparseFromField, tensorFromField, tensorFromFile } from "./tensor.js";
import type { ContainerType, Dimension, Field, Graph, Initializer, Node, SparseInitializer, ValueInfo } from "./types.js";
import { bytesOf, type FieldLocation, type FileBytes, fieldsOf, intOf, notProtobuf, textOf } from "./wire.js";

/** GraphProto field numbers (onnx.proto). */
export const graphField = { node: 1, name: 2, initializer: 5, input: 11, output: 12, valueInfo: 13, sparseInitializer: 15 } as const;

const known: ReadonlySet<number> = new Set(Object.values(graphField));

/** Reads the main graph from a file, leaving weights where they are. */
export function graphFromFile(file: FileBytes, location: FieldLocation, folder: string): Graph {
  const fields: Field[] = [];
  const initializers: Initializer[] = [];
  for (const inner of file.fields(location.payloadOffset, location.payloadOffset + location.payloadLength)) {
    if (inner.number === graphField.initializer && inner.wireType === 2) {
      const tensor = tensorFromFile(file, inner, folder);
      initializers.push(tensor);
      fields.push(tensor.field);
    } else fields.push(file.field(inner, "read"));
  }
  return graphFromFields(fields, initializers, folder);
}

/** Reads a subgraph, which is in memory with everything in it. */
export function graphFromBytes(bytes: Uint8Array, folder: string): Graph {
  const fields = fieldsOf(bytes, "a subgraph");
  const initializers = fields.filter((f) => f.number === graphField.initializer).map((f) => tensorFromField(f, folder));
  return graphFromFields(fields, initializers, folder);
}

/** The graph with other nodes in place of its own; they stand where its first node stood. */
export function withNodes(graph: Graph, nodes: readonly Node[], folder: string): Graph {
  const first = graph.fields.findIndex((f) => f.number === graphField.node);
  const others = (fields: readonly Field[]) => fields.filter((f) => f.number !== graphField.node);
  const fields = [
    ...others(graph.fields.slice(0, Math.max(0, first))),
    ...nodes.map((n) => n.field),
    ...others(graph.fields.slice(Math.max(0, first))),
  ];
  return graphFromFields(fields, graph.initializers, folder);
}

function graphFromFields(fields: readonly Field[], initializers: readonly Initializer[], folder: string): Graph {
  const nodes: Node[] = [];
  const sparseInitializers: SparseInitializer[] = [];
  const values: Record<number, ValueInfo[]> = { [graphField.input]: [], [graphField.output]: [], [graphField.valueInfo]: [] };
  let name = "";
  for (const field of fields) {
    if (field.wireType !== 2 && known.has(field.number)) throw notProtobuf(`field ${field.number} of a graph`, 0);
    if (field.number === graphField.node) nodes.push(nodeFromField(nodes.length, field, folder));
    else if (field.number === graphField.name) name = textOf(field);
    else if (field.number === graphField.sparseInitializer) sparseInitializers.push(sparseFromField(field, folder));
    else values[field.number]?.push(valueInfoFromField(field));
  }
  const of = (number: number) => values[number] ?? [];
  return {
    name,
    nodes,
    initializers,
    sparseInitializers,
    inputs: of(graphField.input),
    outputs: of(graphField.output),
    valueInfos: of(graphField.valueInfo),
    fields,
  };
}

/** TypeProto field numbers of the kinds of values; others hold a denotation, or something that no schema knows yet. */
const typeField = { tensor: 1, sequence: 4, map: 5, opaque: 7, sparseTensor: 8, optional: 9 } as const;
const typeFields: ReadonlySet<number> = new Set(Object.values(typeField));

export function valueInfoFromField(field: Field): ValueInfo {
  let name = "";
  let type: Pick<ValueInfo, "dtype" | "dims" | "container"> = { dtype: "unknown", dims: undefined };
  for (const f of fieldsOf(bytesOf(field), "a value_info")) {
    if (f.number === 1) name = textOf(f);
    else if (f.number === 2) type = typeFromBytes(bytesOf(f));
  }
  return { name, ...type, field };
}

function typeFromBytes(bytes: Uint8Array): Pick<ValueInfo, "dtype" | "dims" | "container"> {
  const type = fieldsOf(bytes, "a type").findLast((t) => typeFields.has(t.number));
  let dtype: ValueInfo["dtype"] = "unknown";
  let dims: Dimension[] | undefined;
  if (type?.number === typeField.tensor) {
    for (const part of fieldsOf(bytesOf(type), "a tensor type")) {
      if (part.number === 1) dtype = dtypeFromNumber(intOf(part));
      else if (part.number === 2)
        dims = fieldsOf(bytesOf(part), "a shape")
          .filter((d) => d.number === 1)
          .map(dimensionFromField);
    }
    return { dtype, dims };
  }
  return { dtype, dims, ...(type !== undefined && { container: containerFromField(type) }) };
}

function containerFromField(type: Field): ContainerType {
  const isSequence = type.number === typeField.sequence;
  if (!isSequence && type.number !== typeField.optional) return { kind: "other" };
  const element = fieldsOf(bytesOf(type), "a type").find((f) => f.number === 1 && f.wireType === 2);
  if (element === undefined) return { kind: "other" };
  const { dtype, container } = typeFromBytes(bytesOf(element));
  if (container === undefined) return isSequence ? { kind: "sequence", dtype } : { kind: "optional", of: "tensor", dtype };
  return !isSequence && container.kind === "sequence" ? { kind: "optional", of: "sequence", dtype: container.dtype } : { kind: "other" };
}

function dimensionFromField(field: Field): Dimension {
  const parts = fieldsOf(bytesOf(field), "a dimension");
  const size = parts.find((p) => p.number === 1);
  const symbol = parts.find((p) => p.number === 2);
  const value = size === undefined ? -1 : intOf(size);
  return {
    // Exporters write -1 for a size that they do not know.
    size: value < 0 ? undefined : value,
    symbol: symbol === undefined || textOf(symbol) === "" ? undefined : textOf(symbol),
  };
}
