import { type Layer, topBlock } from "@halfscope/core";

export interface Block {
  /** Empty when nothing tells where the layers belong. */
  name: string;
  layers: readonly Layer[];
}

/** Runs of consecutive layers of one block, in the order of the graph: the depth axis of the charts. */
export function runsOfBlocks(layers: readonly Layer[]): Block[] {
  const runs: { name: string; layers: Layer[] }[] = [];
  for (const layer of layers) {
    const name = topBlock(layer.blockPath);
    const last = runs.at(-1);
    if (last?.name === name) last.layers.push(layer);
    else runs.push({ name, layers: [layer] });
  }
  return runs;
}

/** All layers of each block, by the block's first layer. */
export function blocksOf(layers: readonly Layer[]): Block[] {
  const blocks = new Map<string, Layer[]>();
  for (const layer of layers) {
    const name = topBlock(layer.blockPath);
    const known = blocks.get(name);
    if (known === undefined) blocks.set(name, [layer]);
    else known.push(layer);
  }
  return [...blocks].map(([name, members]) => ({ name, layers: members }));
}
