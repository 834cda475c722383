import { elementTypes, type Layer, type PrecisionPlan, type TensorTypes } from "@halfscope/core";
import { listLayers, readModel, viewGraph } from "@halfscope/onnx";
import { allHalf, buildFloatGraph, listRoundings, type Roundings } from "@halfscope/precision";
import { type ModelParts, writeModel } from "./model-file.js";

export interface Prepared {
  layers: readonly Layer[];
  roundings: Roundings;
  half: PrecisionPlan;
  types: TensorTypes;
}

/** Sites of a model without ONNX Runtime: every tensor is FP32, except where `types` says otherwise. */
export async function prepare(folder: string, model: ModelParts, types: Readonly<Record<string, number>> = {}): Promise<Prepared> {
  const read = await readModel(writeModel(folder, model));
  const view = viewGraph(read.graph);
  const names = [...view.producer.keys(), ...view.graphInputs, ...view.initializers.keys()];
  const dtypeOf = (name: string) => view.initializers.get(name)?.dtype ?? (elementTypes as Record<number, "float32">)[types[name] ?? 1];
  const known: TensorTypes = new Map(names.map((n) => [n, { dtype: dtypeOf(n) ?? "float32", dims: [2, 2] }]));
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
