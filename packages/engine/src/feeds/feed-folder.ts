import { readdir } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { FeedValue } from "@halfscope/core";
import type { Feed, FeedInput } from "./feed.js";
import { badFile } from "./feed-errors.js";
import { type Budget, readFeedFile } from "./limits.js";
import { readNpz } from "./npz.js";
import { type NamedValue, namesInside, readValueProto } from "./value-proto.js";

/** Reads one tensor's file for one input: the caller decides by extension. */
export type TensorReader = (path: string, input: FeedInput) => Promise<FeedValue>;

const layouts = "A folder holds input_0.pb ..., folders test_data_set_0 ..., one .npz per sample, or one .npy per input.";
const natural = new Intl.Collator("en", { numeric: true });

/**
 * Samples of a folder: ONNX test data (`input_N.pb`), folders `test_data_set_N` of it, one `.npz` per sample, or one `.npy` or `.bin` per
 * input, named like it. Exactly one of these must be there. Errors: ERR_FEED_FILE.
 */
export async function readFeedFolder(
  folder: string,
  signature: readonly FeedInput[],
  readTensor: TensorReader,
  budget: Budget,
): Promise<Feed[]> {
  const entries = await readdir(folder);
  if (entries.length > budget.limits.entries) throw badFile(folder, `at most ${budget.limits.entries} files`, `${entries.length}`, layouts);
  const named = (match: RegExp) => entries.filter((name) => match.test(name)).sort(natural.compare);
  const inputs = named(/^input_\d+\.pb$/);
  const sets = named(/^test_data_set_\d+$/);
  const archives = named(/\.npz$/);
  const tensors = named(/\.(npy|bin|raw)$/);
  const present = Object.entries({ "input_N.pb": inputs, test_data_set_N: sets, ".npz": archives, ".npy or .bin": tensors })
    .filter(([, found]) => found.length > 0)
    .map(([kind]) => kind);
  if (present.length !== 1) throw badFile(folder, "one kind of feed", present.join(" and ") || "none", layouts);
  if (inputs.length > 0) return [await readTestData(folder, signature, budget)];
  const feeds: Feed[] = [];
  for (const name of sets) feeds.push(await readTestData(join(folder, name), signature, budget));
  for (const name of archives) {
    const path = join(folder, name);
    feeds.push(feedFrom(readNpz(await readFeedFile(path, budget.limits), path, budget), path));
  }
  if (feeds.length > 0) return feeds;
  const feed: Feed = { tensors: new Map(), origins: new Map() };
  for (const name of tensors) {
    const path = join(folder, name);
    const stem = basename(name, extname(name));
    const input = signature.find((i) => i.name === stem) ?? signature.find((i) => fileSafe(i.name) === stem);
    if (input === undefined) throw badFile(path, `the name of an input (${signature.map((i) => i.name).join(", ")})`, stem, layouts);
    if (feed.tensors.has(input.name)) throw badFile(path, `one file for "${input.name}"`, "two", layouts);
    feed.tensors.set(input.name, await readTensor(path, input));
    feed.origins.set(input.name, path);
  }
  return [feed];
}

/** The input that a file is for, before it is decoded: how it must be decoded depends on it. */
export function inputOf(bytes: Uint8Array, path: string, position: number, signature: readonly FeedInput[]): FeedInput | undefined {
  if (signature.every((i) => i.container === undefined)) return signature[position];
  const { asTensor, asContainer } = namesInside(bytes, path);
  return signature.find((i) => i.name === (i.container === undefined ? asTensor : asContainer)) ?? signature[position];
}

export const feedFrom = (tensors: Map<string, FeedValue>, origin: string): Feed => ({
  tensors,
  origins: new Map([...tensors.keys()].map((name) => [name, origin])),
});

/** As trtexec writes tensor names into file names. */
const fileSafe = (name: string): string => name.replace(/[^A-Za-z0-9._,-]/g, "_");

/**
 * ONNX test data: `input_N.pb` belongs to the graph input of the name inside if all names are inputs, else to the N-th graph input without
 * initializer. Real data needs both: exporters leave names empty, and some sets are in another order than the graph.
 */
async function readTestData(folder: string, signature: readonly FeedInput[], budget: Budget): Promise<Feed> {
  const files = (await readdir(folder)).filter((name) => /^input_\d+\.pb$/.test(name)).sort(natural.compare);
  if (files.length === 0) throw badFile(folder, "input_0.pb ...", "no such file", layouts);
  const tensors: (NamedValue & { path: string; position: number })[] = [];
  for (const name of files) {
    const path = join(folder, name);
    const position = Number(/\d+/.exec(name)![0]);
    const bytes = await readFeedFile(path, budget.limits);
    tensors.push({ path, position, ...readValueProto(bytes, path, inputOf(bytes, path, position, signature)?.container, budget) });
  }
  const known = new Set(signature.map((input) => input.name));
  const byName = tensors.every((t) => known.has(t.name)) && new Set(tensors.map((t) => t.name)).size === tensors.length;
  const feed: Feed = { tensors: new Map(), origins: new Map() };
  for (const { path, position, name, value } of tensors) {
    const target = byName ? name : signature[position]?.name;
    if (target === undefined)
      throw badFile(
        path,
        `one of ${signature.length} inputs (0 to ${signature.length - 1})`,
        `number ${position}`,
        "The model takes fewer inputs than the folder holds.",
      );
    if (!byName && known.has(name) && name !== target)
      throw badFile(
        path,
        `the input "${target}" by its number`,
        `the name "${name}" inside`,
        "Name every tensor after an input of the model, or none.",
      );
    if (feed.tensors.has(target)) throw badFile(path, `one file for "${target}"`, "two", layouts);
    feed.tensors.set(target, value);
    feed.origins.set(target, byName || name === target ? path : `${path}, by its number`);
  }
  return feed;
}
