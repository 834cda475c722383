import {
  InternalError,
  type Placement,
  type PrecisionPlan,
  type ProductSums,
  type Site,
  switchOff,
  switchRound,
  switchRoundBfloat16,
  switchRoundBfloat16Finite,
  switchRoundFinite,
} from "@halfscope/core";
import type { Node } from "@halfscope/onnx";
import { type Edge, type FloatGraph, isShared, type Root } from "./float-graph.js";

/** Every site of a model and every place where a rounding may have to sit. The same for all plans: a plan only sets switches. */
export interface Roundings {
  readonly sites: readonly Site[];
  /** In switch order: switch i belongs to placement i. */
  readonly placements: readonly Placement[];
  readonly floats: FloatGraph;
  /** Activations that are not rounded while producer and all readers are in the candidate's type (see `keptFullBy`). */
  readonly keptFull?: ReadonlySet<string>;
}

export const siteId = (root: Root): string => `${root.kind}:${root.tensor}`;

/**
 * Lists sites in graph order: activations by producer, weights and inputs where they are first used; then the sums of products that `sumsOf` says are not in
 * FP32 (none when absent). `keepsFull` tells nodes that round together with their readers.
 */
export function listRoundings(
  floats: FloatGraph,
  sumsOf: SumsOf = () => undefined,
  keepsFull: (node: Node) => boolean = () => false,
): Roundings {
  const sites: Site[] = [];
  const placements: Placement[] = [];
  for (const root of floats.roots.values()) {
    const site = siteOf(root, floats);
    if (site === undefined) continue;
    sites.push(site);
    for (const tensor of root.carriers) placements.push({ at: "tensor", site: site.id, tensor });
  }
  const known = new Set(sites.map((s) => s.id));
  for (const edge of floats.edges) {
    if (edge.fixed || !edge.roots.some(isShared)) continue;
    const owner = edge.roots.find((r) => isShared(r) && known.has(siteId(r)));
    if (owner !== undefined)
      placements.push({ at: "edge", site: siteId(owner), tensor: edge.tensor, consumer: { node: edge.node.index, input: edge.input } });
  }
  for (const node of floats.view.order) {
    const tensor = node.outputs[0] ?? "";
    if (floats.fixedNodes.has(node.index) || !floats.roots.has(tensor)) continue;
    const sums = sumsOf(node);
    if (sums === undefined) continue;
    const layer = floats.layerOf.get(node.index);
    const site = `accumulation:${tensor}`;
    sites.push({ id: site, kind: "accumulation", tensor, layer, touching: layer === undefined ? [] : [layer] });
    placements.push({ at: "product", site, tensor, consumer: { node: node.index, input: -1 }, sums });
  }
  const kept = [...floats.roots.values()].filter((r) => r.producer !== undefined && r.edges.length > 0 && keepsFull(r.producer));
  return { sites, placements, floats, ...(kept.length > 0 && { keptFull: new Set(kept.map((r) => r.tensor)) }) };
}

/** How a product sums in the candidate; undefined where it sums in FP32 as ONNX Runtime does, and for other nodes. */
export type SumsOf = (node: Node) => ProductSums | undefined;

function siteOf(root: Root, floats: FloatGraph): Site | undefined {
  const { layerOf, view } = floats;
  const readers = root.edges.filter((e) => !e.fixed).flatMap((e) => layerOf.get(e.node.index) ?? []);
  const ownLayer = root.producer === undefined ? undefined : layerOf.get(root.producer.index);
  const roundedByProducer = root.kind === "activation" && !root.fixed;
  if (readers.length === 0 && !roundedByProducer) return undefined;
  const touching = [...new Set([...(roundedByProducer && ownLayer !== undefined ? [ownLayer] : []), ...readers])];
  const firstReader = view.consumers.get(root.tensor)?.[0]?.node.index;
  const layer =
    root.kind === "activation" ? ownLayer : root.kind === "weight" && firstReader !== undefined ? layerOf.get(firstReader) : undefined;
  return { id: siteId(root), kind: root.kind, tensor: root.tensor, layer, touching };
}

/** Whether a plan lets a node compute in FP16. */
export type HalfNodes = (node: number) => boolean;

/**
 * Nodes in FP16 (or bfloat16) under a plan: all but those of pinned layers and those that must stay in FP32. The plan's type must be the one that the sites were
 * listed for.
 */
export function halfNodes(plan: Pick<PrecisionPlan, "defaultPrecision" | "pins">, floats: FloatGraph): HalfNodes {
  const { defaultPrecision } = plan;
  if (defaultPrecision !== "float32" && defaultPrecision !== floats.type)
    throw new InternalError(`A plan for ${defaultPrecision} was given to sites of ${floats.type}.`);
  const pinned = new Set(plan.pins.map((p) => p.layer));
  const holders = new Set([...floats.view.bodies.keys()].map((n) => n.index));
  return (node) =>
    defaultPrecision !== "float32" && !floats.fixedNodes.has(node) && !holders.has(node) && !pinned.has(floats.layerOf.get(node) ?? "");
}

export const isHalfEdge = (edge: Edge, half: HalfNodes): boolean => !edge.fixed && half(edge.node.index);

/**
 * Whether a root's values are rounded for everyone. An FP16 producer rounds once for all its readers. A pinned producer, a weight and a graph input
 * round for everyone only if every reader is in FP16; otherwise the edges into FP16 readers round.
 */
export function isRootRounded(root: Root, half: HalfNodes): boolean {
  if (root.kind === "activation" && !root.fixed && root.producer !== undefined && half(root.producer.index)) return true;
  return (
    !root.reachesOutput &&
    root.edges.length > 0 &&
    root.edges.every((e) => isHalfEdge(e, half)) &&
    (root.kind !== "activation" || !isShared(root))
  );
}

/** Switch values of each type: as a cast does it, and with finite values kept finite. */
export const roundSwitches = {
  float16: [switchRound, switchRoundFinite],
  bfloat16: [switchRoundBfloat16, switchRoundBfloat16Finite],
} as const;

/** Values of all switches under a plan. */
export function switchesFromPlan(plan: PrecisionPlan, roundings: Roundings): Uint8Array {
  const { floats, placements } = roundings;
  const half = halfNodes(plan, floats);
  const roundedRoots = new Set([...floats.roots.values()].filter((r) => isRootRounded(r, half)));
  const bySite = new Map([...floats.roots.values()].map((r) => [siteId(r), r]));
  const edges = new Map(floats.edges.map((e) => [`${e.node.index}:${e.input}`, e]));
  const isKept = (tensor: string): boolean => {
    const root = roundings.keptFull?.has(tensor) ? floats.roots.get(tensor) : undefined;
    return root?.producer !== undefined && half(root.producer.index) && root.edges.every((e) => isHalfEdge(e, half));
  };
  const on = (p: Placement): boolean => {
    if (p.at === "product") return half(p.consumer?.node ?? -1);
    if (p.at === "tensor") return roundedRoots.has(bySite.get(p.site) as Root) && !isKept(p.tensor);
    const edge = edges.get(`${p.consumer?.node}:${p.consumer?.input}`);
    return edge !== undefined && isHalfEdge(edge, half) && edge.roots.some((r) => !roundedRoots.has(r));
  };
  const [round, roundFinite] = roundSwitches[floats.type];
  const value = (p: Placement) => p.sums?.position ?? (p.site.startsWith("weight:") && plan.constants === "finite" ? roundFinite : round);
  return Uint8Array.from(placements, (p) => (on(p) ? value(p) : switchOff));
}

/**
 * What a plan rounds, independent of how it is realised: one entry per (root, reader) that sees rounded values, `TENSOR > READER#INPUT`.
 * Two files with the same entries compute the same numbers.
 */
export function roundedUses(plan: PrecisionPlan, roundings: Roundings): ReadonlySet<string> {
  const { floats } = roundings;
  const half = halfNodes(plan, floats);
  const uses = new Set<string>();
  for (const edge of floats.edges)
    for (const root of edge.roots)
      if (isHalfEdge(edge, half) || isRootRounded(root, half))
        uses.add(`${root.tensor} > ${edge.node.outputs.find((o) => o !== "")}#${edge.input}`);
  return uses;
}

/** Site ids that a plan leaves in FP16. */
export function activeSites(plan: PrecisionPlan, roundings: Roundings): ReadonlySet<string> {
  const switches = switchesFromPlan(plan, roundings);
  return new Set(roundings.placements.filter((_, i) => switches[i] !== switchOff).map((p) => p.site));
}
