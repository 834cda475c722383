import { graphField } from "./graph.js";
import { modelField } from "./read-model.js";
import { delimitedField, type Piece, type Rope, ropeLength, verbatim } from "./rope.js";
import type { Field, Graph, Initializer, Model, Node, ValueInfo } from "./types.js";

/**
 * What to change in a graph. Each function gets one element and returns the messages that stand in its place (several, one, or
 * none to drop it), or undefined to keep it byte for byte.
 */
export interface GraphEdit {
  node?: (node: Node) => readonly Uint8Array[] | undefined;
  initializer?: (initializer: Initializer) => readonly Rope[] | undefined;
  input?: (value: ValueInfo) => readonly Uint8Array[] | undefined;
  output?: (value: ValueInfo) => readonly Uint8Array[] | undefined;
  valueInfo?: (value: ValueInfo) => readonly Uint8Array[] | undefined;
  /** Nodes before all others, and behind all others. */
  firstNodes?: readonly Uint8Array[];
  lastNodes?: readonly Uint8Array[];
  /** Value_info entries behind all others; read when everything else has been edited. */
  moreValueInfos?: readonly Uint8Array[];
}

/** The model's bytes with the edit applied; with no edit, exactly the bytes of the file. Requires the graph's fields to be unchanged since reading. */
export function rewriteModel(model: Model, edit: GraphEdit = {}): Rope {
  return model.fields.flatMap((field): Rope => {
    if (field.number !== modelField.graph) return verbatim(field);
    const content = rewriteGraph(model.graph, edit);
    // The length prefix is written anew only where the length changed: a writer may have used more bytes for it than needed.
    return ropeLength(content) === field.payload.length ? [field.header, ...content] : delimitedField(modelField.graph, content);
  });
}

/** GraphProto bytes with the edit applied. For bodies, `graph.nodes` may be the view's: only their order counts. */
export function rewriteGraph(graph: Graph, edit: GraphEdit): Rope {
  const elements = {
    node: graph.nodes.values(),
    initializer: graph.initializers.values(),
    input: graph.inputs.values(),
    output: graph.outputs.values(),
    valueInfo: graph.valueInfos.values(),
  };
  const pieces: Piece[] = [];
  const put = (number: number, messages: readonly (Uint8Array | Rope)[]) => {
    for (const m of messages) pieces.push(...delimitedField(number, m instanceof Uint8Array ? [m] : m));
  };
  const replace = <T>(field: Field, element: T, change: ((e: T) => readonly (Uint8Array | Rope)[] | undefined) | undefined) => {
    const messages = change?.(element);
    if (messages === undefined) pieces.push(...verbatim(field));
    else put(field.number, messages);
  };
  const next = <T>(iterator: Iterator<T>): T => iterator.next().value as T;
  let nodesLeft = graph.nodes.length;
  if (nodesLeft === 0) put(graphField.node, [...(edit.firstNodes ?? []), ...(edit.lastNodes ?? [])]);
  for (const field of graph.fields) {
    if (field.number === graphField.node) {
      if (nodesLeft === graph.nodes.length) put(graphField.node, edit.firstNodes ?? []);
      replace(field, next(elements.node), edit.node);
      nodesLeft--;
      if (nodesLeft === 0) put(graphField.node, edit.lastNodes ?? []);
    } else if (field.number === graphField.initializer) replace(field, next(elements.initializer), edit.initializer);
    else if (field.number === graphField.input) replace(field, next(elements.input), edit.input);
    else if (field.number === graphField.output) replace(field, next(elements.output), edit.output);
    else if (field.number === graphField.valueInfo) replace(field, next(elements.valueInfo), edit.valueInfo);
    else pieces.push(...verbatim(field));
  }
  put(graphField.valueInfo, edit.moreValueInfos ?? []);
  return pieces;
}
