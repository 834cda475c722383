import { bytesPerElement, elementCount, InputError, UsageError } from "@halfscope/core";
import type { GraphView, Model } from "@halfscope/onnx";
import { integerRanges, tensorOf } from "./elements.js";
import { dimsText, type Feed, type FeedInput, feedSignature, typeText } from "./feed.js";
import { type InputRole, rolesOf } from "./input-roles.js";
import { fill, images, mask, type Padding, positions, segments, tokenIds, waveform } from "./made-up-values.js";
import { Random } from "./random.js";
import { resolveShapes, type ShapeOptions } from "./resolve-shapes.js";

export interface MakeFeedsOptions extends ShapeOptions {
  /** Default 0. The same seed, options and model give the same bytes. */
  seed?: number | undefined;
  /** Default 1. */
  samples?: number | undefined;
}

/** Beyond this, a made-up tensor is a slip in a shape. */
const largestTensor = 2 ** 31;
/** Ids whose table was not found stay below this: every real vocabulary has as many. */
const unknownVocabulary = 32;
/** The largest magnitude of an additive mask that FP16 can hold with room for scores. */
const additiveMask = -10_000;

/**
 * Feeds made from what the graph says, for models without data: see `InputRole` for what is recognised. Samples behind the first are
 * padded (a quarter of the sequence) where the model has a mask, and so is the last row of a batch; segments change half-way in them.
 * Every origin says "made up" and how. Errors: ERR_OPTION (shapes), ERR_FEED (types that cannot be made up).
 */
export function makeFeeds(model: Model, view: GraphView, options: MakeFeedsOptions = {}): Feed[] {
  const { seed = 0, samples = 1 } = options;
  if (!Number.isSafeInteger(samples) || samples < 1) throw new UsageError("ERR_OPTION", `Expected at least one sample, found ${samples}.`);
  const inputs = feedSignature(view);
  for (const input of inputs) requireTensor(input, model.path);
  const roles = rolesOf(view, inputs);
  const shapes = resolveShapes(view, inputs, roles, options);
  for (const input of inputs) requireFeedable(input, shapes.get(input.name)!, model.path);
  const masked = [...roles.values()].some((role) => role.kind === "mask");
  const sequence = Math.max(
    1,
    ...inputs.filter((i) => ["ids", "mask"].includes(roles.get(i.name)!.kind)).map((i) => shapes.get(i.name)!.at(-1) ?? 1),
  );
  return Array.from({ length: samples }, (_, sample) => {
    const feed: Feed = { tensors: new Map(), origins: new Map() };
    for (const input of inputs) {
      const dims = shapes.get(input.name)!;
      const rows = dims.length > 1 ? dims[0]! : 1;
      const padding: Padding = (row, length) => (masked && (sample > 0 || (rows > 1 && row === rows - 1)) ? Math.floor(length / 4) : 0);
      const random = new Random(seed, sample, input.name);
      const { values, origin } = makeValues(roles.get(input.name)!, input, dims, { random, padding, sample, sequence });
      feed.tensors.set(input.name, tensorOf(input.dtype, dims, values));
      feed.origins.set(input.name, `made up: ${origin} (seed ${seed}${samples > 1 ? `, sample ${sample}` : ""})`);
    }
    return feed;
  });
}

interface Situation {
  random: Random;
  padding: Padding;
  sample: number;
  /** Length of the sequence that the model reads. */
  sequence: number;
}

function makeValues(role: InputRole, input: FeedInput, dims: readonly number[], at: Situation): { values: Float64Array; origin: string } {
  const { random, padding, sample } = at;
  const constant = (value: number) => fill(dims, () => value);
  const padded = padding(Math.max(0, (dims[0] ?? 1) - 1), dims.at(-1) ?? 1);
  const note = padded > 0 ? `, ${padded} of ${dims.at(-1)} positions padded${sample === 0 ? " in the last row" : ""}` : "";
  switch (role.kind) {
    case "ids": {
      const limit = role.tables.length > 0 ? Math.min(...role.tables.map((table) => table.rows)) : unknownVocabulary;
      return { values: tokenIds(random, dims, limit, padding), origin: `token ids in [0, ${limit})${note}` };
    }
    case "segments": {
      const split = sample > 0 && role.tables.every((table) => table.rows > 1);
      return { values: segments(dims, split, padding), origin: split ? "segments, ones for the second half" : "segments, zeros" };
    }
    case "positions":
      return { values: positions(dims, role.rows, padding), origin: `positions from 0 to ${(dims.at(-1) ?? 1) - 1}` };
    case "mask": {
      const [kept, hidden] = role.additive ? [0, additiveMask] : role.inverted ? [0, 1] : [1, 0];
      return { values: mask(dims, kept, hidden, padding), origin: `mask of ${kept === 1 ? "ones" : "zeros"}${note}` };
    }
    case "image": {
      const values = images(random, dims, role.channelsLast);
      if (integerRanges[input.dtype] !== undefined)
        return { values: values.map((v) => Math.round(v * 255)), origin: "smooth random images in 0..255" };
      if (role.normalised) return { values: values.map((v) => (v - 0.5) / 0.25), origin: "smooth random images, normalised to [-2, 2]" };
      return { values, origin: "smooth random images in [0, 1]" };
    }
    case "waveform":
      return { values: waveform(random, dims), origin: "sound at 16 kHz, harmonics and noise, amplitude at most 0.5" };
    case "sample-rate":
      return { values: constant(16_000), origin: "sample rate 16000" };
    case "state":
      return { values: fill(dims, () => 0.1 * random.normal()), origin: "state, normal with deviation 0.1" };
    case "flag":
      return { values: constant(role.value ? 1 : 0), origin: String(role.value) };
    case "length": {
      const value = role.of === "least" ? 1 : role.of === "most" ? at.sequence + 8 : at.sequence;
      return { values: constant(value), origin: `length ${value}` };
    }
    case "count":
      return { values: constant(1), origin: "1" };
    case "bytes":
      return { values: fill(dims, () => random.integer(0, 256)), origin: "bytes in 0..255" };
    case "integers":
      if (elementCount(dims) === 1) return { values: constant(0), origin: "0" };
      return { values: fill(dims, () => random.integer(0, 10)), origin: "whole numbers in 0..9" };
    case "noise":
      return { values: fill(dims, () => random.normal()), origin: "standard normal numbers" };
  }
}

function requireTensor(input: FeedInput, file: string): void {
  if (input.container === undefined) return;
  throw new InputError("ERR_FEED", `${file}: no values can be made up for the input "${input.name}", ${typeText(input)}.`, {
    hint: "Feed ONNX test data: a folder with input_0.pb ...",
    context: { tensor: input.name },
  });
}

function requireFeedable(input: FeedInput, dims: readonly number[], file: string): void {
  const width = bytesPerElement(input.dtype);
  const convertible = width !== undefined && !/^(complex|float8)/.test(input.dtype);
  if (!convertible)
    throw new InputError("ERR_FEED", `${file}: no values can be made up for the input "${input.name}" of type ${input.dtype}.`, {
      hint: input.dtype === "string" ? "Give texts with --feed, as JSON or as a serialised TensorProto (.pb)." : "Feed it with --feed.",
      context: { tensor: input.name, dtype: input.dtype },
    });
  if (elementCount(dims) * width > largestTensor)
    throw new UsageError("ERR_OPTION", `The shape ${dimsText(dims)} of "${input.name}" takes ${elementCount(dims) * width} bytes.`, {
      hint: "Choose smaller sizes.",
    });
}
