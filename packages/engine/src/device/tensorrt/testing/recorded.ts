import { readFileSync } from "node:fs";
import type { MapGraph } from "../map-graph.js";

const folder = new URL("../../../../../../test/hardware/inspector-h200/", import.meta.url);

/** What the inspector said of an engine (TensorRT 10.6, H200), and the graph that it was built from. */
export const recordedModels = ["bert-2x1024", "bert-2x1024-marked", "magika", "yolox-nano"] as const;
/** TensorRT 8.6.1 made one engine layer of it, which tells neither kernels nor types. */
export const recordedRegion = "bert-6x512-8.6";
export type RecordedModel = (typeof recordedModels)[number] | typeof recordedRegion;

export const recordedText = (name: RecordedModel): string => readFileSync(new URL(`${name}.layers.json`, folder), "utf8");

interface NodeFile {
  inputs: string[];
  outputs: string[];
  nodes: [name: string, opType: string, inputs: string[], outputs: string[]][];
}

export function recordedGraph(name: RecordedModel): MapGraph {
  const file = JSON.parse(readFileSync(new URL(`${name.replace("-marked", "")}.nodes.json`, folder), "utf8")) as NodeFile;
  return {
    inputs: new Set(file.inputs),
    outputs: file.outputs,
    nodes: file.nodes.map(([node, opType, inputs, outputs]) => ({ name: node, opType, inputs, outputs })),
  };
}
