import type { Graph, Node } from "./types.js";

/** A graph inside a node: a branch of an If, the body of a Loop or Scan. */
export interface Body {
  readonly holder: Node;
  /** Name of the holder's attribute: `then_branch`, `else_branch`, `body`. */
  readonly attribute: string;
  /** With nodes indexed within the whole view. */
  readonly graph: Graph;
  /** The graph's own nodes, producers first. */
  order: readonly Node[];
}

/**
 * How values pass a border: `to` holds what one of `from` holds, unchanged (a Scan's elements and collected results are slices of them). A link into a body
 * names it; links out of a holder have none.
 */
export interface Link {
  readonly holder: Node;
  readonly body: Body | undefined;
  readonly to: string;
  readonly from: readonly string[];
}

/** Which graphs of a node can be opened; undefined when it is not one of the operators whose borders are understood. */
export function openBodies(holder: Node, adopt: (graph: Graph) => Graph): Body[] | undefined {
  if (whyClosed(holder) !== undefined) return undefined;
  return [...holder.attributes.values()].flatMap((a) =>
    (a.graphs ?? []).map((graph) => {
      const adopted = adopt(graph);
      return { holder, attribute: a.name, graph: adopted, order: adopted.nodes };
    }),
  );
}

/** Why the subgraphs of a node are not looked into; undefined when they are. */
export function whyClosed(holder: Node): string | undefined {
  if (holder.domain !== "" || !["If", "Loop", "Scan"].includes(holder.opType))
    return `${holder.opType} holds a subgraph whose borders halfscope does not know`;
  const graphs = [...holder.attributes.values()].flatMap((a) => a.graphs ?? []);
  const expected = holder.opType === "If" ? 2 : 1;
  if (graphs.length !== expected) return `${holder.opType} holds ${graphs.length} subgraphs, expected ${expected}`;
  if (holder.opType === "Scan") {
    // Version 8 had a batch axis and no such rule.
    const body = graphs[0] as Graph;
    const offset = holder.inputs.length - body.inputs.length;
    if (offset !== 0) return "a Scan of opset 8 has a batch dimension of its own";
  }
  if (holder.opType === "Loop") {
    const body = graphs[0] as Graph;
    if (body.inputs.length !== Math.max(2, holder.inputs.length)) return "the Loop's body takes another number of values than the Loop";
  }
  return undefined;
}

/** Values that a Loop or Scan carries from one round to the next. */
export const stateCount = (holder: Node): number =>
  holder.opType === "Loop" ? Math.max(0, holder.inputs.length - 2) : holder.inputs.length - scanInputCount(holder);

export const scanInputCount = (holder: Node): number => holder.attributes.get("num_scan_inputs")?.int ?? 0;

export function linksOf(holder: Node, bodies: readonly Body[]): Link[] {
  const links: Link[] = [];
  const link = (body: Body | undefined, to: string | undefined, ...from: (string | undefined)[]) => {
    if (to) links.push({ holder, body, to, from: from.flatMap((f) => f || []) });
  };
  if (holder.opType === "If") {
    holder.outputs.forEach((to, k) => {
      link(undefined, to, ...bodies.map((b) => b.graph.outputs[k]?.name));
    });
    return links;
  }
  const body = bodies[0];
  if (body === undefined) return links;
  const { inputs, outputs } = body.graph;
  const states = stateCount(holder);
  // A Loop's body takes (iteration, condition, states) and gives (condition, states, collected); a Scan's (states, elements) and (states, collected).
  const loop = holder.opType === "Loop";
  const [intoAt, fromAt, outAt] = loop ? [2, 2, 1] : [0, 0, 0];
  for (let k = 0; k < states; k++) link(body, inputs[intoAt + k]?.name, holder.inputs[fromAt + k], outputs[outAt + k]?.name);
  if (!loop) for (let k = states; k < holder.inputs.length; k++) link(body, inputs[k]?.name, holder.inputs[k]);
  holder.outputs.forEach((to, k) => {
    // A Loop that runs no round hands its initial values on.
    link(undefined, to, outputs[outAt + k]?.name, ...(loop && k < states ? [holder.inputs[fromAt + k]] : []));
  });
  return links;
}
