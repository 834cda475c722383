import { type DType, isFloat, type Placement, switchOff, switchRoundFinite, type TensorTypes } from "@halfscope/core";
import {
  type Body,
  editNode,
  encodeValueInfo,
  type Graph,
  type GraphView,
  type Model,
  type NewNode,
  type Node,
  stateCount,
} from "@halfscope/onnx";
import { bordersOf } from "./borders.js";
import { feedInput, feedInputs, GraphBuilder, type LevelBuilder, operatorDomain, withBodies } from "./graph-builder.js";
import { canPack, packedWeights, productNode } from "./product-node.js";

export interface PairGraphOptions {
  model: Model;
  view: GraphView;
  /** With concrete sizes where known: rank 0 must be told from unknown. */
  types: TensorTypes;
  feedShapes: ReadonlyMap<string, readonly number[]>;
  placements: readonly Placement[];
  /** One value per placement; only those that are on become nodes. */
  switches: Uint8Array;
  /** isolated: each layer is fed reference values and only its own sites act; needs `layerOf`. */
  mode: "accumulated" | "isolated";
  layerOf: ReadonlyMap<number, string>;
  /** Layer that a site is charged to; a site without one acts in no layer's isolated error. */
  layerOfSite: ReadonlyMap<string, string>;
  /** Which float tensors to compare; all when absent. */
  observe?: ((tensor: string) => boolean) | undefined;
  /** Nodes that draw random numbers: both sides share what the reference draws. */
  isRandom?: ((node: Node) => boolean) | undefined;
}

export interface PairGraph {
  bytes: Uint8Array;
  /** Compared tensors in graph order; slot i of the collector belongs to tensor i. */
  compared: readonly { tensor: string; node: number }[];
  /** Integer and boolean tensors that a rounding can reach; place i of the collector's decisions belongs to tensor i. */
  decided: readonly { tensor: string; node: number }[];
  /** Name of the candidate's value of a tensor (the reference's own where they cannot differ). */
  candidateName: (tensor: string) => string;
}

/**
 * Reference and candidate as one graph, each comparison a node, so that nothing has to be stored. The comparisons are declared last and in reverse:
 * ONNX Runtime walks from the last declared leaf, so each pair is compared and freed as soon as it exists. Roundings of weights are declared first for the
 * same reason. Nodes that no rounding can reach are not repeated.
 *
 * Bodies hold both sides too: a branch is chosen and a loop goes on as the reference says, so that like is compared with like, and what a loop carries is
 * carried twice.
 */
export function buildPairGraph(o: PairGraphOptions): PairGraph {
  return new PairBuilder(o).build();
}

interface Comparison {
  operator: "Compare" | "Differs" | "RoundCompare";
  tensor: string;
  candidate: string;
  slot: number;
}

interface Rounding {
  /** What is rounded. */
  from: string;
  placement: number;
}

/** Types of what rounding can turn from one decision into another. */
const decisionTypes: ReadonlySet<DType> = new Set(["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]);

class PairBuilder {
  private readonly atTensor = new Map<string, number>();
  private readonly atEdge = new Map<string, number>();
  private readonly products = new Map<number, number>();
  /** Weights that are rounded as they are packed. */
  private readonly packed: ReadonlyMap<string, number>;
  /** Candidate's version of a tensor, where it has one of its own. */
  private readonly versions = new Map<string, string>();
  /** Tensors that depend on weights alone: the same in every layer's isolated run. */
  private readonly constant: Set<string>;
  /** Roundings that are left to the comparison of their tensor. */
  private readonly comparedRoundings = new Map<string, Rounding>();
  private readonly compared: { tensor: string; node: number }[] = [];
  private readonly decided: { tensor: string; node: number }[] = [];

  constructor(private readonly o: PairGraphOptions) {
    this.constant = new Set([...o.view.initializers.keys(), ...o.view.sparse.keys()]);
    o.placements.forEach((p, i) => {
      if (o.switches[i] === switchOff) return;
      if (p.at === "tensor") this.atTensor.set(p.tensor, i);
      else if (p.at === "product") this.products.set(p.consumer?.node ?? -1, i);
      else this.atEdge.set(`${p.consumer?.node}:${p.consumer?.input}`, i);
    });
    const toHalf = new Map([...this.atTensor].filter(([, placement]) => (o.switches[placement] ?? switchOff) <= switchRoundFinite));
    this.packed = packedWeights(o.view, toHalf, (node) => this.products.has(node.index) || canPack(node, o.view, o.types));
  }

  build(): PairGraph {
    const { model, view, mode, feedShapes } = this.o;
    const builder = new GraphBuilder(model);
    for (const v of feedInputs(view)) {
      feedInput(builder, v, feedShapes.get(v.name));
      const placement = this.atTensor.get(v.name);
      if (placement === undefined || mode === "isolated") continue;
      this.round(builder, v.name, `${v.name}#c`, placement, v.name);
      this.versions.set(v.name, `${v.name}#c`);
    }
    this.weights(builder, model.graph);
    const comparisons = this.level(builder, view.mainOrder);
    this.compare(builder, comparisons);
    for (const { tensor } of comparisons) builder.output(`${tensor}#cmp`);
    const candidateName = (t: string) => this.versions.get(t) ?? t;
    for (const v of view.graph.outputs) {
      builder.output(v.name);
      if (candidateName(v.name) !== v.name) builder.output(candidateName(v.name));
    }
    return { bytes: builder.finish(), compared: this.compared, decided: this.decided, candidateName };
  }

  private weights(builder: LevelBuilder, graph: Graph): void {
    for (const init of [...graph.initializers, ...graph.sparseInitializers]) {
      builder.initializer(init);
      const placement = this.atTensor.get(init.name);
      if (placement === undefined || this.packed.has(init.name)) continue;
      this.round(builder, init.name, `${init.name}#c`, placement, init.name, "first");
      this.versions.set(init.name, `${init.name}#c`);
    }
  }

  private compare(builder: LevelBuilder, comparisons: readonly Comparison[]): void {
    for (const { operator, tensor, candidate, slot } of comparisons.toReversed()) {
      const name = `${tensor}#cmp`;
      const leaf: NewNode =
        operator === "RoundCompare"
          ? { name, opType: "Identity", inputs: [`${tensor}#max`], outputs: [name] }
          : { name, opType: operator, domain: operatorDomain, inputs: [tensor, candidate], outputs: [name], attributes: { slot } };
      builder.node(leaf, "last");
    }
  }

  /** The nodes of one level, both sides; returns what is to be compared there. */
  private level(builder: LevelBuilder, nodes: readonly Node[]): Comparison[] {
    const comparisons: Comparison[] = [];
    for (const node of nodes) {
      const bodies = this.o.view.bodies.get(node);
      if (bodies !== undefined) this.holder(builder, node, bodies);
      else this.node(builder, node);
      for (const t of node.outputs) {
        if (!this.isObserved(t)) continue;
        const dtype = this.o.types.get(t)?.dtype ?? "unknown";
        const candidate = this.versions.get(t);
        if (isFloat(dtype)) {
          const rounding = this.comparedRoundings.get(t);
          const slot = this.compared.length;
          if (rounding) this.roundAndCompare(builder, t, rounding, slot);
          comparisons.push({ operator: rounding ? "RoundCompare" : "Compare", tensor: t, candidate: candidate ?? t, slot });
          this.compared.push({ tensor: t, node: node.index });
        } else if (candidate !== undefined && decisionTypes.has(dtype)) {
          comparisons.push({ operator: "Differs", tensor: t, candidate, slot: this.decided.length });
          this.decided.push({ tensor: t, node: node.index });
        }
      }
    }
    return comparisons;
  }

  private node(builder: LevelBuilder, node: Node): void {
    const { view } = this.o;
    if (this.o.isRandom?.(node)) {
      builder.node(node.bytes);
      return;
    }
    if (node.inputs.every((t) => t === "" || this.constant.has(t)) && node.inputs.length > 0)
      for (const t of node.outputs) this.constant.add(t);
    const inputs = node.inputs.map((t, i) => {
      const version = t === "" ? "" : this.versionFor(t, node);
      const edge = this.atEdge.get(`${node.index}:${i}`);
      if (edge === undefined || !this.ownSite(edge, node)) return version;
      const rounded = `${t}#e${node.index}_${i}`;
      this.round(builder, version, rounded, edge, t);
      return rounded;
    });
    const outer = (t: string) => this.versionFor(t, node);
    const usesOuter = view.outer.get(node)?.some((t) => outer(t) !== t) ?? false;
    const product = this.products.get(node.index);
    const sums = product === undefined || !this.ownSite(product, node) ? undefined : this.o.placements[product]?.sums;
    const packedSwitch = this.packed.get(node.inputs[1] ?? "");
    const ours = sums !== undefined || packedSwitch !== undefined;
    const differs = usesOuter || ours || inputs.some((t, i) => t !== node.inputs[i]);
    const roundedOutputs = node.outputs.filter((t) => this.atTensor.has(t));
    if (differs) {
      const raw = (t: string) => (t === "" ? "" : this.atTensor.has(t) ? `${t}#raw` : `${t}#c`);
      const edit = { name: `${node.name || node.outputs[0]}#c`, input: (_: string, i: number) => inputs[i] ?? "", outer, output: raw };
      if (!ours) builder.node(editNode(node, edit));
      else {
        const switchIndex = sums && product;
        builder.node(productNode(node, sums, { model: this.o.model, switchIndex, packedSwitch, edit }));
        for (const t of node.outputs) builder.innerType(raw(t), this.o.types.get(t));
      }
    }
    // Behind the candidate's: of a comparison's inputs ONNX Runtime computes the one declared last first, and what is compared next should be in the cache.
    builder.node(node.bytes);
    for (const t of roundedOutputs) {
      const rounding = { from: differs ? `${t}#raw` : t, placement: this.atTensor.get(t) ?? 0 };
      if (this.isObserved(t) && this.o.types.get(t)?.dtype === "float32") this.comparedRoundings.set(t, rounding);
      else this.round(builder, rounding.from, `${t}#c`, rounding.placement, t);
    }
    for (const t of differs ? node.outputs : roundedOutputs) if (t !== "") this.versions.set(t, `${t}#c`);
  }

  /** One holder for both sides. What the candidate hands over the border gets a second place beside the reference's. */
  private holder(builder: LevelBuilder, holder: Node, bodies: readonly Body[]): void {
    const twice = this.o.mode === "accumulated" && this.reaches(holder, bodies);
    const states = holder.opType === "If" ? 0 : stateCount(holder);
    const border = bordersOf(holder, states);
    const second = (t: string) => (t === "" ? "" : `${t}#c`);
    const levels = bodies.map((body): [string, LevelBuilder] => {
      const level = builder.body();
      const { inputs, outputs } = body.graph;
      const isInitial = (name: string) => body.graph.initializers.some((i) => i.name === name);
      const given = border.inputs(inputs.filter((v) => !isInitial(v.name)));
      for (const v of given.kept) level.declared("input", v.name, v.field.payload as Uint8Array);
      for (const group of given.groups) {
        for (const v of group) level.declared("input", v.name, v.field.payload as Uint8Array);
        if (twice)
          for (const v of group) {
            level.declared("input", second(v.name), encodeValueInfo(second(v.name), 0));
            this.versions.set(v.name, second(v.name));
          }
      }
      this.weights(level, body.graph);
      this.compare(level, this.level(level, body.order));
      const results = border.outputs(outputs);
      for (const v of results.kept) level.declared("output", v.name, v.field.payload as Uint8Array);
      for (const [g, group] of results.groups.entries()) {
        for (const v of group) level.declared("output", v.name, v.field.payload as Uint8Array);
        if (twice)
          for (const [i, v] of group.entries()) {
            // Outputs must be tensors of the body, each its own, also where one is given several times.
            const name = `${v.name}#out${g}_${i}`;
            level.node({ name, opType: "Identity", inputs: [this.versions.get(v.name) ?? v.name], outputs: [name] });
            level.output(name);
          }
      }
      return [body.attribute, level];
    });
    if (!twice) {
      builder.node(withBodies(holder, levels));
      return;
    }
    const own = (t: string) => (t === "" ? "" : (this.versions.get(t) ?? t));
    const doubled = <T>(parts: { kept: readonly T[]; groups: readonly (readonly T[])[] }, change: (t: T) => T): T[] => [
      ...parts.kept,
      ...parts.groups.flatMap((g) => [...g, ...g.map(change)]),
    ];
    builder.node(
      withBodies(holder, levels, {
        inputs: doubled(border.holderInputs(holder.inputs), own),
        // An output that nobody wants must have a name when others follow it.
        outputs: doubled(border.holderOutputs(holder.outputs), second),
        attributes: border.attributes(),
      }),
    );
    for (const t of holder.outputs) if (t !== "") this.versions.set(t, second(t));
  }

  /** Whether a rounding can reach anything in the bodies or what enters them. */
  private reaches(holder: Node, bodies: readonly Body[]): boolean {
    const { view } = this.o;
    if ([...holder.inputs, ...(view.outer.get(holder) ?? [])].some((t) => this.versions.has(t))) return true;
    const inside = (body: Body): boolean =>
      [...body.graph.initializers, ...body.graph.sparseInitializers].some((i) => this.atTensor.has(i.name)) ||
      body.order.some(
        (n) =>
          n.outputs.some((t) => this.atTensor.has(t)) ||
          this.products.has(n.index) ||
          n.inputs.some((_, i) => this.atEdge.has(`${n.index}:${i}`)) ||
          (view.bodies.get(n) ?? []).some(inside),
      );
    return bodies.some(inside);
  }

  private versionFor(tensor: string, node: Node): string {
    const { mode, view, layerOf } = this.o;
    const version = this.versions.get(tensor);
    if (version === undefined || mode === "accumulated" || this.constant.has(tensor)) return version ?? tensor;
    const producer = view.producer.get(tensor);
    return producer !== undefined && layerOf.get(producer.index) === layerOf.get(node.index) ? version : tensor;
  }

  private ownSite(placement: number, node: Node): boolean {
    const { mode, layerOfSite, placements, layerOf } = this.o;
    return mode === "accumulated" || layerOfSite.get(placements[placement]?.site ?? "") === layerOf.get(node.index);
  }

  private round(
    builder: LevelBuilder,
    from: string,
    to: string,
    placement: number,
    shape: string,
    where: "first" | "middle" = "middle",
  ): void {
    builder.node(
      {
        name: `${to}/round`,
        opType: "Round",
        domain: operatorDomain,
        inputs: [from],
        outputs: [to],
        attributes: this.roundAttributes(placement, shape),
      },
      where,
    );
  }

  /** Rounds what the candidate computed and compares it while it is in the cache. */
  private roundAndCompare(builder: LevelBuilder, tensor: string, rounding: Rounding, slot: number): void {
    builder.node({
      name: `${tensor}#c/round`,
      opType: "RoundCompare",
      domain: operatorDomain,
      inputs: [tensor, rounding.from],
      outputs: [`${tensor}#c`, `${tensor}#max`],
      attributes: { slot, ...this.roundAttributes(rounding.placement, tensor) },
    });
  }

  private roundAttributes(placement: number, tensor: string): { switch: number; scalar: number } {
    return { switch: placement, scalar: this.o.types.get(tensor)?.dims?.length === 0 ? 1 : 0 };
  }

  private isObserved(tensor: string): boolean {
    return tensor !== "" && this.o.observe?.(tensor) !== false;
  }
}
