import type { EngineLayer, PinProof, Typing } from "@halfscope/core";
import { mapGraphOf, mapLayers, provePins } from "@halfscope/engine";
import { readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import type { Workbench } from "../workbench.js";
import { layerPins, networkName } from "./device-files.js";

/**
 * Engine layers tied to the nodes of the file that was built, and whether each pin is in the engine; without proofs where nothing is pinned. The file may hold a node that
 * halfscope writes out: then that one stands for its parts.
 */
export async function proofsOf(
  bench: Workbench,
  pins: readonly string[],
  layers: readonly EngineLayer[],
  path: string,
  typing: Typing,
): Promise<{ layers: readonly EngineLayer[]; proofs?: readonly PinProof[] }> {
  const model = await readModel(path);
  const graph = mapGraphOf(viewGraph((model.functions.length > 0 ? unfoldModel(model, { expand: false }) : model).graph));
  const map = mapLayers(layers, graph);
  if (pins.length === 0) return { layers: map.layers };
  const known = new Set(graph.nodes.map((n) => n.name));
  const whole = wholeNodes(bench);
  const pinned = [];
  for (const layer of pins) {
    const nodes = (await layerPins(bench, [layer], "float32")).map((p) => (known.has(p.node) ? p.node : (whole.get(p.node) ?? p.node)));
    pinned.push({ layer, nodes: [...new Set(nodes)] });
  }
  return { layers: map.layers, proofs: provePins(pinned, map, graph, typing) };
}

/** The node that was written out, by the names of its parts. */
function wholeNodes({ model, view }: Workbench): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { node, outputs } of model.expansions ?? [])
    for (const output of outputs) {
      const part = view.producer.get(output);
      if (part !== undefined) found.set(networkName(part), networkName(node));
    }
  return found;
}
