import {
  batchAxes,
  cutRequest,
  findPadding,
  lengthOf,
  type PaddingAxes,
  padRequest,
  type Request,
  requestShapes,
  shapeName,
  shapeVariants,
  splitSample,
  type WantedSizes,
} from "@halfscope/analysis";
import type { Batching, FeedSummary } from "@halfscope/core";
import { describeFeeds, type FeedInput, loadFeeds, makeFeeds } from "@halfscope/engine";
import type { GraphView, Model } from "@halfscope/onnx";

/** Requests of one shape: what is stacked. */
export interface ShapedRequests {
  name: string;
  requests: [Request, ...Request[]];
}
export interface BenchRequests {
  shapes: ShapedRequests[];
  padding: PaddingAxes | { reason: string };
  /** Of the first request. */
  described: readonly FeedSummary[];
  notes: string[];
}

/** More requests that differ tell little more, and each costs runs at every batch size. */
const mostDistinct = 32;
const fewestDistinct = 4;

export interface RequestOptions {
  sizes: WantedSizes;
  feeds?: readonly string[] | undefined;
  seed: number;
  largestBatch: number;
}

/** The requests to send: those of the person's samples, one per place of their batch, or made-up ones of every shape. Errors as of feeds. */
export async function benchRequests(
  model: Model,
  view: GraphView,
  signature: readonly FeedInput[],
  batching: Batching,
  o: RequestOptions,
): Promise<BenchRequests> {
  const axes = batchAxes(batching);
  const found = findPadding(signature, axes);
  const padding = batching.kind === "dynamic" ? found : { reason: "requests are not put into batches" };
  return o.feeds?.length ? fromSamples(o.feeds, signature, batching, padding) : madeUp(model, view, signature, batching, padding, o);
}

function madeUp(
  model: Model,
  view: GraphView,
  signature: readonly FeedInput[],
  batching: Batching,
  padding: PaddingAxes | { reason: string },
  o: RequestOptions,
): BenchRequests {
  const distinct = batching.kind === "dynamic" ? Math.min(mostDistinct, Math.max(fewestDistinct, o.largestBatch)) : fewestDistinct;
  let described: readonly FeedSummary[] = [];
  const shapes = new Map<string, ShapedRequests>();
  for (const { dims, shapes: whole } of shapeVariants(o.sizes, batching, signature)) {
    const feeds = makeFeeds(model, view, { dims, shapes: whole, seed: o.seed, samples: distinct });
    const [first, ...others] = feeds.map((f) => f.tensors as Request) as [Request, ...Request[]];
    if (described.length === 0 && feeds[0] !== undefined) described = describeFeeds(feeds[0]);
    const name = shapeName(first, signature, batching);
    shapes.set(name, { name, requests: [first, ...others] });
  }
  const notes = o.largestBatch > distinct && batching.kind === "dynamic" ? [`Larger batches repeat ${distinct} made-up requests.`] : [];
  return { shapes: [...shapes.values()], padding, described, notes };
}

async function fromSamples(
  specs: readonly string[],
  signature: readonly FeedInput[],
  batching: Batching,
  padding: PaddingAxes | { reason: string },
): Promise<BenchRequests> {
  const axes = batchAxes(batching);
  const feeds = await loadFeeds(specs, signature);
  let requests = feeds.flatMap((feed, i) => splitSample(feed, axes, `Sample ${i + 1}`));
  const notes: string[] = [];
  const lengths = "reason" in padding ? [] : requests.map((r) => lengthOf(r, padding));
  const sizes = new Set(requests.map((r) => JSON.stringify(requestShapes(r))));
  if (sizes.size > 1 && !("reason" in padding)) {
    const longest = Math.max(...lengths);
    requests = requests.map((r, i) => padRequest(cutRequest(r, padding, lengths[i] ?? longest), padding, longest));
    notes.push(`The samples are of ${sizes.size} shapes; all requests are padded to the longest, ${longest}, as "${padding.mask}" allows.`);
  }
  const groups = new Map<string, Request[]>();
  for (const r of requests) {
    const key = JSON.stringify(requestShapes(r));
    groups.set(key, [...(groups.get(key) ?? []), r]);
  }
  const shapes = [...groups.values()].map((group) => {
    const [first, ...others] = group.slice(0, mostDistinct) as [Request, ...Request[]];
    return { name: shapeName(first, signature, batching), requests: [first, ...others] as [Request, ...Request[]] };
  });
  if ([...groups.values()].some((g) => g.length > mostDistinct)) notes.push(`Of each shape the first ${mostDistinct} requests are sent.`);
  const lone = shapes.filter((s) => s.requests.length === 1);
  if (lone.length > 0 && batching.kind === "dynamic")
    notes.push(
      `Of ${lone.length === 1 ? `the shape ${lone[0]?.name}` : `${lone.length} shapes`} there is one request only: batches repeat it.`,
    );
  return { shapes, padding, described: feeds[0] === undefined ? [] : describeFeeds(feeds[0]), notes };
}
