import { type Layer, UsageError } from "@halfscope/core";
import { type Body, type GraphView, type Node, nodesBetween, type Region, regionOf, topOf, withCauses } from "@halfscope/onnx";

/** What to take out: a layer, or what lies between tensors. */
export interface ExtractChoice {
  layer?: string | undefined;
  from?: readonly string[] | undefined;
  to?: readonly string[] | undefined;
  /** So many nodes before the chosen ones are taken along. */
  withCause?: number | undefined;
}

/** The nodes that a person chose, and their border. Throws ERR_OPTION for names that the model lacks and for what stands inside control flow. */
export function chooseRegion(view: GraphView, layers: readonly Layer[], choice: ExtractChoice): Region {
  const { layer, from = [], to = [], withCause = 0 } = choice;
  if ((layer === undefined) === (to.length === 0))
    throw bad(
      "extract needs either --layer ID or --to TENSOR.",
      "For instance --layer encoder/layer.3/output/LayerNorm, or --from a --to b.",
    );
  if (layer !== undefined && from.length > 0) throw bad("--from goes with --to, not with --layer.", "Give --to as well, or --layer alone.");
  const chosen = layer === undefined ? between(view, layers, from, to) : nodesOfLayer(view, layers, layer);
  const { outputs } = regionOf(view, chosen, to.length === 0 ? undefined : [...new Set(to)]);
  if (outputs.length === 0) throw bad(`Nothing comes out of ${layer ?? "these nodes"}.`, "Choose a layer whose outputs are read.");
  return regionOf(view, withCauses(view, chosen, withCause), outputs);
}

function nodesOfLayer(view: GraphView, layers: readonly Layer[], id: string): Set<Node> {
  const layer = layers.find((l) => l.id === id);
  if (layer === undefined) {
    const like = layers.filter((l) => l.id.includes(id) || l.outputs.includes(id)).slice(0, 3);
    throw bad(
      `The model has no layer "${id}".`,
      like.length === 0 ? "List the layers with `halfscope inspect MODEL`." : `Did you mean ${like.map((l) => `"${l.id}"`).join(" or ")}?`,
    );
  }
  const nodes = layer.nodes.flatMap((n) => view.nodes[n] ?? []);
  for (const node of nodes) refuseInside(view, layers, node, `Layer "${id}"`);
  if (nodes.every((n) => n.opType === "Constant")) {
    // A constant is rounded where it is read: alone it would show nothing.
    const readers = new Set(
      nodes.flatMap((n) => n.outputs).flatMap((t) => (view.consumers.get(t) ?? []).map((u) => topOf(view, u.node).index)),
    );
    const reading = layers.filter((l) => l.nodes.some((n) => readers.has(n))).slice(0, 3);
    throw bad(
      `Layer "${id}" only holds a constant, which says nothing alone.`,
      reading.length === 0
        ? "Nothing reads it."
        : `Extract what reads it: --layer ${reading.map((l) => JSON.stringify(l.id)).join(" or ")}.`,
    );
  }
  return new Set(nodes);
}

function between(view: GraphView, layers: readonly Layer[], from: readonly string[], to: readonly string[]): Set<Node> {
  const known = (tensor: string, option: string) => {
    const producer = view.producer.get(tensor);
    if (producer !== undefined) refuseInside(view, layers, producer, `Tensor "${tensor}"`);
    else if (option === "--to" || !(view.graphInputs.has(tensor) || view.initializers.has(tensor)))
      throw bad(
        `${option} names "${tensor}", which ${view.graphInputs.has(tensor) || view.initializers.has(tensor) ? "no node computes" : "the model does not have"}.`,
        "List the layers with their outputs with `halfscope inspect MODEL --json`.",
      );
  };
  for (const t of from) known(t, "--from");
  for (const t of to) known(t, "--to");
  const starts = from.length > 0 ? from : [...view.graphInputs];
  const chosen = nodesBetween(view, starts, to);
  for (const t of to)
    if (!chosen.has(view.producer.get(t) as Node))
      throw bad(
        `No way leads from ${from.map((f) => `"${f}"`).join(", ") || "the model's inputs"} to "${t}".`,
        "--from names tensors in front of --to.",
      );
  return chosen;
}

/** Nodes of bodies cannot stand alone: what they carry from round to round, and whether they run at all, is their holder's. */
function refuseInside(view: GraphView, layers: readonly Layer[], node: Node, what: string): void {
  const body: Body | undefined = view.bodyOf.get(node.index);
  if (body === undefined) return;
  const { holder } = body;
  const top = topOf(view, node);
  const layer = layers.find((l) => l.nodes.includes(top.index));
  throw bad(
    `${what} stands inside ${body.attribute} of ${holder.opType} "${holder.name || holder.outputs.find((o) => o !== "") || holder.index}", and cannot be taken out of it.`,
    layer === undefined ? "Extract the node that holds it." : `Extract what holds it, whole: --layer ${JSON.stringify(layer.id)}.`,
  );
}

const bad = (message: string, hint: string): UsageError => new UsageError("ERR_OPTION", message, { hint });
