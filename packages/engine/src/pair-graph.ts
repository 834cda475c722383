import { type Placement, switchOff, type TensorTypes } from "@halfscope/core";
import { editNode, type GraphView, type Model, type Node } from "@halfscope/onnx";
import { GraphBuilder, operatorDomain } from "./graph-builder.js";
import { feedInputs } from "./infer-types.js";

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
}

export interface PairGraph {
  bytes: Uint8Array;
  /** Compared tensors in graph order; slot i of the collector belongs to tensor i. */
  compared: readonly { tensor: string; node: number }[];
  /** Name of the candidate's value of a tensor (the reference's own where they cannot differ). */
  candidateName: (tensor: string) => string;
}

/**
 * Reference and candidate as one graph, each comparison a node, so that nothing has to be stored. The comparisons are declared last and in reverse:
 * ONNX Runtime walks from the last declared leaf, so each pair is compared and freed as soon as it exists. Roundings of weights are declared first for the
 * same reason. Nodes that no rounding can reach are not repeated.
 */
export function buildPairGraph(o: PairGraphOptions): PairGraph {
  const { model, view, types } = o;
  const builder = new GraphBuilder(model);
  const isFull = (t: string) => types.get(t)?.dtype === "float32";
  const scalar = (t: string) => (types.get(t)?.dims?.length === 0 ? 1 : 0);
  const producerOf = (t: string) => view.producer.get(t);

  const atTensor = new Map<string, number>();
  const atEdge = new Map<string, number>();
  o.placements.forEach((p, i) => {
    if (o.switches[i] === switchOff) return;
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
        attributes: { switch: placement, scalar: scalar(shape) },
      },
      where,
    );

  /** Candidate's version of a tensor, where it has one of its own. */
  const versions = new Map<string, string>();
  /** Tensors that depend on weights alone: the same in every layer's isolated run. */
  const constant = new Set<string>(view.initializers.keys());
  const versionFor = (tensor: string, node: Node): string => {
    const version = versions.get(tensor);
    if (version === undefined || o.mode === "accumulated" || constant.has(tensor)) return version ?? tensor;
    const producer = producerOf(tensor);
    return producer !== undefined && o.layerOf.get(producer.index) === o.layerOf.get(node.index) ? version : tensor;
  };
  const ownSite = (placement: number, node: Node) =>
    o.mode === "accumulated" || o.layerOfSite.get(o.placements[placement]?.site ?? "") === o.layerOf.get(node.index);

  for (const v of feedInputs(view)) {
    builder.input(v.name, { dtype: v.dtype, dims: o.feedShapes.get(v.name) });
    const placement = atTensor.get(v.name);
    if (placement === undefined || o.mode === "isolated") continue;
    round(v.name, `${v.name}#c`, placement, v.name);
    versions.set(v.name, `${v.name}#c`);
  }
  for (const init of view.initializers.values()) {
    builder.initializer(init);
    const placement = atTensor.get(init.name);
    if (placement === undefined) continue;
    round(init.name, `${init.name}#c`, placement, init.name, "first");
    versions.set(init.name, `${init.name}#c`);
  }

  const compared: { tensor: string; node: number }[] = [];
  const comparisons: { tensor: string; candidate: string; slot: number }[] = [];
  for (const node of view.order) {
    builder.node(node.bytes);
    if (node.inputs.every((t) => t === "" || constant.has(t)) && node.inputs.length > 0) for (const t of node.outputs) constant.add(t);
    const inputs = node.inputs.map((t, i) => {
      const version = t === "" ? "" : versionFor(t, node);
      const edge = atEdge.get(`${node.index}:${i}`);
      if (edge === undefined || !ownSite(edge, node)) return version;
      const rounded = `${t}#e${node.index}_${i}`;
      round(version, rounded, edge, t);
      return rounded;
    });
    const outer = (t: string) => versionFor(t, node);
    const usesOuter = view.outer.get(node)?.some((t) => outer(t) !== t) ?? false;
    const differs = usesOuter || inputs.some((t, i) => t !== node.inputs[i]);
    const roundedOutputs = node.outputs.filter((t) => atTensor.has(t));
    if (differs) {
      const raw = (t: string) => (t === "" ? "" : atTensor.has(t) ? `${t}#raw` : `${t}#c`);
      builder.node(editNode(node, { name: `${node.name || node.outputs[0]}#c`, input: (_, i) => inputs[i] ?? "", outer, output: raw }));
    }
    for (const t of roundedOutputs) round(differs ? `${t}#raw` : t, `${t}#c`, atTensor.get(t) ?? 0, t);
    for (const t of differs ? node.outputs : roundedOutputs) if (t !== "") versions.set(t, `${t}#c`);
    for (const t of node.outputs) {
      if (t === "" || !isFull(t) || o.observe?.(t) === false) continue;
      comparisons.push({ tensor: t, candidate: versions.get(t) ?? t, slot: compared.length });
      compared.push({ tensor: t, node: node.index });
    }
  }
  for (const { tensor, candidate, slot } of comparisons.toReversed()) {
    const output = `${tensor}#cmp`;
    builder.node(
      { name: output, opType: "Compare", domain: operatorDomain, inputs: [tensor, candidate], outputs: [output], attributes: { slot } },
      "last",
    );
    builder.output(output);
  }
  const candidateName = (t: string) => versions.get(t) ?? t;
  for (const v of view.graph.outputs) {
    builder.output(v.name);
    if (candidateName(v.name) !== v.name) builder.output(candidateName(v.name));
  }
  return { bytes: builder.finish(), compared, candidateName };
}
