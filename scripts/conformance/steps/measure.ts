/** Measuring every tensor of a model whose candidate has all layers in FP16. */
import { measure, prepareSubject, type Subject } from "@halfscope/analysis";
import {
  HalfscopeError,
  isFloat,
  isTensorValue,
  type Layer,
  type MeasureMode,
  silentProgress,
  stringsOf,
  stringTensor,
} from "@halfscope/core";
import { elementsOf, type Feed, feedSignature, makeFeeds, tensorOf } from "@halfscope/engine";
import { allHalf } from "@halfscope/precision";
import { restoreHalfModel } from "halfscope";
import type { Loaded } from "./load.js";
import type { Referenced } from "./reference.js";
import { Void, Wrong } from "./verdicts.js";

export interface Prepared {
  /** Of the FP32 restoration where the model is in FP16, wholly or in part. */
  subject: Subject;
  feed: Feed;
  random: readonly string[];
}

/** The subject on the first sample, or on a made-up one where that holds NaN or Inf. Throws Void for models without a float tensor. */
export async function prepareStep(loaded: Loaded, layers: readonly Layer[], { feeds, random, types }: Referenced): Promise<Prepared> {
  const { model, view } = loaded;
  if (![...types.values()].some((t) => isFloat(t.dtype))) throw new Void("no float tensor");
  const [feed] = feeds;
  // The folder of a restoration goes away with the process: weights are mapped from it until the last step.
  const half = await restoreHalfModel(model, view, { storedToo: true });
  if (half === undefined) return { subject: await prepareSubject(model, feed, { threads: 1 }, { view, layers }), feed, random };
  const widened = widenHalves(feed);
  return { subject: await prepareSubject(half.model, widened, { threads: 1 }), feed: widened, random };
}

/** Measures in one mode; every tensor must be accounted for once. */
export async function measureStep(prepared: Prepared, mode: MeasureMode, note: (text: string) => void): Promise<void> {
  const { subject } = prepared;
  const plan = allHalf(subject.model.digest, "overflow");
  const run = (feed: Feed) => measure(subject, feed, { mode, plan, progress: silentProgress });
  const measured = await run(prepared.feed).catch(async (error: unknown) => {
    if (!(error instanceof HalfscopeError) || error.code !== "ERR_REFERENCE_NOT_FINITE" || feedSignature(subject.view).length === 0)
      throw error;
    note("measured on other inputs: with those that were shipped the reference itself is not finite");
    // A root or a logarithm is finite for positive numbers only; texts cannot be made up.
    for (const make of [() => madeUp(subject), () => positive(madeUp(subject)), () => finite(prepared.feed)]) {
      const again = await Promise.resolve()
        .then(async () => {
          const feed = make();
          return { feed, result: await run(feed) };
        })
        .catch(() => undefined);
      if (again === undefined) continue;
      prepared.feed = again.feed;
      return again.result;
    }
    throw error;
  });
  const { coverage, tensors, notSupported } = measured;
  const total = Object.values(coverage).reduce((n, c) => n + c, 0);
  const expected = new Set([...subject.view.initializers.keys(), ...subject.view.sparse.keys(), ...subject.view.producer.keys()]).size;
  if (total !== expected)
    throw new Wrong(`the coverage adds up to ${total}, but there are ${expected} tensors: ${JSON.stringify(coverage)}`);
  if (tensors.length !== coverage.compared) throw new Wrong(`${tensors.length} measurements, but ${coverage.compared} counted as compared`);
  const reasons = [...new Set(notSupported.map((n) => n.reason))];
  note(
    `${mode}: ${Object.entries(coverage)
      .flatMap(([status, n]) => (n === 0 ? [] : `${n} ${status}`))
      .join(", ")}`,
  );
  for (const reason of reasons) note(`not supported: ${reason}`);
}

/** The feed for a graph whose FP16 and bfloat16 inputs have become FP32. */
export function widenHalves(feed: Feed): Feed {
  const tensors = new Map(feed.tensors);
  for (const [name, value] of tensors)
    if (isTensorValue(value) && (value.dtype === "float16" || value.dtype === "bfloat16"))
      tensors.set(name, tensorOf("float32", value.dims, elementsOf(value) ?? []));
  return { ...feed, tensors };
}

const madeUp = (subject: Subject): Feed =>
  makeFeeds(subject.model, subject.view, { seed: 1, shapes: Object.fromEntries(subject.feedShapes) })[0] as Feed;

/** The feed with texts that read as NaN or Inf replaced. */
const finite = (feed: Feed): Feed => ({
  ...feed,
  tensors: new Map(
    [...feed.tensors].map(([name, value]) => {
      const texts = isTensorValue(value) && value.dtype === "string" ? stringsOf(value) : undefined;
      if (texts === undefined || !isTensorValue(value)) return [name, value];
      const replaced = texts.map((t) => (Number.isFinite(Number(t)) ? t : "1.5"));
      return [name, stringTensor(value.dims, replaced)];
    }),
  ),
});

const positive = (feed: Feed): Feed => ({
  ...feed,
  tensors: new Map(
    [...feed.tensors].map(([name, value]) => {
      const elements = isTensorValue(value) && isFloat(value.dtype) ? elementsOf(value) : undefined;
      return [
        name,
        elements === undefined || !isTensorValue(value)
          ? value
          : tensorOf(
              value.dtype,
              value.dims,
              Array.from({ length: elements.length }, (_, i) => Math.abs(Number(elements[i])) + 0.1),
            ),
      ];
    }),
  ),
});
