import type { MapGraph } from "./map-graph.js";

/** Names of nodes, as they stand in the names of engine layers. */
export class NodeNames {
  readonly #names: ReadonlySet<string>;
  /** Generated kernels carry names with `_` for `.`; those that then stand for two nodes are left out. */
  readonly #flat = new Map<string, string | undefined>();
  readonly #repeated: ReadonlySet<string>;
  readonly #longest: number;

  constructor(graph: MapGraph) {
    const counts = new Map<string, number>();
    for (const { name } of graph.nodes) counts.set(name, (counts.get(name) ?? 0) + 1);
    this.#names = new Set(counts.keys());
    this.#repeated = new Set([...counts].filter(([, n]) => n > 1).map(([name]) => name));
    for (const name of this.#names) this.#flat.set(flat(name), this.#flat.has(flat(name)) ? undefined : name);
    // The parser's numbers of nodes that share a name included.
    this.#longest = 8 + graph.nodes.reduce((most, n) => Math.max(most, n.name.length), 0);
  }

  /** The node that a network layer of this name computes. The parser numbers layers of nodes that share a name (`Conv_7`, generateUniqueName). */
  find(text: string): string | undefined {
    if (this.#names.has(text)) return text;
    const flattened = this.#flat.get(text);
    if (flattened !== undefined) return flattened;
    const base = /^(.*)_\d+$/s.exec(text)?.[1];
    return base !== undefined && this.#repeated.has(base) ? base : undefined;
  }

  /**
   * Nodes in a name such as `Conv_41 + PWN(PWN(Sigmoid_42), PWN(Mul_43))`, `a || b` or `a+b`, the longest that fits going first, so that names which hold
   * separators themselves (" + ", commas, brackets) are found whole. In the order of the text.
   */
  within(text: string): string[] {
    const found = new Set<string>();
    const starts = borders(text, separatorBefore);
    const ends = borders(text, separatorAfter);
    let past = 0;
    let last = 0;
    for (const start of starts) {
      if (start < past) continue;
      // No name is longer: ends beyond that need no look.
      while (last + 1 < ends.length && (ends[last + 1] ?? 0) <= start + this.#longest) last++;
      for (let e = last; e >= 0; e--) {
        const end = ends[e] ?? 0;
        if (end <= start) break;
        const node = this.find(text.slice(start, end));
        if (node === undefined) continue;
        found.add(node);
        past = end;
        break;
      }
    }
    return [...found];
  }
}

const flat = (name: string): string => name.replaceAll(".", "_");

/** A name starts at the text's start, or behind one of these. */
const separatorBefore = /^|[+,(|[{&] ?|\.\.\./g;
/** And ends at the text's end, or in front of one of these. */
const separatorAfter = /$| ?[+,)|\]}&]|\.\.\./g;

/** Ascending offsets: behind each match of `before`, or in front of each match of `after`. */
function borders(text: string, separator: RegExp): number[] {
  const offsets = new Set<number>();
  for (const match of text.matchAll(separator)) offsets.add(separator === separatorBefore ? match.index + match[0].length : match.index);
  // "a +b" and "a+ b" as well: a blank behind a separator may or may not belong to it.
  return [...offsets].sort((a, b) => a - b);
}

export interface LayerName {
  /** What it is, where the builder added it: it computes no node. */
  added?: "reformat" | "shape" | "synchronisation";
  /** A region compiled as one: its first and its last network layer. */
  region?: string;
  /** A copy into the result of a Concat: the tensor that is copied. */
  copied?: string;
  /** What is left to look for nodes in. */
  text: string;
}

/** Takes the wording of the builder off an engine layer's name. */
export function partsOfName(name: string): LayerName {
  // TensorRT 8 repeats layers per optimisation profile; generated kernels carry their place.
  const text = name.replace(/ \[profile \d+\]$/, "").replace(/_myl\d+_\d+$/, "");
  if (/^(Reformatting CopyNode for |reformatted? )/i.test(text)) return { added: "reformat", text: "" };
  if (/^(dummy_shape_call|shape_call|__myl_shape)/.test(text)) return { added: "shape", text: "" };
  if (/^(signal|wait)(_|$)|_(signal|wait)_\d*$/.test(text)) return { added: "synchronisation", text: "" };
  const region = /\{ForeignNode\[(.*)\]\}/s.exec(text)?.[1];
  if (region !== undefined) return { region, text: "" };
  const copied = /^(.*) copy$/s.exec(text)?.[1];
  if (copied !== undefined) return { copied, text: "" };
  if (/^shuffle_(between|after|before)_/.test(text)) return { added: "reformat", text: "" };
  if (/^__myl_(Cas)+$/.test(text)) return { added: "reformat", text: "" };
  if (text.startsWith("__myl_")) return { text: "" };
  return { text: text.replace(/_copy_(output|input)$/, "") };
}

/** Whether an engine layer is a part of the graph that was compiled as one and of which nothing more is told: what it computes in is not what its borders hold. */
export const isRegion = (name: string): boolean => partsOfName(name).region !== undefined;
