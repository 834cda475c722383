import { type GraphView, mayHoldSubgraph, type Node, subgraphsOf, type Use, viewGraph } from "@halfscope/onnx";

/** A constant table that a graph input indexes: an embedding. */
export interface IdTable {
  /** Name of the table's tensor. */
  readonly tensor: string;
  /** Valid ids are [-rows, rows). */
  readonly rows: number;
  /** Size of the table's last axis; undefined for a table of rank 1. */
  readonly columns: number | undefined;
  /** Whether every element of the input reaches the table (no Slice, Concat ... on the way). */
  readonly everyElement: boolean;
}

/** Operators that hand on their first input's values unchanged and completely. */
const handOn = new Set(["Identity", "Cast", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Transpose", "Expand", "Tile"]);
/** Operators that hand on some of the values. */
const handOnSome = new Set(["Slice", "Split", "Concat", "Gather", "GatherND", "GatherElements", "Pad"]);
/** EmbedLayerNormalization of com.microsoft: which input holds the table of which ids. */
const embedLayerNormTables = new Map([
  [0, 2],
  [1, 4],
  [8, 3],
]);

/**
 * Tables that a tensor's values index: follows it through casts, shape operators and slices, also into subgraphs, to a Gather on a constant.
 * Arithmetic ends the trail: what comes behind it are other values.
 */
export function traceIds(view: GraphView, tensor: string): IdTable[] {
  const found = new Map<string, IdTable>();
  trace([view], tensor, true, new Set(), found);
  return [...found.values()];
}

function trace(scopes: readonly GraphView[], start: string, complete: boolean, seen: Set<string>, found: Map<string, IdTable>): void {
  const view = scopes[0]!;
  const pending = [{ tensor: start, complete }];
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    const key = `${scopes.length} ${item.complete} ${item.tensor}`;
    if (seen.has(key)) continue;
    seen.add(key);
    for (const use of view.consumers.get(item.tensor) ?? []) {
      if (use.input < 0) {
        if (mayHoldSubgraph(use.node))
          for (const graph of subgraphsOf(use.node)) trace([viewGraph(graph), ...scopes], item.tensor, false, new Set(), found);
        continue;
      }
      const table = tableOf(scopes, use);
      if (table !== undefined) {
        const everyElement = item.complete || (found.get(table.tensor)?.everyElement ?? false);
        found.set(table.tensor, { ...table, everyElement });
      } else if (handOn.has(use.node.opType) && use.input === 0) push(use.node, item.complete);
      else if (handOnSome.has(use.node.opType) && (use.input === 0 || use.node.opType === "Concat")) push(use.node, false);
      else if (use.node.opType === "Where" && use.input > 0) push(use.node, false);
    }
  }
  function push(node: Node, stillComplete: boolean): void {
    for (const tensor of node.outputs) if (tensor !== "") pending.push({ tensor, complete: stillComplete });
  }
}

function tableOf(scopes: readonly GraphView[], { node, input }: Use): Omit<IdTable, "everyElement"> | undefined {
  const isGather = (node.opType === "Gather" || node.opType === "GatherBlockQuantized") && input === 1;
  const tableInput = isGather ? 0 : node.opType === "EmbedLayerNormalization" ? embedLayerNormTables.get(input) : undefined;
  const tensor = tableInput === undefined ? undefined : node.inputs[tableInput];
  if (tensor === undefined) return undefined;
  const dims = constantDims(scopes, tensor);
  const axis = (isGather ? (node.attributes.get("axis") ?? node.attributes.get("gather_axis"))?.int : 0) ?? 0;
  const rows = dims?.at(axis);
  return dims === undefined || rows === undefined ? undefined : { tensor, rows, columns: dims.length > 1 ? dims.at(-1) : undefined };
}

/** Shape of a constant: an initializer or Constant node, maybe behind Identity, Cast or DequantizeLinear. */
export function constantDims(scopes: readonly GraphView[], tensor: string): readonly number[] | undefined {
  let name = tensor;
  for (let hops = 0; hops < 8; hops++) {
    const initializer = scopes.map((view) => view.initializers.get(name)).find((i) => i !== undefined);
    if (initializer !== undefined) return initializer.dims;
    const node = scopes.map((view) => view.producer.get(name)).find((n) => n !== undefined);
    if (node?.opType === "Constant") return node.attributes.get("value")?.tensor?.dims;
    if (node === undefined || !["Identity", "Cast", "DequantizeLinear"].includes(node.opType)) return undefined;
    name = node.inputs[0] ?? "";
  }
  return undefined;
}
