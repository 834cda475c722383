import { type Layer, UsageError } from "@halfscope/core";

export interface LikeMatch {
  /** In graph order. */
  layers: readonly string[];
  /** Patterns that no layer of this model matches. */
  unmatched: readonly string[];
}

/**
 * Layers that somebody's rule names: operator types, kinds of layers, block paths or ids, with * for anything; commas between. Letters may be of any case.
 * Throws ERR_OPTION where not one layer is named.
 */
export function layersLike(patterns: string, layers: readonly Layer[]): LikeMatch {
  const parts = patterns
    .split(",")
    .map((p) => p.trim())
    .filter((p) => p !== "");
  const found = new Set<string>();
  const unmatched: string[] = [];
  for (const part of parts) {
    const matches = matcher(part);
    const hits = layers.filter(
      (l) => [l.kind, titleOf(l), l.id, l.blockPath, ...l.operators].some(matches) || parentsOf(l.blockPath).some(matches),
    );
    if (hits.length === 0) unmatched.push(part);
    for (const l of hits) found.add(l.id);
  }
  if (found.size === 0) throw noneMatched(patterns, layers);
  return { layers: layers.map((l) => l.id).filter((id) => found.has(id)), unmatched };
}

/** "LayerNormalization (decomposed)" is meant by LayerNormalization too: how an exporter wrote it is nobody's rule. */
const titleOf = (l: Layer): string => l.title.split(" (")[0] ?? "";

/** A block's name names what is in it, too. */
function parentsOf(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join("/"));
}

/** Whole-text match with * for any run of characters: no regular expression, for patterns and names are anybody's. */
function matcher(pattern: string): (text: string) => boolean {
  const pieces = pattern.toLowerCase().split("*");
  const [first = "", ...rest] = pieces;
  const last = rest.pop();
  return (text) => {
    const t = text.toLowerCase();
    if (last === undefined) return t === first;
    if (!t.startsWith(first) || !t.endsWith(last) || t.length < first.length + last.length) return false;
    let at = first.length;
    for (const piece of rest) {
      const next = t.indexOf(piece, at);
      if (next < 0 || next + piece.length > t.length - last.length) return false;
      at = next + piece.length;
    }
    return true;
  };
}

function noneMatched(pattern: string, layers: readonly Layer[]): UsageError {
  const kinds = [...new Set(layers.map((l) => l.kind))];
  const operators = [...new Set(layers.flatMap((l) => l.operators))];
  return new UsageError("ERR_OPTION", `--pins-like ${JSON.stringify(pattern)} matches no layer of this model.`, {
    hint: `Give operator types (${operators.slice(0, 6).join(", ")} ...), kinds (${kinds.slice(0, 6).join(", ")} ...), names with *, or an overrides file.`,
  });
}
