import type { EngineLayer } from "@halfscope/core";
import { type LayerName, NodeNames, partsOfName } from "./fused-names.js";
import { type MapGraph, type MapNode, movingOperators } from "./map-graph.js";

/** Why a node is in no engine layer. */
export type UnmappedReason =
  | "constant" // it follows from weights and shapes: folded when the engine is built, or computed on the host where sizes are open
  | "movement" // it changes no value: the engine merged it into its neighbours
  | "unused" // nothing that reaches an output reads it
  | "unnamed"; // fused or folded, and no engine layer names it

/** ONNX nodes and engine layers, both ways. */
export interface LayerMap {
  /** The engine's layers with `nodes` as the graph names them. A node may be in several; layers that compute none were added by the builder. */
  layers: readonly EngineLayer[];
  /** Places in `layers` by node name. */
  byNode: ReadonlyMap<string, readonly number[]>;
  /** Every other node of the graph, with the reason. */
  unmapped: readonly { node: string; reason: UnmappedReason }[];
  /** How layers were tied to nodes: by the inspector's metadata, by names, by the ends of a region; and those that the builder added or that nothing ties. */
  counts: Readonly<Record<"metadata" | "name" | "region" | "added" | "unknown", number>>;
}

/**
 * Ties engine layers to the nodes they compute. What the inspector's metadata says goes first (TensorRT 10 and 11); without it the layer's name is read
 * (8.6): fused names, copies into a Concat, and regions `{ForeignNode[first...last]}`. A region stands for the nodes from its first to its last in the
 * graph's order (from the graph's first where the region begins with a weight or a layer of the parser's own) that lead to the last or come from the first, but for
 * those that other layers name: TensorRT itself says no more of it.
 */
export function mapLayers(layers: readonly EngineLayer[], graph: MapGraph): LayerMap {
  const mapper = new Mapper(graph);
  return mapper.map(layers);
}

type Way = keyof LayerMap["counts"];

class Mapper {
  private readonly names: NodeNames;
  private readonly places = new Map<string, number>();
  private readonly byOutput = new Map<string, MapNode>();
  private readonly readers = new Map<string, MapNode[]>();
  private readonly constant = new Set<MapNode>();
  private readonly counts: Record<Way, number> = { metadata: 0, name: 0, region: 0, added: 0, unknown: 0 };

  constructor(private readonly graph: MapGraph) {
    this.names = new NodeNames(graph);
    graph.nodes.forEach((node, place) => {
      if (!this.places.has(node.name)) this.places.set(node.name, place);
      for (const output of node.outputs) if (output !== "") this.byOutput.set(output, node);
      for (const input of new Set(node.inputs)) if (input !== "") this.readers.set(input, [...(this.readers.get(input) ?? []), node]);
    });
    for (const node of graph.nodes) if (this.isConstant(node)) this.constant.add(node);
  }

  map(layers: readonly EngineLayer[]): LayerMap {
    const parts = layers.map((layer) => partsOfName(layer.name));
    const named = layers.map((layer, i) => this.named(layer, parts[i] ?? { text: "" }));
    const claimed = new Set(named.flat());
    const mapped = layers.map((layer, i): EngineLayer => {
      const region = parts[i]?.region;
      let nodes: readonly string[] = named[i] ?? [];
      if (nodes.length === 0 && region !== undefined && layer.nodes.length === 0) {
        nodes = this.region(region, claimed);
        for (const node of nodes) claimed.add(node);
      }
      this.counts[this.wayOf(layer, parts[i] ?? { text: "" }, nodes)]++;
      // Names of network layers that are no node's stay: they say more than nothing.
      return { ...layer, nodes: nodes.length > 0 ? nodes : layer.nodes };
    });
    const byNode = new Map<string, number[]>();
    mapped.forEach((layer, place) => {
      for (const node of layer.nodes) if (this.places.has(node)) byNode.set(node, [...(byNode.get(node) ?? []), place]);
    });
    return { layers: mapped, byNode, unmapped: this.unmapped(byNode), counts: this.counts };
  }

  /** Nodes by metadata or else by name, without regions. */
  private named(layer: EngineLayer, name: LayerName): string[] {
    const known = layer.nodes.map((n) => this.names.find(n)).filter((n) => n !== undefined);
    if (known.length > 0) return [...new Set(known)];
    if (name.copied !== undefined)
      return [...new Set((this.readers.get(name.copied) ?? []).filter((n) => n.opType === "Concat").map((n) => n.name))];
    return name.text === "" ? [] : this.names.within(name.text);
  }

  private wayOf(layer: EngineLayer, name: LayerName, nodes: readonly string[]): Way {
    if (nodes.length === 0) return name.added !== undefined || addedKinds.has(layer.kind) ? "added" : "unknown";
    if (layer.nodes.length > 0) return "metadata";
    return name.region === undefined ? "name" : "region";
  }

  /**
   * Nodes of `first...last`, either of which may be a fused name, and hold dots itself. An end without a node is a weight or a layer of the parser's own: network layers
   * that stand anywhere before what reads them, so that side of the region is open.
   */
  private region(text: string, claimed: ReadonlySet<string>): string[] {
    const splits = endsOf(text).map(([first, last]) => [this.placesOf(first), this.placesOf(last)] as const);
    const named = (places: readonly number[]) => Number(places.length > 0);
    // Dots of a name's own split it too: the way by which both ends are known, or one.
    const best = splits.toSorted((a, b) => named(b[0]) + named(b[1]) - named(a[0]) - named(a[1]))[0];
    const [first, last] = best ?? [this.placesOf(text), this.placesOf(text)];
    if (first.length === 0 && last.length === 0) return [];
    const all = [...first, ...last];
    const [low, high] = [first.length === 0 ? 0 : Math.min(...all), last.length === 0 ? this.graph.nodes.length - 1 : Math.max(...all)];
    const inside = new Set([...this.reach(last, "up"), ...this.reach(first, "down")]);
    return this.graph.nodes
      .slice(low, high + 1)
      .filter((n) => inside.has(n) && !claimed.has(n.name) && !this.constant.has(n))
      .map((n) => n.name);
  }

  /** Places of the nodes that an end of a region names. */
  private placesOf(end: string): number[] {
    return this.names.within(end).map((n) => this.places.get(n) ?? 0);
  }

  private reach(places: readonly number[], way: "up" | "down"): Set<MapNode> {
    const seen = new Set(places.map((p) => this.graph.nodes[p]).filter((n) => n !== undefined));
    // A set hands out what is added while it is walked.
    for (const node of seen)
      if (way === "up") for (const input of node.inputs) addTo(seen, this.byOutput.get(input));
      else for (const output of node.outputs) for (const reader of this.readers.get(output) ?? []) seen.add(reader);
    return seen;
  }

  private unmapped(byNode: ReadonlyMap<string, readonly number[]>): LayerMap["unmapped"] {
    const producers = this.graph.outputs.map((t) => this.places.get(this.byOutput.get(t)?.name ?? "")).filter((p) => p !== undefined);
    const used = this.reach(producers, "up");
    const seen = new Set<string>();
    const missing: { node: string; reason: UnmappedReason }[] = [];
    for (const node of this.graph.nodes) {
      if (byNode.has(node.name) || seen.has(node.name)) continue;
      seen.add(node.name);
      const reason = this.constant.has(node)
        ? "constant"
        : !used.has(node)
          ? "unused"
          : movingOperators.has(node.opType)
            ? "movement"
            : "unnamed";
      missing.push({ node: node.name, reason });
    }
    return missing;
  }

  /** Whether all it reads is a weight or known too. */
  private isConstant(node: MapNode): boolean {
    if (isConstantOperator(node)) return true;
    const read = node.inputs.filter((t) => t !== "");
    return (
      read.length > 0 &&
      read.every((t) => (this.byOutput.has(t) ? this.constant.has(this.byOutput.get(t) as MapNode) : !this.graph.inputs.has(t)))
    );
  }
}

/** Engine layers that move data or keep streams in step. */
const addedKinds = new Set(["Reformat", "NoOp", "signal", "wait", "shape_call"]);

const isConstantOperator = ({ opType }: MapNode): boolean =>
  opType === "Constant" || opType === "ConstantOfShape" || opType === "Shape" || opType === "Size";

const addTo = (seen: Set<MapNode>, node: MapNode | undefined): void => {
  if (node !== undefined) seen.add(node);
};

/** Every way to split at three dots. */
function endsOf(text: string): [string, string][] {
  const splits: [string, string][] = [];
  for (let at = text.indexOf("..."); at >= 0; at = text.indexOf("...", at + 1)) splits.push([text.slice(0, at), text.slice(at + 3)]);
  return splits;
}
