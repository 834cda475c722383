import type { LayerKind } from "@halfscope/core";
import type { Node } from "../types.js";
import type { Draft } from "./claims.js";
import type { Scan } from "./scan.js";
import { blockOfScope, commonScope, type Scope, scopeOfNode, scopeOfWeights } from "./scopes.js";
import { structuralBlocks } from "./structure.js";

/** Where a layer stands, and its name there. */
export interface Place {
  /** For instance `encoder/layer.3/attention/self`; empty when nothing tells. */
  readonly blockPath: string;
  /** For instance `query` or `Softmax`. */
  readonly name: string;
}

/** From this share of layers with a telling name on, the others are placed between their neighbours. */
const enoughNames = 0.25;
/** From this share on, what all names begin with is taken for a wrapper around the model. */
const mostNames = 0.5;
/** Kinds that come along with the layers that make up a module. */
const companions: ReadonlySet<LayerKind> = new Set(["shape", "mover", "cast"]);

/**
 * Places layers: by the names that the exporter gave to nodes, else by the names of weights, else between neighbours that have a place,
 * else by repeating structure. A module that holds a single layer, apart from movers and shapes, gives that layer its name.
 */
export function placeLayers(scan: Scan, drafts: readonly Draft[]): ReadonlyMap<Draft, Place> {
  const scopes = new Map<Draft, Scope>();
  for (const draft of drafts) {
    const scope = scopeOfDraft(scan, draft);
    if (scope !== undefined) scopes.set(draft, scope);
  }
  const named = new Set(scopes.keys());
  const mains = drafts.filter((d) => !isCompanion(scan, d));
  const share = mains.filter((d) => named.has(d)).length / mains.length;
  const placed = (d: Draft) => d.kind !== "shape";
  if (share >= enoughNames) fillBetweenNeighbours(scan, drafts.filter(placed), scopes);
  const prefix = share >= mostNames ? commonPrefix([...scopes].flatMap(([draft, scope]) => (placed(draft) ? [scope] : []))) : [];
  const leaves = leafModules(mains, scopes);
  const blocks = named.size === 0 ? structuralBlocks(scan, drafts) : new Map<Draft, number>();
  return new Map(
    drafts.map((draft) => {
      const block = blocks.get(draft);
      const own = nameOfNode(draft.main);
      const scope = withoutPrefix(scopes.get(draft) ?? [], prefix);
      if (block !== undefined) return [draft, { blockPath: `block.${block}`, name: own }];
      const depth = named.has(draft) ? leafDepth(scope, prefix, leaves) : undefined;
      if (depth === undefined) return [draft, { blockPath: scope.join("/"), name: own }];
      const name = isCompanion(scan, draft) ? [...scope.slice(depth), own].join("/") : (scope[depth] ?? own);
      return [draft, { blockPath: scope.slice(0, depth).join("/"), name }];
    }),
  );
}

/** What comes along also computes on constants, which engines do once. */
const isCompanion = (scan: Scan, draft: Draft): boolean =>
  companions.has(draft.kind) || [...draft.nodes].every((n) => n.outputs.every((t) => scan.isConstant(t)));

/** Position of the module of a single layer in a scope (behind the prefix). */
function leafDepth(scope: Scope, prefix: Scope, leaves: ReadonlySet<string>): number | undefined {
  let module = prefix.map((part) => `/${part}`).join("");
  for (const [depth, part] of scope.entries()) {
    module += `/${part}`;
    if (leaves.has(module)) return depth;
  }
  return undefined;
}

const withoutPrefix = (scope: Scope, prefix: Scope): Scope =>
  prefix.every((part, i) => scope[i] === part) ? scope.slice(prefix.length) : scope;

/** What the nodes of a layer have in common; nodes without a scope do not count, nor do casts that come along. */
function scopeOfDraft(scan: Scan, draft: Draft): Scope | undefined {
  let scope: Scope | undefined;
  const telling = draft.core ?? draft.nodes;
  for (const node of telling) {
    const found = scopeOfNode(node);
    if (found !== undefined) scope = scope === undefined ? found : commonScope(scope, found);
  }
  const byWeight = scope === undefined || scope.length === 0 || folds.has(draft.kind) ? scopeOfWeights(scan.view, telling) : undefined;
  if (scope === undefined || scope.length === 0) return byWeight;
  // A convolution with a folded batch normalization often carries the latter's name.
  return byWeight !== undefined && byWeight.slice(0, -1).join("/") === scope.slice(0, -1).join("/") ? byWeight : scope;
}

const folds: ReadonlySet<LayerKind> = new Set(["convolution", "linear"]);

/** Gives layers without a scope what the nearest placed layers before and behind them share. */
function fillBetweenNeighbours(scan: Scan, drafts: readonly Draft[], scopes: Map<Draft, Scope>): void {
  const owner = new Map<Node, Draft>();
  for (const draft of drafts) for (const node of draft.nodes) owner.set(node, draft);
  const placed = new Map(scopes);
  for (const draft of drafts) {
    if (placed.has(draft)) continue;
    const before = nearest(scan, draft, placed, owner, (node) => node.inputs.flatMap((t) => scan.producer(t) ?? []), "last");
    const behind = nearest(scan, draft, placed, owner, (node) => node.outputs.flatMap((t) => scan.users(t)), "first");
    if (before === undefined || behind === undefined) continue;
    const shared = commonScope(before, behind);
    const block = blockOfScope(before);
    // Between two blocks, what has no weight closes the first: a residual add, or the activation behind it.
    const closes =
      !folds.has(draft.kind) && block !== undefined && block.length < before.length && block.join("/") !== blockOfScope(behind)?.join("/");
    const scope = closes ? block : shared;
    if (scope.length > 0) scopes.set(draft, scope);
  }
}

/** Breadth first from a layer; of several at one distance the last (or first) in graph order. */
function nearest(
  scan: Scan,
  from: Draft,
  placed: ReadonlyMap<Draft, Scope>,
  owner: ReadonlyMap<Node, Draft>,
  next: (node: Node) => readonly Node[],
  prefer: "last" | "first",
): Scope | undefined {
  const seen = new Set<Node>(from.nodes);
  let front: readonly Node[] = [...from.nodes];
  for (let distance = 0; distance < 40 && front.length > 0 && front.length < 200; distance++) {
    const reached = [...new Set(front.flatMap(next))].filter((n) => !seen.has(n));
    for (const n of reached) seen.add(n);
    const found = reached.filter((n) => placed.has(owner.get(n) as Draft)).sort((a, b) => scan.position(a) - scan.position(b));
    const best = prefer === "last" ? found.at(-1) : found[0];
    if (best !== undefined) return placed.get(owner.get(best) as Draft);
    front = reached;
  }
  return undefined;
}

/** Leading modules that all layers share, as a wrapper around the model does: they tell nothing. Numbered modules tell. */
function commonPrefix(scopes: readonly Scope[]): Scope {
  const [first] = scopes;
  if (first === undefined || scopes.length < 2) return [];
  let length = first.length;
  for (const scope of scopes) while (length > 0 && !first.slice(0, length).every((part, i) => part === scope[i])) length--;
  const shared = first.slice(0, length);
  const numbered = shared.findIndex((part) => /\.\d+$/.test(part));
  return numbered === -1 ? shared : shared.slice(0, numbered);
}

/** Modules of layers that hold no other layer, in themselves and in the modules inside. */
function leafModules(mains: readonly Draft[], scopes: ReadonlyMap<Draft, Scope>): ReadonlySet<string> {
  const counts = new Map<string, number>();
  for (const draft of mains) {
    let module = "";
    for (const part of scopes.get(draft) ?? []) {
      module += `/${part}`;
      counts.set(module, (counts.get(module) ?? 0) + 1);
    }
  }
  const own = mains.flatMap((d) => (scopes.get(d) ?? []).map((part) => `/${part}`).join(""));
  return new Set(own.filter((module) => counts.get(module) === 1));
}

/** The last part of a node's name; its first output where names only count or are missing. */
function nameOfNode(node: Node): string {
  const last = (name: string) =>
    (name.split(";")[0] ?? "")
      .split("/")
      .filter((p) => p !== "")
      .at(-1);
  const output = node.outputs.find((o) => o !== "") ?? "";
  const numbered = /^(n\d+|node_.*)$/.test(node.name);
  return (node.name !== "" && !numbered ? last(node.name) : last(output)) ?? `node.${node.index}`;
}
