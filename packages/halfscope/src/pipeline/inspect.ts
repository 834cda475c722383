import { HalfscopeError, type Hazard, type Layer, type Progress, type ResultDocument, type TensorTypes } from "@halfscope/core";
import { inferTypes } from "@halfscope/engine";
import { checkExternalData, type GraphView, listLayers, type Model, readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import { buildFloatGraph, findHazards } from "@halfscope/precision";
import { describeModel } from "./describe.js";
import { scanWeight } from "./weight-scan.js";

export interface Inspection {
  model: ResultDocument["model"];
  inputs: readonly { name: string; dtype: string; dims: readonly (number | string)[] | undefined }[];
  outputs: readonly { name: string; dtype: string; dims: readonly (number | string)[] | undefined }[];
  layers: readonly Layer[];
  hazards: readonly Hazard[];
  /** What could not be looked at, and why. */
  notes: readonly string[];
}

/** Lists a model's layers and static hazards. Works where weights are absent or ONNX Runtime refuses the model: a note says what was left out. */
export async function inspectModel(path: string, o: { weights: boolean; progress: Progress; signal?: AbortSignal }): Promise<Inspection> {
  const model = unfoldModel(await readModel(path));
  const view = viewGraph(model.graph);
  const layers = listLayers(model, view);
  const notes: string[] = [];
  const hazards = await hazardsOf(model, view, layers, o, notes);
  const face = (values: typeof model.graph.inputs) =>
    values.map((v) => ({ name: v.name, dtype: v.dtype, dims: v.dims?.map((d) => d.size ?? d.symbol ?? "?") }));
  return {
    model: describeModel(model),
    inputs: face(model.graph.inputs.filter((v) => !view.initializers.has(v.name))),
    outputs: face(model.graph.outputs),
    layers,
    hazards,
    notes,
  };
}

async function hazardsOf(
  model: Model,
  view: GraphView,
  layers: readonly Layer[],
  o: { weights: boolean; progress: Progress; signal?: AbortSignal },
  notes: string[],
): Promise<Hazard[]> {
  const leaveOut = (what: string, error: unknown): undefined => {
    if (!(error instanceof HalfscopeError) || error.code === "ERR_CANCELLED") throw error;
    // Where the cause was found in the file, the fix belongs to it.
    notes.push(`${what}: ${error.message}${typeof error.context?.fix === "string" ? ` ${error.context.fix}` : ""}`);
    return undefined;
  };
  let weights = o.weights;
  try {
    checkExternalData(model);
  } catch (error) {
    leaveOut("Weights were not read", error);
    weights = false;
  }
  const types: TensorTypes | undefined = weights
    ? await inferTypes(model, view).catch((error: unknown) =>
        leaveOut("ONNX Runtime cannot load this model, so weights were not judged", error),
      )
    : undefined;
  const floats = buildFloatGraph(model, view, types ?? new Map(), layers);
  return findHazards({ view, layers, floats, scan: (source) => scanWeight(source, o.signal), ...(types && { types }) });
}
