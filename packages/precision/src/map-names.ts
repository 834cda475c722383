import type { TensorTypes } from "@halfscope/core";
import type { GraphView, Node } from "@halfscope/onnx";
import { attributesOf, upstreamOf } from "./compare-nodes.js";
import { isPrecisionCast } from "./restore.js";
import { sameValues } from "./same-values.js";

/** A model's edges and the types of its tensors. */
export interface TypedGraph {
  readonly view: GraphView;
  readonly types: TensorTypes;
}

export interface NameMap {
  /** The original's tensor that a tensor of the converted model holds, by the latter's name. Several may hold the same one, in two precisions. */
  readonly original: ReadonlyMap<string, string>;
  /** The converted model's float tensors without a counterpart, in graph order; weights are left out. */
  readonly unmapped: readonly string[];
}

/** What converters append to a tensor's name: halfscope; AutoCast and ONNX Runtime; AutoCast and its kin in front of a Cast. */
const suffixes = [
  /(\/fp16|\/bf16|\/fp32)_*$/,
  /(_subgraph)?_cast_to_(fp16|fp32|bf16|float16|float32)(_\d+)?$/,
  /_(pre_cast|casted|fp16|bf16|fp32|half)$/,
];

/**
 * Finds out which tensor of the original each tensor of a converted model is, whatever the tool called it. Names alone do not tell: tools add Casts, keep a
 * name for another node's result, fuse nodes and repeat constants. So the nodes are matched from the inputs on: a node is the original's node of the same
 * operator and attributes that reads the same tensors. Names decide between nodes that are alike; a Cast between precisions holds what it reads. What is left
 * (the result of a fused node) goes by its name, if the original's tensor of that name depends on what the node reads and has the same shape.
 */
export function mapNames(original: TypedGraph, converted: TypedGraph): NameMap {
  return new NameMapper(original, converted).run();
}

class NameMapper {
  private readonly map = new Map<string, string>();
  /** The original's nodes by operator and inputs, with and without the names of their weights. */
  private readonly exact = new Map<string, Node[]>();
  private readonly loose = new Map<string, Node[]>();
  private readonly byName = new Map<string, Node | undefined>();
  /** What tensors without a counterpart are made from: `nearest` of their nodes. */
  private readonly madeFrom = new Map<string, readonly string[]>();
  private readonly used = new Set<Node>();
  /** The original's tensors seen through its own Casts between floats: some tools drop those. */
  private readonly behindCast = new Map<string, string>();
  private readonly known: ReadonlySet<string>;

  constructor(
    private readonly original: TypedGraph,
    private readonly converted: TypedGraph,
  ) {
    const { view, types } = original;
    this.known = new Set([...view.producer.keys(), ...view.initializers.keys(), ...view.graphInputs]);
    for (const node of view.order) {
      if (isPrecisionCast(node, types)) this.behindCast.set(node.outputs[0] ?? "", this.rootOf(node.inputs[0] ?? ""));
      else {
        push(
          this.exact,
          keyOf(node, (t) => this.rootOf(t)),
          node,
        );
        push(
          this.loose,
          this.looseKeyOf(node, view, (t) => this.rootOf(t)),
          node,
        );
      }
      // A name that two nodes bear tells nothing.
      if (node.name !== "") this.byName.set(node.name, this.byName.has(node.name) ? undefined : node);
    }
  }

  run(): NameMap {
    const { view, types } = this.converted;
    for (const name of [...view.initializers.keys(), ...view.graphInputs]) this.mapByName(name);
    const unmapped: string[] = [];
    for (const node of view.order) {
      if (isPrecisionCast(node, types)) this.mapCast(node);
      else {
        const match = this.match(node);
        if (match !== undefined) this.accept(node, match);
        else for (const output of node.outputs) if (output !== "") this.mapFused(node, output);
      }
      for (const output of node.outputs) if (output !== "" && !this.map.has(output) && isFloatTensor(types, output)) unmapped.push(output);
    }
    return { original: this.map, unmapped };
  }

  private rootOf(tensor: string): string {
    return this.behindCast.get(tensor) ?? tensor;
  }
  private mappedRoot(tensor: string): string | undefined {
    const found = this.map.get(tensor);
    return found === undefined ? undefined : this.rootOf(found);
  }

  /** The original's name behind a name of the converted model: itself, or without what converters append. */
  private candidateNames(tensor: string): string[] {
    const stripped = suffixes.flatMap((s) => (s.test(tensor) ? [tensor.replace(s, "")] : []));
    return [tensor, ...stripped].filter((name) => this.known.has(name));
  }

  /** Graph inputs and weights. */
  private mapByName(tensor: string): void {
    const found = this.candidateNames(tensor).find((name) => {
      const [own, weight] = [this.original.view.initializers.get(name), this.converted.view.initializers.get(tensor)];
      // Numbers are given anew by many tools: they name nothing.
      const same = !isNumber(name) || own === undefined || weight === undefined || sameValues(own, weight);
      return same && sameShape(this.original.types, name, this.converted.types, tensor);
    });
    if (found !== undefined) this.map.set(tensor, found);
  }

  private mapCast(node: Node): void {
    const [from = "", to = ""] = [node.inputs[0], node.outputs[0]];
    const held = this.map.get(from);
    if (held === undefined) return;
    // The original has a tensor of that name, which is the same one behind its own Cast.
    const own = this.known.has(to) && this.rootOf(to) === this.rootOf(held);
    this.map.set(to, own ? to : held);
  }

  /** The original's node that this one is; undefined where none or more than one could be. */
  private match(node: Node): Node | undefined {
    const inputs = node.inputs.map((t) => (t === "" ? "" : this.mappedRoot(t)));
    const all = inputs.every((t) => t !== undefined);
    const alike = (nodes: readonly Node[] | undefined) => (nodes ?? []).filter((n) => attributesOf(n) === attributesOf(node));
    if (all) {
      const found = alike(this.exact.get(keyOf(node, (t) => this.mappedRoot(t) ?? "")));
      // Nodes of one operator, the same attributes and inputs compute the same: any will do where names do not tell. Not those without inputs: constants.
      const any = inputs.length > 0 || found.length === 1 ? (found.find((n) => !this.used.has(n)) ?? found[0]) : undefined;
      const match = this.named(node, found) ?? any;
      if (match !== undefined) return match;
    }
    // Weights that the tool renamed or made: shapes and values instead of names.
    const { view } = this.converted;
    if (node.inputs.some((t, i) => inputs[i] === undefined && !view.initializers.has(t))) return undefined;
    const found = alike(this.loose.get(this.looseKeyOf(node, view, (t) => this.mappedRoot(t) ?? t))).filter((n) => !this.used.has(n));
    const fitting = found.filter((n) => this.named(node, [n]) !== undefined || this.sameWeights(n, node));
    return this.named(node, fitting) ?? (fitting.length === 1 ? fitting[0] : undefined);
  }

  private named(node: Node, among: readonly Node[]): Node | undefined {
    const byName = node.name === "" ? undefined : this.byName.get(node.name);
    if (byName !== undefined && among.includes(byName)) return byName;
    const byOutput = this.candidateNames(node.outputs[0] ?? "").map((t) => this.original.view.producer.get(t));
    return among.find((n) => byOutput.includes(n));
  }

  private sameWeights(own: Node, node: Node): boolean {
    return node.inputs.every((t, i) => {
      const weight = this.converted.view.initializers.get(t);
      const other = this.original.view.initializers.get(own.inputs[i] ?? "");
      return weight === undefined || other === undefined || sameValues(other, weight);
    });
  }

  private accept(node: Node, match: Node): void {
    this.used.add(match);
    node.outputs.forEach((t, i) => {
      const own = match.outputs[i];
      if (t !== "" && own) this.map.set(t, own);
    });
    node.inputs.forEach((t, i) => {
      const own = match.inputs[i];
      if (t !== "" && own && !this.map.has(t)) this.map.set(t, own);
    });
  }

  /** The result of a node that the original does not have: by its name, where that tensor depends on what the node reads. */
  private mapFused(node: Node, output: string): void {
    const read = this.nearest(node);
    this.madeFrom.set(output, read);
    const name = this.candidateNames(output).find((t) => {
      const producer = this.original.view.producer.get(t);
      if (producer === undefined || isNumber(t) || !sameShape(this.original.types, t, this.converted.types, output)) return false;
      if (this.original.view.graphOutputs.has(t) && this.converted.view.graphOutputs.has(output)) return true;
      const upstream = upstreamOf(t, this.original.view);
      return read.length > 0 && read.every((r) => upstream.has(r) || upstream.has(this.rootOf(r)));
    });
    if (name === undefined) return;
    this.map.set(output, name);
    const producer = this.original.view.producer.get(name);
    if (producer !== undefined) this.used.add(producer);
  }

  /** The nearest tensors above a node that have a counterpart: the original's names. */
  private nearest(node: Node): string[] {
    const tensors = node.inputs.filter((t) => t !== "" && !this.converted.view.initializers.has(t));
    return [...new Set(tensors.flatMap((t) => this.map.get(t) ?? this.madeFrom.get(t) ?? []))];
  }

  private looseKeyOf(node: Node, view: GraphView, name: (tensor: string) => string): string {
    return keyOf(node, (t) => {
      const weight = view.initializers.get(t);
      return weight === undefined ? name(t) : `[${weight.dims.join(",")}]`;
    });
  }
}

const isNumber = (name: string): boolean => /^\d+$/.test(name);
const push = (map: Map<string, Node[]>, key: string, node: Node) => {
  const list = map.get(key);
  if (list === undefined) map.set(key, [node]);
  else list.push(node);
};
const keyOf = (node: Node, name: (tensor: string) => string): string =>
  [node.domain, node.opType, ...node.inputs.map((t) => (t === "" ? "" : name(t)))].join("\0").replace(/\0+$/, "");

const isFloatTensor = (types: TensorTypes, tensor: string): boolean => {
  const dtype = types.get(tensor)?.dtype;
  return dtype === "float16" || dtype === "float32" || dtype === "bfloat16";
};

/** Whether two shapes can be the same: sizes that are not known fit all. */
function sameShape(a: TensorTypes, first: string, b: TensorTypes, second: string): boolean {
  const [one, other] = [a.get(first)?.dims, b.get(second)?.dims];
  if (one === undefined || other === undefined) return true;
  return one.length === other.length && one.every((d, i) => d === undefined || other[i] === undefined || d === other[i]);
}
