import type { Placement, TensorTypes } from "@halfscope/core";
import {
  type Body,
  editNode,
  type GraphView,
  type Initializer,
  type Model,
  type Node,
  type NodeEdit,
  type SparseInitializer,
  topOf,
} from "@halfscope/onnx";
import type { WeightInput } from "./addon.js";
import type { Cut } from "./cuts.js";
import { feedInput, feedInputs, GraphBuilder, type LevelBuilder, operatorDomain, withBodies } from "./graph-builder.js";
import { packedWeights, productNode } from "./product-node.js";

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
  return new CandidateBuilder(o).build();
}

class CandidateBuilder {
  private readonly atTensor = new Map<string, number>();
  private readonly atEdge = new Map<string, number>();
  private readonly products = new Map<number, number>();
  /** Weights that are rounded as they are packed. */
  private readonly packed: ReadonlyMap<string, number>;
  /** Names of tensors that are rounded behind a name of their own. */
  private readonly names = new Map<string, string>();

  constructor(private readonly o: CandidateGraphOptions) {
    o.placements.forEach((p, i) => {
      if (p.at === "tensor") this.atTensor.set(p.tensor, i);
      else if (p.at === "product") this.products.set(p.consumer?.node ?? -1, i);
      else this.atEdge.set(`${p.consumer?.node}:${p.consumer?.input}`, i);
    });
    this.packed = packedWeights(o.view, this.atTensor, (node) => this.products.has(node.index));
  }

  build(): CandidateGraph {
    const { model, view, types, cut, feedShapes } = this.o;
    const builder = new GraphBuilder(model);
    const weights: WeightInput[] = [];
    const runs = (node: Node) => cut === undefined || cut.nodes.has(node);
    const isRead = (tensor: string) => cut === undefined || (view.consumers.get(tensor) ?? []).some((u) => runs(topOf(view, u.node)));
    for (const tensor of cut?.tensors ?? [])
      builder.input(tensor, { dtype: types.get(tensor)?.dtype ?? "unknown", dims: types.get(tensor)?.dims });
    for (const v of feedInputs(view)) {
      if (!isRead(v.name) && !view.graphOutputs.has(v.name)) continue;
      feedInput(builder, v, feedShapes.get(v.name));
      const placement = this.atTensor.get(v.name);
      if (placement !== undefined) this.roundAside(builder, v.name, placement);
    }
    for (const init of model.graph.initializers) {
      if (!isRead(init.name) && !view.graphOutputs.has(init.name)) continue;
      const placement = this.packed.has(init.name) ? undefined : this.atTensor.get(init.name);
      const input = placement === undefined ? undefined : asWeightInput(init, placement);
      if (input !== undefined) {
        weights.push(input);
        builder.input(init.name, { dtype: init.dtype, dims: init.dims });
      } else this.weight(builder, init);
    }
    for (const init of model.graph.sparseInitializers)
      if (isRead(init.name) || view.graphOutputs.has(init.name)) this.weight(builder, init);
    this.level(builder, view.mainOrder.filter(runs));
    for (const v of view.graph.outputs) builder.output(v.name);
    return { bytes: builder.finish(), weights };
  }

  private weight(builder: LevelBuilder, init: Initializer | SparseInitializer): void {
    builder.initializer(init);
    const placement = this.atTensor.get(init.name);
    if (placement !== undefined && !this.packed.has(init.name)) this.roundAside(builder, init.name, placement, "first");
  }

  private level(builder: LevelBuilder, nodes: readonly Node[]): void {
    for (const node of nodes) {
      const bodies = this.o.view.bodies.get(node);
      if (bodies === undefined) this.node(builder, node);
      else
        builder.node(
          withBodies(
            node,
            bodies.map((b) => [b.attribute, this.body(builder, b)]),
            { input: (t) => this.nameOf(t) },
          ),
        );
    }
  }

  private body(around: LevelBuilder, { graph, order }: Body): LevelBuilder {
    const level = around.body();
    for (const v of graph.inputs) level.declared("input", v.name, v.field.payload as Uint8Array);
    for (const init of [...graph.initializers, ...graph.sparseInitializers]) this.weight(level, init);
    this.level(level, order);
    for (const v of graph.outputs) {
      const name = this.nameOf(v.name);
      if (name === v.name) level.declared("output", name, v.field.payload as Uint8Array);
      // A weight of the body's that it hands out as it is.
      else level.output(name);
    }
    return level;
  }

  private node(builder: LevelBuilder, node: Node): void {
    const inputs = node.inputs.map((t, i) => {
      const edge = this.atEdge.get(`${node.index}:${i}`);
      if (edge === undefined) return this.nameOf(t);
      const rounded = `${t}#e${node.index}_${i}`;
      this.round(builder, this.nameOf(t), rounded, edge, t);
      return rounded;
    });
    const edit: NodeEdit = {
      input: (_, i) => inputs[i] ?? "",
      outer: (t) => this.nameOf(t),
      output: (t) => (this.atTensor.has(t) ? `${t}#raw` : t),
    };
    const product = this.products.get(node.index);
    const sums = product === undefined ? undefined : this.o.placements[product]?.sums;
    if (product === undefined || sums === undefined) builder.node(editNode(node, edit));
    else {
      builder.node(
        productNode(node, sums, { model: this.o.model, switchIndex: product, packedSwitch: this.packed.get(node.inputs[1] ?? ""), edit }),
      );
      for (const t of node.outputs) builder.innerType(this.atTensor.has(t) ? `${t}#raw` : t, this.o.types.get(t));
    }
    for (const t of node.outputs) {
      const placement = this.atTensor.get(t);
      if (placement !== undefined) this.round(builder, `${t}#raw`, t, placement, t);
    }
  }

  private nameOf(tensor: string): string {
    return this.names.get(tensor) ?? tensor;
  }

  private roundAside(builder: LevelBuilder, tensor: string, placement: number, where: "first" | "middle" = "middle"): void {
    this.round(builder, tensor, `${tensor}#c`, placement, tensor, where);
    this.names.set(tensor, `${tensor}#c`);
  }

  private round(
    builder: LevelBuilder,
    from: string,
    to: string,
    placement: number,
    shape: string,
    where: "first" | "middle" = "middle",
  ): void {
    const scalar = this.o.types.get(shape)?.dims?.length === 0 ? 1 : 0;
    builder.node(
      {
        name: `${to}/round`,
        opType: "Round",
        domain: operatorDomain,
        inputs: [from],
        outputs: [to],
        attributes: { switch: placement, scalar },
      },
      where,
    );
  }
}

function asWeightInput(init: Initializer, placement: number): WeightInput | undefined {
  if (init.data.kind !== "file" || init.dtype !== "float32") return undefined;
  const { path, offset, length } = init.data.span;
  return { name: init.name, path, offset, lengthBytes: length, dims: init.dims, switch: placement };
}
