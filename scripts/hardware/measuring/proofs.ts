/** Whether pins are in an engine that was built, counted. */
import type { EngineLayer, PinProof, Typing } from "@halfscope/core";
import { mapGraphOf, mapLayers, provePins } from "@halfscope/engine";
import { readModel, viewGraph } from "@halfscope/onnx";
import { nodeNameOf, type Studied } from "./studied.js";

export type PinCounts = Record<PinProof["outcome"], number>;

/** Pins of layers that only move values are left out: engines run those anywhere. `path` is the file that was built. */
export async function countProofs(
  layers: readonly EngineLayer[],
  path: string,
  studied: Studied,
  pins: readonly string[],
  typing: Typing,
): Promise<PinCounts> {
  const graph = mapGraphOf(viewGraph((await readModel(path)).graph));
  const pinned = new Set(pins);
  const wanted = studied.bench.layers
    .filter((l) => pinned.has(l.id) && l.kind !== "mover" && l.kind !== "shape")
    .map((l) => ({ layer: l.id, nodes: l.nodes.flatMap((i) => nodeNameOf(studied.bench.view.nodes[i])) }));
  const counts: PinCounts = { "took-effect": 0, moved: 0, ignored: 0, unknown: 0, "not-found": 0 };
  for (const proof of provePins(wanted, mapLayers(layers, graph), graph, typing)) counts[proof.outcome]++;
  return counts;
}
