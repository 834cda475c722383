import { bytesPerElement, isFloat, type Placement, type TensorTypes } from "@halfscope/core";
import { type GraphView, type Node, topOf } from "@halfscope/onnx";

/** A place in the graph that few values cross: a candidate that changes something behind it can start from the reference's values there. */
export interface Cut {
  /** Values that cross, by name; all tensors of known type. Empty for the start of the graph. */
  readonly tensors: readonly string[];
  /** Nodes that run from here on. */
  readonly nodes: ReadonlySet<Node>;
  /** Their work, as a share of the whole graph's: roughly what a pass from here costs. */
  readonly work: number;
}

/** More than this crossing a cut is no narrow place. */
const widestBytes = 64 << 20;
const mostTensors = 64;

/**
 * Up to `count` cuts, narrow and evenly spread over the work, the first being the start of the graph. Only values that sessions can be fed cross
 * them (no sequences, strings or shapes that are not known).
 */
export function findCuts(view: GraphView, types: TensorTypes, count: number): Cut[] {
  const order = view.mainOrder;
  const position = new Map(order.map((n, i) => [n, i]));
  const lastUse = new Map<string, number>();
  for (const [tensor, uses] of view.consumers) lastUse.set(tensor, Math.max(...uses.map((u) => position.get(topOf(view, u.node)) ?? 0)));
  for (const output of view.graphOutputs) lastUse.set(output, order.length);
  const constant = remadeTensors(view, types);
  const bytesOf = (tensor: string): number => {
    const type = types.get(tensor);
    const width = bytesPerElement(type?.dtype ?? "unknown");
    // Scalars have no known shape here (rank 0 and unknown look alike), so they count as not feedable too.
    if (width === undefined || type?.dims === undefined || type.dims.some((d) => d === undefined)) return Number.POSITIVE_INFINITY;
    return type.dims.reduce<number>((n, d) => n * (d ?? 1), width);
  };
  const candidates: { at: number; bytes: number; work: number; tensors: string[] }[] = [];
  const live = new Set<string>();
  let work = 0;
  order.forEach((node, i) => {
    work += workOf(node, types);
    for (const t of node.outputs) if ((lastUse.get(t) ?? -1) > i && !constant.has(t)) live.add(t);
    for (const t of live) if ((lastUse.get(t) ?? -1) <= i) live.delete(t);
    if (live.size === 0 || live.size > mostTensors) return;
    const bytes = [...live].reduce((n, t) => n + bytesOf(t), 0);
    if (bytes <= widestBytes) candidates.push({ at: i, bytes, work, tensors: [...live] });
  });
  const workBehind = (nodes: ReadonlySet<Node>) => [...nodes].reduce((n, node) => n + workOf(node, types), 0) / Math.max(work, 1);
  const cuts: Cut[] = [{ tensors: [], nodes: new Set(order), work: 1 }];
  for (let k = 1; k < count; k++) {
    // In each stretch of equal work, the narrowest place; ties go to the first.
    const inside = candidates.filter((c) => c.work > (work * (k - 0.5)) / count && c.work <= (work * (k + 0.5)) / count);
    const best = inside.reduce<(typeof inside)[number] | undefined>((a, b) => (a === undefined || b.bytes < a.bytes ? b : a), undefined);
    if (best === undefined) continue;
    const nodes = nodesBehind(view, new Set(best.tensors), constant);
    cuts.push({ tensors: best.tensors, nodes, work: workBehind(nodes) });
  }
  return cuts;
}

/** Rough: elements written, and multiplications of products and convolutions, eight of which take as long as writing an element. */
function workOf(node: Node, types: TensorTypes): number {
  const dims = (t: string | undefined) => (types.get(t ?? "")?.dims ?? []).map((d) => d ?? 1);
  const elements = node.outputs.reduce((n, t) => n + dims(t).reduce((a, b) => a * b, 1), 0);
  const product = node.opType === "MatMul" || node.opType === "Gemm";
  const sums = product
    ? (dims(node.inputs[0]).at(-1) ?? 1)
    : node.opType === "Conv"
      ? dims(node.inputs[1])
          .slice(1)
          .reduce((a, b) => a * b, 1)
      : 1;
  return elements * Math.max(1, sums / 8);
}

/**
 * What is cheaper made again behind a cut than carried over it: what depends on weights and constants alone, and the integer arithmetic on the model's
 * inputs and their shapes that exporters scatter over the graph.
 */
function remadeTensors(view: GraphView, types: TensorTypes): ReadonlySet<string> {
  const isFloatTensor = (t: string) => isFloat(types.get(t)?.dtype ?? "unknown");
  const remade = new Set([...view.initializers.keys(), ...view.sparse.keys()]);
  const fed = new Set([...view.graphInputs].filter((t) => !isFloatTensor(t)));
  for (const node of view.mainOrder) {
    if (view.outer.has(node) || /^Random|Multinomial|Bernoulli/.test(node.opType)) continue;
    const constant = node.inputs.every((t) => t === "" || remade.has(t));
    const integers =
      !node.outputs.some(isFloatTensor) &&
      node.inputs.every((t) => t === "" || remade.has(t) || fed.has(t) || (node.opType === "Shape" && view.graphInputs.has(t)));
    if (constant || integers) for (const t of node.outputs) remade.add(t);
  }
  return remade;
}

function nodesBehind(view: GraphView, crossing: ReadonlySet<string>, remade: ReadonlySet<string>): ReadonlySet<Node> {
  const nodes = new Set<Node>();
  const queue = [...view.graphOutputs];
  for (let t = queue.pop(); t !== undefined; t = queue.pop()) {
    const node = crossing.has(t) && !remade.has(t) ? undefined : view.producer.get(t);
    if (node === undefined || nodes.has(node)) continue;
    nodes.add(node);
    queue.push(...node.inputs, ...(view.outer.get(node) ?? []));
  }
  return nodes;
}

/**
 * Whether everything that a rounding touches lies behind the cut, so that it acts there as it does in the whole graph. Readers that lead to no
 * output are in no cut and do not matter; `needed` are those that do.
 */
export function isBehind(cut: Cut, placement: Placement, view: GraphView, needed: ReadonlySet<Node>): boolean {
  if (cut.tensors.length === 0) return true;
  const consumer = placement.consumer === undefined ? undefined : view.nodes[placement.consumer.node];
  if (consumer !== undefined) return cut.nodes.has(topOf(view, consumer));
  const producer = view.producer.get(placement.tensor);
  if (producer !== undefined && !cut.nodes.has(topOf(view, producer))) return false;
  const readers = (view.consumers.get(placement.tensor) ?? []).map((u) => topOf(view, u.node));
  return readers.every((n) => cut.nodes.has(n) || !needed.has(n));
}

/** Nodes that some graph output depends on. */
export const neededNodes = (view: GraphView): ReadonlySet<Node> => nodesBehind(view, new Set(), new Set());
