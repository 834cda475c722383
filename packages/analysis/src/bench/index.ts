export { findBatch } from "./batch-axes.js";
export { type ComparisonOptions, compareBatches, comparisonCalls } from "./compare-batches.js";
export { type CompareTensors, differenceOf } from "./difference.js";
export { benchWarnings, judgeBench } from "./judge-bench.js";
export { cutRequest, findPadding, lengthOf, type PaddingAxes, paddedLengths, padRequest } from "./padding.js";
export { batchAxes, type Request, requestShapes, splitSample, stackRequests, takeRound } from "./requests.js";
export { planRound, refusalOf, type TimedPoint, type TimedResult, type TimingOptions, timeInRounds } from "./rounds.js";
export { type Served, serve } from "./serve.js";
export { type ShapeVariant, shapeName, shapeVariants, type WantedSizes } from "./shape-variants.js";
