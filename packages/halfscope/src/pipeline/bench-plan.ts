import { findBatch, requestShapes } from "@halfscope/analysis";
import type { Batching, HalfType } from "@halfscope/core";
import { feedSignature, mentions, type ProfileInput, profileInputs, type SettledProfiles, shapeTensorsOf } from "@halfscope/engine";
import { type GraphView, type Model, readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import type { BenchOptions } from "./bench.js";
import { allCalls } from "./bench-measure.js";
import { benchProfiles } from "./bench-profiles.js";
import { type BenchRequests, benchRequests } from "./bench-requests.js";

/** What will be sent, in which batches: known before any library is opened. */
export interface BenchPlan {
  model: Model;
  view: GraphView;
  /** What the model itself computes in, where that is FP16 or bfloat16. */
  half: HalfType | undefined;
  batching: Batching;
  batches: readonly number[];
  sent: BenchRequests;
  /** Profiles for all of it. Throws ERR_PROFILE. */
  profiles(): SettledProfiles;
}

const defaultBatches = [1, 2, 4, 8];

/** Reads the model and makes the requests. Errors as of models, feeds and options. */
export async function benchPlan(path: string, o: BenchOptions): Promise<BenchPlan> {
  const model = unfoldModel(await readModel(path));
  const view = viewGraph(model.graph);
  const signature = feedSignature(view);
  const batching = findBatch(signature, o.batchAxis);
  const dynamic = batching.kind === "dynamic";
  // What was asked for by name is answered, if only by a reason.
  const batches = [...new Set(o.batches ?? (dynamic ? defaultBatches : [1]))];
  const sent = await benchRequests(model, view, signature, batching, { ...o, largestBatch: dynamic ? Math.max(...batches) : 1 });
  const inputs = (): ProfileInput[] => profileInputs(signature, shapeTensorsOf(view));
  return {
    ...{ model, view, half: halfOf(view), batching, batches, sent },
    profiles: () => benchProfiles(o.profiles ?? [], inputs(), allCalls(sent, batching, batches)),
  };
}

export const halfOf = (view: GraphView): HalfType | undefined => (["float16", "bfloat16"] as const).find((type) => mentions(view, type));

/** Sizes of one request of each shape, in the order in which they were asked for. */
export const sizesSent = ({ sent }: Pick<BenchPlan, "sent">): Record<string, readonly number[]>[] =>
  sent.shapes.map((s) => requestShapes(s.requests[0]));
