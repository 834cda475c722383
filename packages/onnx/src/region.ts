import { type GraphView, topOf } from "./graph-view.js";
import { sparseNames } from "./sparse-names.js";
import type { Initializer, Node } from "./types.js";

/** Nodes of the main graph that are taken out together, and what passes their border. */
export interface Region {
  /** Producers first. */
  readonly nodes: readonly Node[];
  /** Tensors that come from outside, in the order of their first use: graph inputs, and what other nodes compute from them. */
  readonly inputs: readonly string[];
  /** Those that depend on sizes alone (the target of a Reshape, bounds of a Slice): fixed once the feeds' shapes are. */
  readonly fixedByShapes: readonly string[];
  readonly initializers: readonly Initializer[];
  readonly outputs: readonly string[];
}

/**
 * The border of some nodes of the main graph. Nodes that make constants for them are taken along. `outputs` defaults to what others read or the graph gives; of nodes that
 * nobody reads, to all they make.
 */
export function regionOf(view: GraphView, chosen: ReadonlySet<Node>, outputs: readonly string[] = outputsOf(view, chosen)): Region {
  const { constant, byShapes } = dependencies(view);
  const nodes = new Set(chosen);
  const given = new Set([...view.graph.initializers.map((i) => i.name), ...sparseNames(view.graph)]);
  const pending = [...chosen];
  for (let node = pending.pop(); node !== undefined; node = pending.pop())
    for (const tensor of readsOf(view, node)) {
      const producer = view.producer.get(tensor);
      if (producer === undefined || nodes.has(producer) || !constant.has(tensor)) continue;
      nodes.add(producer);
      pending.push(producer);
    }
  const ordered = view.mainOrder.filter((n) => nodes.has(n));
  const made = new Set(ordered.flatMap((n) => n.outputs));
  const read = new Set(ordered.flatMap((n) => readsOf(view, n)).filter((t) => !made.has(t)));
  return {
    nodes: ordered,
    inputs: [...read].filter((t) => !given.has(t)),
    fixedByShapes: [...read].filter((t) => !given.has(t) && byShapes.has(t) && !view.graphInputs.has(t)),
    initializers: view.graph.initializers.filter((i) => read.has(i.name) || outputs.includes(i.name)),
    outputs,
  };
}

/** What nodes give to others or to the graph's outputs. */
function outputsOf(view: GraphView, chosen: ReadonlySet<Node>): string[] {
  const made = view.mainOrder.filter((n) => chosen.has(n)).flatMap((n) => n.outputs.filter((o) => o !== ""));
  const uses = (t: string) => view.consumers.get(t) ?? [];
  const given = made.filter((t) => view.graphOutputs.has(t) || uses(t).some((u) => !chosen.has(topOf(view, u.node))));
  return given.length > 0 ? given : made.filter((t) => uses(t).length === 0);
}

/** Nodes on the ways from some tensors to others. Ways that come from elsewhere are cut where they join. Empty when there is no way. */
export function nodesBetween(view: GraphView, from: readonly string[], to: readonly string[]): Set<Node> {
  const reached = new Set(from);
  const forward = new Set<Node>();
  for (const node of view.mainOrder)
    if (readsOf(view, node).some((t) => reached.has(t))) {
      forward.add(node);
      for (const o of node.outputs) if (o !== "") reached.add(o);
    }
  const starts = new Set(from);
  const chosen = new Set<Node>();
  const pending = [...to];
  for (let tensor = pending.pop(); tensor !== undefined; tensor = pending.pop()) {
    const node = view.producer.get(tensor);
    if (node === undefined || starts.has(tensor) || !forward.has(node) || chosen.has(node)) continue;
    chosen.add(node);
    pending.push(...readsOf(view, node));
  }
  return chosen;
}

/** The nodes and `count` more: each time the last of those that make what comes in. Fewer where no more are left. */
export function withCauses(view: GraphView, chosen: ReadonlySet<Node>, count: number): Set<Node> {
  const nodes = new Set(chosen);
  const place = new Map(view.mainOrder.map((n, i) => [n, i]));
  const { constant } = dependencies(view);
  for (let added = 0; added < count; added++) {
    const before = [...nodes]
      .flatMap((n) => readsOf(view, n))
      .flatMap((t) => (constant.has(t) ? [] : (view.producer.get(t) ?? [])))
      .filter((n) => !nodes.has(n));
    const last = before.reduce<Node | undefined>(
      (a, b) => (a !== undefined && (place.get(a) ?? 0) >= (place.get(b) ?? 0) ? a : b),
      undefined,
    );
    if (last === undefined) break;
    nodes.add(last);
  }
  return nodes;
}

/** What a node reads, also from inside its bodies. */
const readsOf = (view: GraphView, node: Node): string[] => [...node.inputs, ...(view.outer.get(node) ?? [])].filter((t) => t !== "");

/** Tensors of the main graph that depend on nothing that is fed, and those that depend on its sizes alone. */
function dependencies(view: GraphView): { constant: ReadonlySet<string>; byShapes: ReadonlySet<string> } {
  const constant = new Set([...view.graph.initializers.map((i) => i.name), ...sparseNames(view.graph)]);
  const byShapes = new Set(constant);
  for (const node of view.mainOrder) {
    if (isRandom(node)) continue;
    const reads = readsOf(view, node);
    const standard = node.domain === "";
    if (reads.every((t) => constant.has(t))) for (const o of node.outputs) constant.add(o);
    if ((standard && (node.opType === "Shape" || node.opType === "Size")) || reads.every((t) => byShapes.has(t)))
      for (const o of node.outputs) byShapes.add(o);
  }
  return { constant, byShapes };
}

const isRandom = (node: Node): boolean => /^(Random|Bernoulli|Multinomial|Dropout)/.test(node.opType);
