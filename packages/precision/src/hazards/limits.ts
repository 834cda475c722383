import { type Hazard, halfWords } from "@halfscope/core";
import type { Node } from "@halfscope/onnx";
import { stateInside } from "../operators.js";
import { countOf, type HazardOptions, layerOf, staysFull } from "./context.js";

/** Operators that stay in FP32 whatever is pinned, one line for each type and reason: a list to know, not faults. */
export function fullForms(o: HazardOptions): Hazard[] {
  const groups = new Map<string, { reason: string; nodes: Node[] }>();
  for (const [index, reason] of o.floats.fixedNodes) {
    const node = o.view.nodes[index];
    if (node === undefined) continue;
    const key = `${node.domain}:${node.opType}\0${reason}`;
    const group = groups.get(key) ?? { reason, nodes: [] };
    group.nodes.push(node);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ reason, nodes }) => {
    const first = nodes[0] as Node;
    return {
      code: "no-half-form",
      severity: "info",
      layer: layerOf(o, first),
      tensor: first.outputs.find((t) => t !== "") ?? first.name,
      evidence: `${countOf(nodes.length, "node")} of type ${first.opType} ${nodes.length === 1 ? "stays" : "stay"} in FP32 whatever is pinned: ${reason}.`,
      fix: "Nothing needs to be done: Casts stand around them in a mixed model.",
      values: { nodes: nodes.length },
    };
  });
}

/** Recurrent and fused operators: what they keep inside is nowhere to be seen. One line for each type. */
export function innerStates(o: HazardOptions): Hazard[] {
  const groups = new Map<string, Node[]>();
  for (const node of o.view.order) {
    const sentence = staysFull(o, node) ? undefined : stateInside(node);
    if (sentence !== undefined) groups.set(sentence, [...(groups.get(sentence) ?? []), node]);
  }
  return [...groups].map(([sentence, nodes]) => ({
    code: "inner-state",
    severity: "info",
    layer: layerOf(o, nodes[0]),
    tensor: nodes[0]?.outputs.find((t) => t !== "") ?? "",
    evidence: `${countOf(nodes.length, "node")}, ${sentence} A runtime that keeps it in ${halfWords[o.floats.type]} may lose more than the measurement shows${isRecurrent(sentence) ? ", the more the longer the sequence" : ""}.`,
    fix: `${isRecurrent(sentence) ? "Measure with sequences as long as they come; pin" : "Pin"} these layers if the runtime's own outputs are worse than measured.`,
    values: { nodes: nodes.length },
  }));
}

const isRecurrent = (sentence: string): boolean => sentence.includes("step to step");
