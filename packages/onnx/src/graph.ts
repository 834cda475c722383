import { dtypeFromNumber } from "@halfscope/core";
import { nodeFromField } from "./node.js";
import { tensorFromField, tensorFromFile } from "./tensor.js";
import type { Dimension, Field, Graph, Initializer, Node, ValueInfo } from "./types.js";
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
  const values: Record<number, ValueInfo[]> = { [graphField.input]: [], [graphField.output]: [], [graphField.valueInfo]: [] };
  let name = "";
  for (const field of fields) {
    if (field.wireType !== 2 && known.has(field.number)) throw notProtobuf(`field ${field.number} of a graph`, 0);
    if (field.number === graphField.node) nodes.push(nodeFromField(nodes.length, field, folder));
    else if (field.number === graphField.name) name = textOf(field);
    else values[field.number]?.push(valueInfoFromField(field));
  }
  const of = (number: number) => values[number] ?? [];
  return {
    name,
    nodes,
    initializers,
    inputs: of(graphField.input),
    outputs: of(graphField.output),
    valueInfos: of(graphField.valueInfo),
    fields,
  };
}

export function valueInfoFromField(field: Field): ValueInfo {
  let name = "";
  let dtype: ValueInfo["dtype"] = "unknown";
  let dims: Dimension[] | undefined;
  for (const f of fieldsOf(bytesOf(field), "a value_info")) {
    if (f.number === 1) name = textOf(f);
    else if (f.number === 2)
      for (const type of fieldsOf(bytesOf(f), "a type").filter((t) => t.number === 1))
        for (const part of fieldsOf(bytesOf(type), "a tensor type")) {
          if (part.number === 1) dtype = dtypeFromNumber(intOf(part));
          else if (part.number === 2)
            dims = fieldsOf(bytesOf(part), "a shape")
              .filter((d) => d.number === 1)
              .map(dimensionFromField);
        }
  }
  return { name, dtype, dims, field };
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
