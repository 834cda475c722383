import type { Layer } from "@halfscope/core";
import type { SitesLeft } from "./sites-left.js";

/** Lengths of the runs of neighbouring layers that are tried as one. */
const runLengths = [1, 2, 3, 4, 6, 8, 12, 16];

/**
 * Sets of layers that are worth pinning together: single layers, runs of neighbours in graph order (a rounding between two layers vanishes only with both), and
 * blocks at every depth of the path. Only layers that touch a swept site are in them.
 */
export function candidateRegions(layers: readonly Layer[], left: SitesLeft): string[][] {
  const computing = layers.filter((l) => left.touches(l.id));
  const found = new Map<string, string[]>();
  const add = (ids: string[]) => {
    if (ids.length > 0) found.set(ids.join("\0"), ids);
  };
  for (const length of runLengths)
    for (let at = 0; at + length <= computing.length; at++) add(computing.slice(at, at + length).map((l) => l.id));
  const blocks = new Map<string, string[]>();
  for (const { id, blockPath } of computing) {
    const parts = blockPath === "" ? [] : blockPath.split("/");
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = parts.slice(0, depth).join("/");
      blocks.set(path, [...(blocks.get(path) ?? []), id]);
    }
  }
  for (const ids of blocks.values()) if (ids.length < computing.length) add(ids);
  return [...found.values()];
}
