import { stat } from "node:fs/promises";
import { type FeedValue, UsageError } from "@halfscope/core";
import { checkFeed, unknownInput } from "./check-feeds.js";
import { dimsText, type Feed, type FeedInput } from "./feed.js";
import { badFile } from "./feed-errors.js";
import { feedFrom, inputOf, readFeedFolder } from "./feed-folder.js";
import { type FeedPart, parseFeedSpec } from "./feed-spec.js";
import { readJsonFeeds } from "./json-feeds.js";
import { Budget, defaultLimits, type FeedLimits, readFeedFile } from "./limits.js";
import { readNpy } from "./npy.js";
import { isNpy } from "./npy-header.js";
import { readNpz } from "./npz.js";
import { readRaw } from "./raw.js";
import { readValueProto } from "./value-proto.js";

export interface LoadFeedsOptions {
  limits?: Partial<FeedLimits>;
  /** Sizes of symbolic dimensions, for raw files, by symbol or `input:axis`. */
  dims?: Readonly<Record<string, number>>;
  /** Whole shapes by input, for raw files. */
  shapes?: Readonly<Record<string, readonly number[]>>;
  /** NaN and Inf in a sample: refused (default), because a comparison on them means nothing, or kept, to run a model once. */
  notFinite?: "refuse" | "keep";
}

/**
 * Loads samples from what `--feed` names: an `.npz`, a JSON file, a folder, `name=file.npy` (also .pb, or raw), or trtexec's `name:file`.
 * Parts for single inputs add up to one sample until a name repeats. Every sample is checked against `signature`; see `checkFeed`.
 * Errors: ERR_FILE_NOT_FOUND, ERR_FEED_FILE, ERR_FEED, ERR_FEED_NOT_FINITE.
 */
export async function loadFeeds(
  spec: string | readonly string[],
  signature: readonly FeedInput[],
  options: LoadFeedsOptions = {},
): Promise<Feed[]> {
  const budget = new Budget({ ...defaultLimits, ...options.limits });
  const parts: FeedPart[] = [];
  for (const text of typeof spec === "string" ? [spec] : spec) parts.push(...(await parseFeedSpec(text, signature)));
  const feeds: Feed[] = [];
  let open: Feed | undefined;
  const close = () => {
    if (open !== undefined) feeds.push(open);
    open = undefined;
  };
  const readTensor = (path: string, input: FeedInput) => readTensorFile(path, input, options, budget);
  for (const part of parts) {
    if (part.input === undefined) {
      close();
      feeds.push(...(await readSamples(part.path, signature, readTensor, budget)));
      continue;
    }
    if (open?.tensors.has(part.input.name)) close();
    open ??= { tensors: new Map(), origins: new Map() };
    open.tensors.set(part.input.name, await readTensor(part.path, part.input));
    open.origins.set(part.input.name, part.path);
  }
  close();
  if (feeds.length === 0 || feeds.length > budget.limits.entries)
    throw new UsageError("ERR_OPTION", `Feeds must give 1 to ${budget.limits.entries} samples; found ${feeds.length}.`, {
      hint: "Name a file or a folder with --feed.",
    });
  return feeds.map((feed, i) => {
    const origin = feed.origins.values().next().value ?? "";
    return checkFeed(feed, signature, feeds.length > 1 ? `Sample ${i} (${origin})` : origin, options);
  });
}

async function readSamples(
  path: string,
  signature: readonly FeedInput[],
  readTensor: (path: string, input: FeedInput) => Promise<FeedValue>,
  budget: Budget,
): Promise<Feed[]> {
  const info = await stat(path);
  if (info.isDirectory()) return readFeedFolder(path, signature, readTensor, budget);
  const bytes = await readFeedFile(path, budget.limits);
  if (path.endsWith(".npz")) return [feedFrom(readNpz(bytes, path, budget), path)];
  if (path.endsWith(".json"))
    return readJsonFeeds(bytes, path, signature, budget).map((tensors, i, all) =>
      feedFrom(tensors, all.length > 1 ? `${path}, sample ${i}` : path),
    );
  const only = signature[0];
  if (path.endsWith(".npy") && signature.length === 1 && only !== undefined)
    return [feedFrom(new Map([[only.name, readNpy(bytes, path, budget)]]), path)];
  if (path.endsWith(".pb")) {
    const { name, value } = readValueProto(bytes, path, inputOf(bytes, path, 0, signature)?.container, budget);
    if (signature.length === 1 && only !== undefined && name === "") return [feedFrom(new Map([[only.name, value]]), path)];
    if (!signature.some((input) => input.name === name)) throw unknownInput(name, signature, path);
    return [feedFrom(new Map([[name, value]]), path)];
  }
  throw badFile(
    path,
    "an .npz or .json file or a folder, or name=file for one input",
    "another file",
    "Write --feed name=file.npy, once per input.",
  );
}

async function readTensorFile(path: string, input: FeedInput, options: LoadFeedsOptions, budget: Budget): Promise<FeedValue> {
  const bytes = await readFeedFile(path, budget.limits);
  if (path.endsWith(".npy") || isNpy(bytes)) return readNpy(bytes, path, budget);
  if (path.endsWith(".pb")) return readValueProto(bytes, path, input.container, budget).value;
  if (/\.(npz|json)$/.test(path)) throw badFile(path, "a file of one tensor", "a file of several", `Write --feed ${path}, without a name.`);
  return readRaw(bytes, input.dtype, rawDims(input, options, path), path, budget);
}

/** Raw files tell no shape: every size must be known. Nothing is concluded from the file's size, or a doubled file would pass. */
function rawDims(input: FeedInput, { dims = {}, shapes = {} }: LoadFeedsOptions, path: string): number[] {
  const given = shapes[input.name];
  if (given !== undefined) return [...given];
  const sizes = input.dims?.map(
    (d, axis) => d.size ?? dims[`${input.name}:${axis}`] ?? (d.symbol === undefined ? undefined : dims[d.symbol]),
  );
  if (sizes === undefined || sizes.includes(undefined))
    throw badFile(
      path,
      `a known shape of "${input.name}", because raw files have no header`,
      dimsText(input.dims),
      `Give its shape, for instance --shape ${input.name}=1x128, or save it as .npy.`,
    );
  return sizes as number[];
}
