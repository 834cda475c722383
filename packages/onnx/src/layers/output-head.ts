import type { Draft, Recogniser } from "./claims.js";
import type { Scan } from "./scan.js";

/** A head ends soon; longer tails (box decoding, beam search) are a matter of their own. */
const longestHead = 40;
const startKinds = new Set(["linear", "convolution"]);
const tailKinds = new Set(["mover", "activation", "softmax", "cast", "shape", "pooling", "operator"]);

/**
 * Turns the last linear layer or convolution on the way to a graph output, with all that follows it, into one layer. Runs last: it only
 * merges layers. A layer is a head when everything that its result reaches is simple, reads nothing else but constants, and ends in outputs.
 */
export const mergeOutputHeads: Recogniser = (scan, claims) => {
  for (const draft of claims.drafts) {
    if (!startKinds.has(draft.kind)) continue;
    const tail = tailOf(draft, scan, (node) => claims.of(node));
    if (tail === undefined) continue;
    const followers = [...tail].filter((d) => d !== draft && d.kind !== "shape").map((d) => d.title);
    const title = `Output head: ${draft.title}${followers.length > 0 ? `, then ${[...new Set(followers)].join(", ")}` : ""}`;
    claims.merge(draft, tail, "output-head", title);
  }
};

type DraftOf = (node: Parameters<Parameters<Scan["view"]["order"]["forEach"]>[0]>[0]) => Draft | undefined;

/** All layers from `start` to the graph's outputs; undefined where `start` is no head. */
function tailOf(start: Draft, scan: Scan, draftOf: DraftOf): ReadonlySet<Draft> | undefined {
  const tail = new Set([start]);
  let reachesOutput = false;
  let size = 0;
  for (const draft of tail) {
    size += draft.nodes.size;
    if (size > longestHead) return undefined;
    for (const node of draft.nodes)
      for (const output of node.outputs) {
        reachesOutput ||= scan.view.graphOutputs.has(output);
        for (const use of scan.view.consumers.get(output) ?? []) {
          const next = draftOf(use.node);
          if (scan.view.bodyOf.has(use.node.index) || next === undefined || (next !== start && !tailKinds.has(next.kind))) return undefined;
          tail.add(next);
        }
      }
  }
  if (!reachesOutput) return undefined;
  const inside = new Set([...tail].flatMap((d) => [...d.nodes].flatMap((n) => n.outputs)));
  const isOutside = (tensor: string) => tensor !== "" && !inside.has(tensor) && !scan.isConstant(tensor) && scan.mayBeFloat(tensor);
  for (const draft of tail) {
    if (draft === start) continue;
    for (const node of draft.nodes) if (node.inputs.some(isOutside) || node.inputs.some((t) => isWeight(scan, t))) return undefined;
  }
  return tail;
}

/** A matrix or a filter, as opposed to a bias, a scale or a mask. */
const isWeight = (scan: Scan, tensor: string): boolean => (scan.constant(tensor)?.dims?.filter((d) => d > 1).length ?? 0) > 1;
