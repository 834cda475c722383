import type { LayerKind } from "@halfscope/core";
import type { Node } from "../types.js";
import type { Scan } from "./scan.js";

/** A layer before it has a name. */
export interface Draft {
  readonly kind: LayerKind;
  readonly title: string;
  readonly nodes: ReadonlySet<Node>;
  /** The node that the layer is named after. */
  readonly main: Node;
  /** Nodes that tell where the layer stands; all of them when absent. */
  readonly core?: ReadonlySet<Node>;
}

/** Which nodes are spoken for. Recognisers run from the most to the least specific; the first claim wins. */
export class Claims {
  private readonly byNode = new Map<Node, Draft>();
  constructor(private readonly scan: Scan) {}

  has(node: Node): boolean {
    return this.byNode.has(node);
  }

  of(node: Node | undefined): Draft | undefined {
    return node === undefined ? undefined : this.byNode.get(node);
  }

  get drafts(): ReadonlySet<Draft> {
    return new Set(this.byNode.values());
  }

  /**
   * Claims a pattern's nodes, unless one belongs to another layer already or somebody outside reads an intermediate result (`output` is
   * what the pattern gives). Returns whether it did.
   */
  take(draft: Draft, output: string): boolean {
    const { nodes } = draft;
    const { bodyOf } = this.scan.view;
    for (const node of nodes) {
      // A layer stands in one body: what reaches over a border cannot be pinned as one.
      if (this.byNode.has(node) || bodyOf.get(node.index) !== bodyOf.get(draft.main.index)) return false;
      for (const tensor of node.outputs) {
        if (tensor === "" || tensor === output) continue;
        if (this.scan.view.graphOutputs.has(tensor) || this.scan.users(tensor).some((user) => !nodes.has(user))) return false;
      }
    }
    for (const node of nodes) this.byNode.set(node, draft);
    return true;
  }

  single(node: Node, kind: LayerKind, title: string): void {
    if (!this.byNode.has(node)) this.byNode.set(node, { kind, title, nodes: new Set([node]), main: node });
  }

  /** Replaces layers by one that holds the nodes of all of them and stands where `first` stood. */
  merge(first: Draft, parts: Iterable<Draft>, kind: LayerKind, title: string): void {
    const merged: Draft = { kind, title, main: first.main, core: first.nodes, nodes: new Set([...parts].flatMap((d) => [...d.nodes])) };
    for (const node of merged.nodes) this.byNode.set(node, merged);
  }
}

/** A family of layers: claims what it recognises. */
export type Recogniser = (scan: Scan, claims: Claims) => void;
