import { graphFromBytes } from "./graph.js";
import { tensorFromField } from "./tensor.js";
import type { Attribute, Field, FunctionInfo, Graph, Node } from "./types.js";
import { bytesOf, fieldsOf, floatOf, floatsOf, intOf, intsOf, textOf } from "./wire.js";

/** NodeProto field numbers (onnx.proto). */
export const nodeField = { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7, overload: 8, metadata: 9 } as const;
/** AttributeProto field numbers. */
export const attributeField = {
  name: 1,
  float: 2,
  int: 3,
  string: 4,
  tensor: 5,
  graph: 6,
  floats: 7,
  ints: 8,
  strings: 9,
  tensors: 10,
  graphs: 11,
  type: 20,
  refName: 21,
} as const;

const attributeTypes: Record<number, Attribute["type"]> = {
  1: "float",
  2: "int",
  3: "string",
  4: "tensor",
  5: "graph",
  6: "floats",
  7: "ints",
  8: "strings",
  9: "tensors",
  10: "graphs",
};

/** One node, decoded lazily: names at once, attributes and metadata when first asked for. */
class LazyNode implements Node {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly bytes: Uint8Array;
  private readonly fields: readonly Field[];
  private decoded: ReadonlyMap<string, Attribute> | undefined;

  constructor(
    readonly index: number,
    readonly field: Field,
    readonly folder: string,
  ) {
    this.bytes = bytesOf(field);
    this.fields = fieldsOf(this.bytes, `node ${index}`);
    const text = (number: number) => {
      const found = this.fields.findLast((f) => f.number === number);
      return found === undefined ? "" : textOf(found);
    };
    this.name = text(nodeField.name);
    this.opType = text(nodeField.opType);
    const domain = text(nodeField.domain);
    this.domain = domain === "ai.onnx" ? "" : domain;
    this.overload = text(nodeField.overload);
    this.inputs = this.fields.filter((f) => f.number === nodeField.input).map(textOf);
    this.outputs = this.fields.filter((f) => f.number === nodeField.output).map(textOf);
  }

  get attributes(): ReadonlyMap<string, Attribute> {
    this.decoded ??= new Map(
      this.fields
        .filter((f) => f.number === nodeField.attribute)
        .map((f) => attributeFromBytes(bytesOf(f), this.folder))
        .map((a) => [a.name, a]),
    );
    return this.decoded;
  }

  get metadata(): ReadonlyMap<string, string> {
    return new Map(
      this.fields
        .filter((f) => f.number === nodeField.metadata)
        .map((f) => fieldsOf(bytesOf(f), "node metadata"))
        .map((parts) => [text(parts, 1), text(parts, 2)]),
    );
  }
}

export const nodeFromField = (index: number, field: Field, folder: string): Node => new LazyNode(index, field, folder);

/** The same node at another place in a list. */
export const reindexed = (node: Node, index: number): Node => new LazyNode(index, node.field, node instanceof LazyNode ? node.folder : "");

const text = (fields: readonly Field[], number: number): string => {
  const found = fields.findLast((f) => f.number === number);
  return found === undefined ? "" : textOf(found);
};

/** `folder` resolves external data of tensors inside. */
export function attributeFromBytes(bytes: Uint8Array, folder: string): Attribute {
  const fields = fieldsOf(bytes, "an attribute");
  const of = (number: number) => fields.filter((f) => f.number === number);
  const last = (number: number) => fields.findLast((f) => f.number === number);
  const typeField = last(attributeField.type);
  // Files of IR version 1 have no type; the field that is set tells.
  const type = typeField !== undefined ? (attributeTypes[intOf(typeField)] ?? "other") : guessType(fields);
  const graphs = [...of(attributeField.graph), ...of(attributeField.graphs)];
  const number = (f: Field | undefined, read: (f: Field) => number) => (f === undefined ? 0 : read(f));
  const tensor = last(attributeField.tensor);
  const string = last(attributeField.string);
  return {
    name: text(fields, attributeField.name),
    type,
    ...(type === "float" && { float: number(last(attributeField.float), floatOf) }),
    ...(type === "int" && { int: number(last(attributeField.int), intOf) }),
    ...(type === "string" && { string: string === undefined ? "" : textOf(string) }),
    ...(type === "floats" && { floats: of(attributeField.floats).flatMap(floatsOf) }),
    ...(type === "ints" && { ints: of(attributeField.ints).flatMap(intsOf) }),
    ...(type === "strings" && { strings: of(attributeField.strings).map(textOf) }),
    ...(tensor !== undefined && { tensor: tensorFromField(tensor, folder) }),
    ...(graphs.length > 0 && { graphs: graphs.map((g) => graphFromBytes(bytesOf(g), folder)) }),
  };
}

function guessType(fields: readonly Field[]): Attribute["type"] {
  for (const [number, type] of [
    [2, "float"],
    [3, "int"],
    [4, "string"],
    [5, "tensor"],
    [6, "graph"],
    [7, "floats"],
    [8, "ints"],
    [9, "strings"],
    [11, "graphs"],
  ] as const)
    if (fields.some((f) => f.number === number)) return type;
  return "other";
}

/** Subgraphs that a node holds (If, Loop, Scan ...); empty for most. */
export function subgraphsOf(node: Node): readonly Graph[] {
  const out: Graph[] = [];
  for (const a of node.attributes.values()) out.push(...(a.graphs ?? []));
  return out;
}

/** A local function of the model. Its nodes are indexed within the function. */
export function functionFromField(field: Field, folder: string): FunctionInfo {
  const fields = fieldsOf(bytesOf(field), "a function");
  const domain = text(fields, 10);
  return {
    name: text(fields, 1),
    domain: domain === "ai.onnx" ? "" : domain,
    overload: text(fields, 13),
    inputs: fields.filter((f) => f.number === 4).map(textOf),
    outputs: fields.filter((f) => f.number === 5).map(textOf),
    nodes: fields.filter((f) => f.number === 7).map((f, i) => nodeFromField(i, f, folder)),
    field,
  };
}

// Decoding every node's attributes to look for subgraphs would read all Constant payloads; these operators have none.
const withoutSubgraphs = new Set([
  "Constant",
  "MatMul",
  "Add",
  "Mul",
  "Reshape",
  "Transpose",
  "Gather",
  "Cast",
  "Shape",
  "Unsqueeze",
  "Conv",
]);
export const mayHoldSubgraph = (node: Node): boolean => !withoutSubgraphs.has(node.opType);
