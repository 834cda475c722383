import { isFloat } from "@halfscope/core";
import type { Attribute, GraphView, Initializer, Node } from "@halfscope/onnx";

const known = new WeakMap<Node, string>();

/** What a node's attributes say, as text that is equal for equal nodes; float types in `to` and `dtype` count as one type, for converters change them. */
export function attributesOf(node: Node): string {
  const found = known.get(node);
  if (found !== undefined) return found;
  const text = [...node.attributes.values()]
    .map((a) => `${a.name}=${valueText(a)}`)
    .sort()
    .join(";");
  known.set(node, text);
  return text;
}

const floatTypes = new Set([1, 10, 11, 16]);

function valueText(a: Attribute): string {
  if ((a.name === "to" || a.name === "dtype") && a.int !== undefined && floatTypes.has(a.int)) return "float";
  // Float values change with the type; whole numbers do not.
  if (a.tensor !== undefined) return `tensor[${a.tensor.dims.join(",")}]${wholeValues(a.tensor)}`;
  // Bodies are converted too: their own nodes are matched, not their bytes.
  if (a.graphs !== undefined) return `graphs ${a.graphs.length}`;
  // A limit or fill value may have been rounded to FP16 on the way.
  if (a.float !== undefined) return a.float.toPrecision(3);
  if (a.floats !== undefined) return a.floats.map((x) => x.toPrecision(3)).join(",");
  return String(a.int ?? a.string ?? a.ints ?? a.strings ?? "");
}

const wholeValues = ({ dtype, data }: Initializer): string =>
  data.kind === "bytes" && !isFloat(dtype) && data.bytes.length <= 256 ? Buffer.from(data.bytes).toString("hex") : "";

const upstreams = new WeakMap<GraphView, Map<string, ReadonlySet<string>>>();

/** All tensors that a tensor is made from, itself included. */
export function upstreamOf(tensor: string, view: GraphView): ReadonlySet<string> {
  const cache = upstreams.get(view) ?? new Map<string, ReadonlySet<string>>();
  upstreams.set(view, cache);
  const before = cache.get(tensor);
  if (before !== undefined) return before;
  const found = new Set([tensor]);
  for (const t of found) {
    const node = view.producer.get(t);
    if (node === undefined) continue;
    for (const input of [...node.inputs, ...(view.outer.get(node) ?? [])]) if (input !== "") found.add(input);
  }
  cache.set(tensor, found);
  return found;
}
