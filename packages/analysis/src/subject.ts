import type { HalfType, Layer, TensorTypes } from "@halfscope/core";
import type { EngineInput, EngineOptions, Feed } from "@halfscope/engine";
import { inferTypes, lacksShapes, requireFloats, shapesOfFeed, withRunShapes } from "@halfscope/engine";
import { checkExternalData, type GraphView, listLayers, type Model, viewGraph } from "@halfscope/onnx";
import {
  buildFloatGraph,
  type EngineProfile,
  engineFaults,
  keptFullBy,
  listRoundings,
  productSums,
  type Roundings,
  type SumsOf,
} from "@halfscope/precision";

/** A model made ready for measuring: everything that follows from the file and the shapes of the feeds. */
export interface Subject extends EngineInput {
  layers: readonly Layer[];
  layerOf: ReadonlyMap<number, string>;
  roundings: Roundings;
  engine: EngineOptions;
  /** How products sum in the candidate. */
  sumsOf: SumsOf;
}

/** Builds the view, the layers, the types and the sites of a model, for candidates in `type` (FP16) that behave like `profile` (FP32 sums). Throws for models that cannot run or have no floats. */
export async function prepareSubject(
  model: Model,
  feed: Feed,
  engine: EngineOptions,
  known: { view?: GraphView; layers?: readonly Layer[]; type?: HalfType | undefined; profile?: EngineProfile | undefined } = {},
): Promise<Subject> {
  checkExternalData(model);
  const view = known.view ?? viewGraph(model.graph);
  const layers = known.layers ?? listLayers(model, view);
  const feedShapes = shapesOfFeed(feed);
  const inferred: TensorTypes = await inferTypes(model, view, feedShapes);
  requireFloats(model, inferred);
  const types = lacksShapes(view, inferred) ? await withRunShapes(model, view, inferred, feed, engine.threads) : inferred;
  const sumsOf: SumsOf = known.profile === undefined ? () => undefined : productSums(known.profile, { view, types }, known.type);
  // Bfloat16 has the range of FP32, and how engines round it was not measured.
  const profile = known.type === "bfloat16" ? undefined : known.profile;
  const roundings = listRoundings(
    buildFloatGraph(model, view, types, layers, known.type, profile && engineFaults(profile, { view, types })),
    sumsOf,
    profile && keptFullBy(profile, { view, types, layers }),
  );
  return { model, view, types, feedShapes, layers, layerOf: roundings.floats.layerOf, roundings, engine, sumsOf };
}
