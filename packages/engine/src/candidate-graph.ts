import type { Placement, TensorTypes } from "@halfscope/core";
import { editNode, type GraphView, type Initializer, type Model, type Node } from "@halfscope/onnx";
import type { WeightInput } from "./addon.js";
import type { Cut } from "./cuts.js";
import { GraphBuilder, operatorDomain } from "./graph-builder.js";
import { feedInputs } from "./infer-types.js";

export interface CandidateGraphOptions {
  model: Model;
  view: GraphView;
  types: TensorTypes;
  feedShapes: ReadonlyMap<string, readonly number[]>;
  /** All become nodes or switched weights; their switches decide at run time. */
  placements: readonly Placement[];
  /** Start here instead of at the graph's inputs: the crossing values are fed. */
  cut?: Cut | undefined;
}

export interface CandidateGraph {
  bytes: Uint8Array;
  weights: readonly WeightInput[];
}

/**
 * The candidate alone, with a switch at every placement: one session serves every plan and nothing is rebuilt. Large weights are graph inputs, fed from
 * a map of the file or from a rounded copy while their switch is on; a rounding node on a weight would run in every pass.
 */
export function buildCandidateGraph(o: CandidateGraphOptions): CandidateGraph {
  const { model, view, types } = o;
  const builder = new GraphBuilder(model);
  const atTensor = new Map<string, number>();
  const atEdge = new Map<string, number>();
  o.placements.forEach((p, i) => {
    if (p.at === "tensor") atTensor.set(p.tensor, i);
    else atEdge.set(`${p.consumer?.node}:${p.consumer?.input}`, i);
  });
  const round = (from: string, to: string, placement: number, shape: string, where: "first" | "middle" = "middle") =>
    builder.node(
      {
        name: `${to}/round`,
        opType: "Round",
        domain: operatorDomain,
        inputs: [from],
        outputs: [to],
        attributes: { switch: placement, scalar: types.get(shape)?.dims?.length === 0 ? 1 : 0 },
      },
      where,
    );

  const names = new Map<string, string>();
  const weights: WeightInput[] = [];
  const runs = (node: Node) => o.cut === undefined || o.cut.nodes.has(node);
  const isRead = (tensor: string) => o.cut === undefined || (view.consumers.get(tensor) ?? []).some((u) => runs(u.node));
  for (const tensor of o.cut?.tensors ?? [])
    builder.input(tensor, { dtype: types.get(tensor)?.dtype ?? "unknown", dims: types.get(tensor)?.dims });
  for (const v of feedInputs(view)) {
    if (!isRead(v.name)) continue;
    builder.input(v.name, { dtype: v.dtype, dims: o.feedShapes.get(v.name) });
    const placement = atTensor.get(v.name);
    if (placement === undefined) continue;
    round(v.name, `${v.name}#c`, placement, v.name);
    names.set(v.name, `${v.name}#c`);
  }
  for (const init of view.initializers.values()) {
    if (!isRead(init.name) && !view.graphOutputs.has(init.name)) continue;
    const placement = atTensor.get(init.name);
    const input = placement === undefined ? undefined : asWeightInput(init, placement);
    if (input !== undefined) {
      weights.push(input);
      builder.input(init.name, { dtype: init.dtype, dims: init.dims });
      continue;
    }
    builder.initializer(init);
    if (placement === undefined) continue;
    round(init.name, `${init.name}#c`, placement, init.name, "first");
    names.set(init.name, `${init.name}#c`);
  }
  for (const node of view.order) {
    if (!runs(node)) continue;
    const inputs = node.inputs.map((t, i) => {
      const name = names.get(t) ?? t;
      const edge = atEdge.get(`${node.index}:${i}`);
      if (edge === undefined) return name;
      const rounded = `${t}#e${node.index}_${i}`;
      round(name, rounded, edge, t);
      return rounded;
    });
    builder.node(
      editNode(node, {
        input: (_, i) => inputs[i] ?? "",
        outer: (t) => names.get(t) ?? t,
        output: (t) => (atTensor.has(t) ? `${t}#raw` : t),
      }),
    );
    for (const t of node.outputs) {
      const placement = atTensor.get(t);
      if (placement !== undefined) round(`${t}#raw`, t, placement, t);
    }
  }
  for (const v of view.graph.outputs) builder.output(v.name);
  return { bytes: builder.finish(), weights };
}

function asWeightInput(init: Initializer, placement: number): WeightInput | undefined {
  if (init.data.kind !== "file" || init.dtype !== "float32") return undefined;
  const { path, offset, length } = init.data.span;
  return { name: init.name, path, offset, lengthBytes: length, dims: init.dims, switch: placement };
}
