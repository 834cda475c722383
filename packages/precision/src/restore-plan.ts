import { type Pin, switchOff, type TensorTypes } from "@halfscope/core";
import type { GraphView, Node } from "@halfscope/onnx";
import type { Edge, Root } from "./float-graph.js";
import { isHalfType } from "./number-format.js";
import { allHalf } from "./plan.js";
import { type RestoredSites, restoreSites } from "./restore.js";
import { type Roundings, roundedUses, roundSwitches, siteId } from "./sites.js";

/** A file that is in FP16 already: what it rounds, in terms of its FP32 restoration. */
export interface RestoredPlan {
  /** The file exactly: a value per placement. */
  readonly switches: Uint8Array;
  /** Roundings of the file that no switch stands for, or the other way round, as uses: the emulation lacks them or has them beyond the file's. */
  readonly differences: readonly string[];
  /** The file as a plan can say it: layers that compute in FP32. */
  readonly pins: readonly Pin[];
  /** Uses that the file rounds and the plan does not, or the other way round: layers that are in both precisions. */
  readonly planDifferences: readonly string[];
}

export const restoredPinReason = "it is in FP32 in the file";

/**
 * Reads from an FP16, bfloat16 or mixed-precision file what its restoration (`restoreModel`) must round to be the file again. `view` and `types` are the file's,
 * `roundings` the restoration's; their nodes have the same indices and their tensors the same names.
 */
export function restorePlan(file: { view: GraphView; types: TensorTypes }, roundings: Roundings): RestoredPlan {
  const { floats } = roundings;
  const typeIn = (tensor: string | undefined) => file.types.get(tensor ?? "")?.dtype;
  const switchFor = (tensor: string | undefined): number => {
    const type = typeIn(tensor);
    return roundSwitches[isHalfType(type) ? type : floats.type][0];
  };
  const found = restoreSites(file.view, file.types, (t) => t);
  const rounded = (root: Root, edge: Edge) => found.uses.has(useOf(root, edge));
  const whole = new Set([...floats.roots.values()].filter((r) => isWhole(r, rounded, found)));
  const bySite = new Map([...floats.roots.values()].map((r) => [siteId(r), r]));
  const edges = new Map(floats.edges.map((e) => [`${e.node.index}:${e.input}`, e]));
  const edgeOn = new Set<Edge>();
  const placed = new Set<Root>();
  const switches = Uint8Array.from(roundings.placements, (p) => {
    if (p.at === "tensor") {
      const root = bySite.get(p.site);
      if (root === undefined || !whole.has(root)) return switchOff;
      placed.add(root);
      if (roundings.keptFull?.has(p.tensor) && root.edges.every((e) => isHalfType(typeIn(e.node.outputs[0])))) return switchOff;
      return switchFor(p.tensor);
    }
    if (p.at === "product") return typeIn(p.tensor) === "float16" ? (p.sums?.position ?? switchOff) : switchOff;
    const edge = edges.get(`${p.consumer?.node}:${p.consumer?.input}`);
    if (edge === undefined || !edge.roots.some((r) => !whole.has(r) && rounded(r, edge))) return switchOff;
    edgeOn.add(edge);
    return switchFor(file.view.nodes[edge.node.index]?.inputs[edge.input]);
  });
  const emulated = new Set<string>();
  for (const edge of floats.edges) for (const root of edge.roots) if (placed.has(root) || edgeOn.has(edge)) emulated.add(useOf(root, edge));
  const pins = pinsOf(file, roundings);
  const planned = roundedUses({ ...allHalf("", "overflow", floats.type), pins }, roundings);
  const changes = (others: ReadonlySet<string>) => differenceOf(found.uses, others).filter((use) => !isWeight(use, floats.roots));
  return { switches, differences: changes(emulated), pins, planDifferences: changes(planned) };
}

const useOf = (root: Root, edge: Edge): string => `${root.tensor} > ${edge.node.outputs.find((o) => o !== "")}#${edge.input}`;

/** Whether everyone who sees a root's values sees them rounded: then the tensor itself is. */
function isWhole(root: Root, rounded: (root: Root, edge: Edge) => boolean, { outputs }: RestoredSites): boolean {
  const reached = [...outputs].some((o) => o.startsWith(`${root.tensor} > `));
  return (root.edges.length > 0 || root.reachesOutput) && root.edges.every((e) => rounded(root, e)) && (!root.reachesOutput || reached);
}

/** Weights of the restoration are FP16 numbers where the file's are: rounding them again changes nothing. */
const isWeight = (use: string, roots: ReadonlyMap<string, Root>): boolean =>
  roots.get(use.slice(0, use.lastIndexOf(" > ")))?.kind === "weight";

const differenceOf = (a: ReadonlySet<string>, b: ReadonlySet<string>): string[] => [
  ...[...a].filter((x) => !b.has(x)),
  ...[...b].filter((x) => !a.has(x)),
];

/** Layers of which every node that computes does so in FP32. */
function pinsOf(file: { view: GraphView; types: TensorTypes }, { floats }: Roundings): Pin[] {
  const precisions = new Map<string, Set<"half" | "full">>();
  for (const node of floats.view.order) {
    const layer = floats.layerOf.get(node.index);
    if (layer === undefined || floats.movers.has(node.index) || floats.fixedNodes.has(node.index)) continue;
    const precision = precisionOf(file.view.nodes[node.index], file.types);
    if (precision !== undefined) precisions.set(layer, (precisions.get(layer) ?? new Set()).add(precision));
  }
  return [...precisions].flatMap(([layer, found]) => (found.has("half") ? [] : [{ layer, reason: restoredPinReason }]));
}

/** How a node computes in the file; undefined for constants and nodes without floats. */
function precisionOf(node: Node | undefined, types: TensorTypes): "half" | "full" | undefined {
  if (node === undefined || (node.domain === "" && (node.opType === "Constant" || node.opType === "ConstantOfShape"))) return undefined;
  const found = [...node.outputs, ...node.inputs].map((t) => types.get(t)?.dtype);
  return found.some(isHalfType) ? "half" : found.includes("float32") ? "full" : undefined;
}
