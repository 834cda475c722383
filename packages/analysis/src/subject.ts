import type { HalfType, Layer, TensorTypes } from "@halfscope/core";
import type { EngineInput, EngineOptions, Feed } from "@halfscope/engine";
import { inferTypes, lacksShapes, requireFloats, shapesOfFeed, withRunShapes } from "@halfscope/engine";
import { checkExternalData, type GraphView, listLayers, type Model, viewGraph } from "@halfscope/onnx";
import { buildFloatGraph, listRoundings, type Roundings } from "@halfscope/precision";

/** A model made ready for measuring: everything that follows from the file and the shapes of the feeds. */
export interface Subject extends EngineInput {
  layers: readonly Layer[];
  layerOf: ReadonlyMap<number, string>;
  roundings: Roundings;
  engine: EngineOptions;
}

/** Builds the view, the layers, the types and the sites of a model, for candidates in `type` (FP16). Throws for models that cannot run or have no floats. */
export async function prepareSubject(
  model: Model,
  feed: Feed,
  engine: EngineOptions,
  known: { view?: GraphView; layers?: readonly Layer[]; type?: HalfType | undefined } = {},
): Promise<Subject> {
  checkExternalData(model);
  const view = known.view ?? viewGraph(model.graph);
  const layers = known.layers ?? listLayers(model, view);
  const feedShapes = shapesOfFeed(feed);
  const inferred: TensorTypes = await inferTypes(model, view, feedShapes);
  requireFloats(model, inferred);
  const types = lacksShapes(view, inferred) ? await withRunShapes(model, view, inferred, feed, engine.threads) : inferred;
  const roundings = listRoundings(buildFloatGraph(model, view, types, layers, known.type));
  return { model, view, types, feedShapes, layers, layerOf: roundings.floats.layerOf, roundings, engine };
}
