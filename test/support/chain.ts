import type { Layer, PrecisionPlan, TensorTypes } from "@halfscope/core";
import { listLayers, readModel, viewGraph } from "@halfscope/onnx";
import { allHalf, buildFloatGraph, listRoundings, type Roundings } from "@halfscope/precision";
import { type ModelParts, writeModel } from "./model-file.js";

export interface Prepared {
  layers: readonly Layer[];
  roundings: Roundings;
  half: PrecisionPlan;
  types: TensorTypes;
}

/** Sites of a model without ONNX Runtime: every tensor that is no initializer is taken for FP32. */
export async function prepare(folder: string, model: ModelParts): Promise<Prepared> {
  const read = await readModel(writeModel(folder, model));
  const view = viewGraph(read.graph);
  const names = [...view.producer.keys(), ...view.graphInputs, ...view.initializers.keys()];
  const known: TensorTypes = new Map(names.map((n) => [n, { dtype: view.initializers.get(n)?.dtype ?? "float32", dims: [2, 2] }]));
  const layers = listLayers(read);
  return {
    layers,
    roundings: listRoundings(buildFloatGraph(read, view, known, layers)),
    half: allHalf(read.digest, "finite"),
    types: known,
  };
}

/** Tanh behind Tanh: neighbours share roundings, so that a lone pin between FP16 layers changes nothing. */
export const chainOf = (length: number): ModelParts => ({
  nodes: Array.from({ length }, (_, i) => ({ opType: "Tanh", input: [i === 0 ? "x" : `t${i - 1}`], output: [`t${i}`], name: `n${i}` })),
  inputs: [{ name: "x", dims: [2, 2] }],
  outputs: [{ name: `t${length - 1}`, dims: [2, 2] }],
});
