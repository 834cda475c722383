import type { Layer } from "@halfscope/core";
import type { SiteGroup } from "./sweep-groups.js";

/** Groups of sites of one stretch of the graph, by layer in graph order. */
export interface Block {
  name: string;
  leaves: readonly SiteGroup[];
  /** Of each leaf: its kind, that of its layer, and its place there. Leaves with the same one are likely to cost about the same. */
  words: readonly string[];
  /** All words in order: blocks with the same one are built alike. */
  signature: string;
}

interface PathNode {
  name: string;
  own: SiteGroup[];
  children: Map<string, PathNode>;
}

/**
 * Disjoint blocks of at most three times the root of the number of groups each: parts of block paths, as deep as it takes; where paths say nothing, contiguous stretches of equally
 * many groups. Graph inputs are a block of their own.
 */
export function blocksOf(groups: readonly SiteGroup[], layers: readonly Layer[]): Block[] {
  const position = new Map(layers.map((l, i) => [l.id, i]));
  const place = (g: SiteGroup) => position.get(g[0].layer ?? "") ?? -1;
  const ordered = groups.map((g, i) => ({ g, i })).sort((a, b) => place(a.g) - place(b.g) || a.i - b.i);
  const root: PathNode = { name: "", own: [], children: new Map() };
  for (const { g } of ordered) {
    let node = root;
    const path = g[0].layer === undefined ? "inputs of the graph" : (layers[place(g)]?.blockPath ?? "");
    for (const part of path === "" ? [] : path.split("/")) {
      const name = node.name === "" ? part : `${node.name}/${part}`;
      const child = node.children.get(part) ?? { name, own: [], children: new Map() };
      node.children.set(part, child);
      node = child;
    }
    node.own.push(g);
  }
  const most = Math.max(8, Math.ceil(3 * Math.sqrt(groups.length)));
  const blocks: { name: string; leaves: SiteGroup[] }[] = [];
  const visit = (node: PathNode) => {
    const all = leavesOf(node);
    if (all.length <= most && node !== root) blocks.push({ name: node.name, leaves: all });
    else {
      blocks.push(...stretches(node.name || "no block", node.own, most));
      for (const child of node.children.values()) visit(child);
    }
  };
  visit(root);
  return blocks
    .filter((b) => b.leaves.length > 0)
    .map(({ name, leaves }) => {
      const inOrder = [...leaves].sort((a, b) => place(a) - place(b));
      const words = inOrder.map((g) => leafWord(g, layers[place(g)], inOrder));
      return { name, leaves: inOrder, words, signature: words.join("|") };
    });
}

const leavesOf = (node: PathNode): SiteGroup[] => [...node.own, ...[...node.children.values()].flatMap(leavesOf)];
function leafWord(g: SiteGroup, layer: Layer | undefined, block: readonly SiteGroup[]): string {
  const place = block.filter((other) => other[0].layer === g[0].layer).indexOf(g);
  return `${g[0].kind} ${g.length} ${layer?.kind} ${layer?.operators.join(",")} ${place}`;
}

/** Equally long pieces; the groups of a layer stay together. */
function stretches(name: string, groups: readonly SiteGroup[], most: number): { name: string; leaves: SiteGroup[] }[] {
  const pieces = Math.ceil(groups.length / most);
  const found: { name: string; leaves: SiteGroup[] }[] = [];
  for (const layer of byLayer(groups)) {
    const last = found.at(-1);
    if (last === undefined || last.leaves.length >= groups.length / pieces)
      found.push({ name: pieces > 1 ? `${name}, part ${found.length + 1}` : name, leaves: [...layer] });
    else last.leaves.push(...layer);
  }
  return found;
}

/** The groups of each layer, in order. */
export function byLayer(groups: readonly SiteGroup[]): SiteGroup[][] {
  const layers = new Map<string, SiteGroup[]>();
  for (const g of groups) {
    // Inputs belong to no layer and stay single.
    const key = g[0].layer ?? `input ${g[0].id}`;
    layers.set(key, [...(layers.get(key) ?? []), g]);
  }
  return [...layers.values()];
}
