import type { PrecisionPlan } from "@halfscope/core";
import type { Node } from "@halfscope/onnx";
import { type HalfNodes, halfNodes, isRootRounded, type Roundings } from "./sites.js";

export type Precision = "half" | "full";

/** The FP32 tensors of a model as a mixed-precision file stores them. */
export interface Assignment {
  /** How a node runs: what it expects of its float inputs. */
  nodePrecision(node: Node): Precision;
  /** What a node expects at one input; inputs that the schema fixes stay full. */
  inputPrecision(node: Node, input: number): Precision;
  /** How a tensor comes out of its producer; weights and graph inputs as the file has them are full. */
  tensorPrecision(tensor: string): Precision;
}

/**
 * Decides for every node. Computing nodes follow the plan. Movers follow the values: a mover runs in FP32 only if it carries values that are not
 * rounded yet and somebody behind it needs them so, or if it belongs to a pinned layer and reads a weight (a pinned embedding keeps its table). That
 * never costs accuracy and leaves no Cast pair around a lone Reshape.
 */
export function assignPrecisions(plan: PrecisionPlan, roundings: Roundings): Assignment {
  const { floats } = roundings;
  const { view } = floats;
  const half = halfNodes(plan, floats);
  const fullMovers = moversInFull(plan, roundings, half);
  const fixedEdges = new Set(floats.edges.filter((e) => e.fixed).map((e) => `${e.node.index}:${e.input}`));
  const nodePrecision = (node: Node): Precision => {
    if (floats.movers.has(node.index)) return fullMovers.has(node.index) ? "full" : "half";
    return half(node.index) ? "half" : "full";
  };
  return {
    nodePrecision,
    inputPrecision: (node, input) => {
      if (fixedEdges.has(`${node.index}:${input}`)) return "full";
      if (floats.movers.get(node.index)?.includes(input) === false) return "full";
      return nodePrecision(node);
    },
    tensorPrecision: (tensor) => {
      const producer = view.producer.get(tensor);
      const root = floats.roots.get(tensor);
      if (producer === undefined || root?.kind === "weight" || (root?.fixed && root.producer !== undefined)) return "full";
      return nodePrecision(producer);
    },
  };
}

function moversInFull(plan: PrecisionPlan, roundings: Roundings, half: HalfNodes): ReadonlySet<number> {
  const { floats } = roundings;
  const { view } = floats;
  const full = new Set<number>();
  const needed = new Map<number, boolean>();
  // Values cross the borders of bodies in FP32: one type serves both branches and every round of a loop.
  const crossing = new Set(view.links.flatMap((l) => l.from));
  const edgesOf = new Map<string, { full: boolean }[]>();
  for (const e of floats.edges) {
    const list = edgesOf.get(e.tensor) ?? [];
    list.push({ full: e.fixed || !half(e.node.index) });
    edgesOf.set(e.tensor, list);
  }
  const pinned = new Set(plan.pins.map((p) => p.layer));
  for (const node of view.order.toReversed()) {
    const moved = floats.movers.get(node.index);
    const carried = floats.rootsOf.get(node.outputs[0] ?? "");
    if (moved === undefined || carried === undefined) continue;
    const need = node.outputs.some(
      (t) =>
        view.graphOutputs.has(t) ||
        crossing.has(t) ||
        edgesOf.get(t)?.some((e) => e.full) ||
        view.consumers.get(t)?.some((u) => needed.get(u.node.index) === true && floats.movers.get(u.node.index)?.includes(u.input)),
    );
    needed.set(node.index, need);
    const unrounded = carried.some((r) => !isRootRounded(r, half));
    const keepsTable =
      pinned.has(floats.layerOf.get(node.index) ?? "") && moved.some((i) => floats.roots.get(node.inputs[i] ?? "")?.kind === "weight");
    const asked = plan.defaultPrecision === "float32" || (need && unrounded) || keepsTable;
    if (asked || floats.fullMovers.has(node.index)) full.add(node.index);
  }
  return full;
}
