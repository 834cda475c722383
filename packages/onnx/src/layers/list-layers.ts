import { isFloat, type Layer } from "@halfscope/core";
import { type GraphView, viewGraph } from "../graph-view.js";
import type { Model, Node } from "../types.js";
import { recogniseActivations } from "./activation.js";
import { recogniseAttentions } from "./attention.js";
import { placeLayers } from "./block-path.js";
import { Claims, type Draft, type Recogniser } from "./claims.js";
import { recogniseConvolutions } from "./convolution.js";
import { recogniseGelus } from "./gelu.js";
import { recogniseLinears } from "./linear.js";
import { recogniseNorms } from "./norm.js";
import { mergeOutputHeads } from "./output-head.js";
import { recogniseResiduals } from "./residual.js";
import { Scan } from "./scan.js";
import { claimControlFlow, claimFusedNodes, claimRest, isMover } from "./single.js";

/** From the most to the least specific: an earlier one keeps what it claims. */
const recognisers: readonly Recogniser[] = [
  claimFusedNodes,
  recogniseNorms,
  recogniseGelus,
  recogniseLinears,
  recogniseConvolutions,
  recogniseAttentions,
  recogniseActivations,
  recogniseResiduals,
  claimRest,
  mergeOutputHeads,
];

/**
 * What a person calls the layers of a model, by first node. Every node of the graph's view, also those in bodies, belongs to exactly one; ids depend on
 * the graph alone. Reads no weights, so that models whose external data is missing can be listed.
 */
export function listLayers(model: Model, view: GraphView = viewGraph(model.graph)): Layer[] {
  const scan = Scan.of(view);
  const claims = new Claims(scan);
  claimControlFlow(scan, claims, new Set(model.functions.map((f) => `${f.domain}:${f.name}`)));
  for (const recognise of recognisers) recognise(scan, claims);
  const drafts = [...claims.drafts].map((draft) => ({ draft, nodes: [...draft.nodes].sort((a, b) => a.index - b.index) }));
  drafts.sort((a, b) => (a.nodes[0]?.index ?? 0) - (b.nodes[0]?.index ?? 0));
  const places = placeLayers(
    scan,
    drafts.map((d) => d.draft),
  );
  const ids = new Set<string>();
  return drafts.map(({ draft, nodes }) => {
    const { blockPath: place = "", name = "" } = places.get(draft) ?? {};
    const blockPath = [bodyPath(scan.view, draft.main), place].filter((p) => p !== "").join("/");
    const id = unique(blockPath === "" ? name : `${blockPath}/${name}`, ids);
    return {
      id,
      kind: draft.kind,
      blockPath,
      title: draft.title,
      nodes: nodes.map((n) => n.index),
      operators: nodes.map((n) => n.opType),
      ...edgesOf(scan, draft, nodes),
    };
  });
}

/** Names of the holders and branches around a node: `HOLDER/then_branch`; empty in the main graph. */
function bodyPath(view: GraphView, node: Node): string {
  const body = view.bodyOf.get(node.index);
  if (body === undefined) return "";
  const holder = (body.holder.name || body.holder.outputs.find((o) => o !== "") || body.holder.opType).replace(/^\/+/, "");
  return [bodyPath(view, body.holder), holder, body.attribute].filter((p) => p !== "").join("/");
}

function unique(wanted: string, taken: Set<string>): string {
  let id = wanted;
  for (let n = 2; taken.has(id); n++) id = `${wanted}#${n}`;
  taken.add(id);
  return id;
}

function edgesOf(scan: Scan, draft: Draft, nodes: readonly Node[]): Pick<Layer, "inputs" | "outputs" | "weights"> {
  const inside = new Set(nodes.flatMap((n) => n.outputs));
  const inputs = new Set<string>();
  const outputs = new Set<string>();
  const weights = new Set<string>();
  for (const node of nodes) {
    for (const tensor of [
      ...valueInputs(node, draft.kind === "shape" || draft.kind === "embedding"),
      ...(scan.view.outer.get(node) ?? []),
    ]) {
      const constant = scan.constant(tensor);
      if (constant === undefined) {
        if (tensor !== "" && !inside.has(tensor)) inputs.add(tensor);
      } else if (constant.rootIsInitializer && isFloat(constant.rootDtype)) weights.add(constant.root);
    }
    for (const tensor of node.outputs) {
      const uses = scan.view.consumers.get(tensor) ?? [];
      if (tensor !== "" && (scan.view.graphOutputs.has(tensor) || uses.some((u) => !draft.nodes.has(u.node)))) outputs.add(tensor);
    }
  }
  return { inputs: [...inputs], outputs: [...outputs], weights: [...weights] };
}

/** Inputs that carry values: a mover's shapes, axes and positions are none, except where shapes are what a layer works on. */
function valueInputs(node: Node, all: boolean): readonly string[] {
  if (all || !isMover(node)) return node.inputs;
  if (node.opType === "Concat" || node.opType === "SequenceConstruct" || node.opType === "ConcatFromSequence") return node.inputs;
  if (node.opType.startsWith("Scatter")) return node.inputs.filter((_, i) => i !== 1);
  return node.inputs.slice(0, 1);
}
