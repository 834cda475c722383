import { graphField } from "./graph.js";
import type { Field, Graph } from "./types.js";
import { bytesOf, fieldsOf, textOf } from "./wire.js";

/** Name of a sparse initializer: that of the tensor of its values. */
export function sparseName(field: Field): string {
  const values = fieldsOf(bytesOf(field), "a sparse initializer").find((f) => f.number === 1);
  const name = values === undefined ? undefined : fieldsOf(bytesOf(values), "a tensor").findLast((f) => f.number === 8);
  return name === undefined ? "" : textOf(name);
}

export const sparseNames = (graph: Graph): string[] =>
  graph.fields.filter((f) => f.number === graphField.sparseInitializer).map(sparseName);
