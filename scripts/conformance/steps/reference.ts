/** The reference, on the inputs that came with the model, against the outputs that came with it and against ONNX Runtime on the untouched file. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type FeedValue, HalfscopeError, type TensorTypes } from "@halfscope/core";
import { type Feed, feedSignature, inferTypes, loadFeeds, makeFeeds, OutputEngine, readValueProto, shapesOfFeed } from "@halfscope/engine";
import { difference, mismatch, valuesOf } from "../match-outputs.js";
import { shippedSets } from "../models.js";
import { randomOperators } from "../random-operators.js";
import type { Loaded } from "./load.js";
import { Refused, Wrong } from "./verdicts.js";

export interface Referenced {
  /** Samples: shipped ones, or one that was made up. */
  feeds: readonly [Feed, ...Feed[]];
  shipped: boolean;
  /** Operators that draw random numbers: what two runs give need not be equal. */
  random: readonly string[];
  types: TensorTypes;
}

export async function referenceStep(path: string, loaded: Loaded, note: (text: string) => void): Promise<Referenced> {
  const { model, view } = loaded;
  const sets = shippedSets(path);
  const signature = feedSignature(view);
  const random = randomOperators(model);
  const samples: { feed: Feed; set: string | undefined }[] = [];
  for (const set of sets) {
    const [feed] =
      signature.length === 0
        ? [emptyFeed()]
        : await loadFeeds([set], signature, { notFinite: "keep" }).catch((error: unknown) => {
            // Not one that ONNX Runtime could run: it asks for the declared shape too.
            if (!(error instanceof HalfscopeError) || !/has the shape .*; the model expects/.test(error.message)) throw error;
            note(`what was shipped is not run: ${error.message}`);
            return [];
          });
    if (feed !== undefined) samples.push({ feed, set });
  }
  if (samples.length === 0)
    samples.push({ feed: signature.length === 0 ? emptyFeed() : (makeFeeds(model, view, { seed: 1 })[0] as Feed), set: undefined });
  const first = samples[0] as (typeof samples)[number];
  const outputs = view.graph.outputs.map((v) => v.name);
  const types = await inferTypes(model, view, shapesOfFeed(first.feed));
  using raw = await loaded.raw();
  for (const { feed, set } of samples) {
    for (const [name, tensor] of feed.tensors) raw.setFeed(name, tensor);
    const untouched = await raw.run({ fetch: outputs }).catch((error: unknown) => {
      if (!isFromRuntime(error)) throw error;
      throw new Refused(error.message.replace("Running the session failed: ", ""), { cause: error });
    });
    using engine = await OutputEngine.reference({ model, view, types, feedShapes: shapesOfFeed(feed) }, { threads: 1 });
    engine.setFeed(feed);
    const ours = valuesOf(await engine.outputsOf({ fetch: outputs }));
    if (random.length > 0) {
      note(`outputs are not matched: ${random.join(", ")} draws random numbers`);
      continue;
    }
    const differs = difference(ours, valuesOf(untouched));
    if (differs !== undefined) throw new Wrong(`the reference differs from the untouched file in ONNX Runtime: ${differs}`);
    if (set === undefined) continue;
    for (const [i, { name, container }] of view.graph.outputs.entries()) {
      const path = join(set, `output_${i}.pb`);
      const expected: FeedValue | undefined = existsSync(path) ? readValueProto(await readFile(path), path, container).value : undefined;
      const found = ours.get(name);
      const wrong = expected === undefined || found === undefined ? undefined : mismatch(name, found, expected);
      if (wrong !== undefined) note(`ONNX Runtime itself differs from what was shipped, and the reference with it bit for bit: ${wrong}`);
    }
  }
  const feeds = samples.map((s) => s.feed) as unknown as Referenced["feeds"];
  return { feeds, shipped: samples.some((x) => x.set !== undefined), random, types };
}

const emptyFeed = (): Feed => ({ tensors: new Map(), origins: new Map() });

/** An error of a run that ONNX Runtime raised; what the addon itself cannot do is our failure. */
const isFromRuntime = (error: unknown): error is HalfscopeError =>
  error instanceof HalfscopeError &&
  error.code === "ERR_ENGINE_RUN" &&
  !/not supported|expected a tensor, found|nothing to do/.test(error.message);
