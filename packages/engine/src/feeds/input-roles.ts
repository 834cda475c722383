import { isFloat } from "@halfscope/core";
import type { GraphView } from "@halfscope/onnx";
import type { FeedInput } from "./feed.js";
import { type IdTable, traceIds } from "./trace-ids.js";

/** What a graph input seems to mean. Decides its made-up values, and what its unnamed dimensions are. */
export type InputRole =
  | { kind: "ids"; tables: readonly IdTable[] }
  | { kind: "segments"; tables: readonly IdTable[] }
  | { kind: "positions"; rows: number }
  /** `inverted`: true marks padding (PyTorch's key_padding_mask). `additive`: 0 keeps, a large negative number masks. */
  | { kind: "mask"; inverted: boolean; additive: boolean }
  | { kind: "image"; channelsLast: boolean; normalised: boolean }
  | { kind: "waveform" }
  | { kind: "sample-rate" }
  | { kind: "state" }
  | { kind: "flag"; value: boolean }
  | { kind: "length"; of: "sequence" | "least" | "most" }
  | { kind: "count" }
  | { kind: "bytes" }
  | { kind: "integers" }
  | { kind: "noise" };

/** Segment tables are this small; no vocabulary is. */
const largestSegmentTable = 8;
/** From this length on, a float axis beside which there is nothing else is taken for samples of sound. */
const shortestWaveform = 4000;

/** Words of a name: `serving_default_input_ids:0` and `inputIds` give input and ids. */
export const wordsOf = (name: string): string[] =>
  name
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");

/** Whether a dimension of this name counts samples; one that is the product with a length does not. */
export function namesBatch(name: string): boolean {
  const words = wordsOf(name);
  return words.some((word) => /^(batch(size)?|bs|b)$/.test(word)) && !words.some((word) => /^(seq|sequence|length|len)$/.test(word));
}

/** Roles of all inputs: the graph decides where it can (what is indexed, masked), else type, shape and name. */
export function rolesOf(view: GraphView, inputs: readonly FeedInput[]): Map<string, InputRole> {
  const hasSampleRate = inputs.some(isSampleRate);
  return new Map(
    inputs.map((input) => [input.name, isFloat(input.dtype) ? floatRole(view, input, hasSampleRate) : integerRole(view, input)]),
  );
}

function integerRole(view: GraphView, input: FeedInput): InputRole {
  const words = wordsOf(input.name);
  const has = (...candidates: readonly string[]) => words.some((word) => candidates.includes(word));
  const scalar = isScalar(input);
  const tables = traceIds(view, input.name);
  if (isSampleRate(input)) return { kind: "sample-rate" };
  if (has("mask", "masks")) return maskRole(view, input, words);
  const rows = Math.min(...tables.map((table) => table.rows));
  const segmentName = has("segment", "segments") || (has("type") && has("token"));
  const positionName = words.some((word) => word.startsWith("position") || word === "pos");
  if (segmentName || rows <= largestSegmentTable) return { kind: "segments", tables };
  if (positionName && !scalar) return { kind: "positions", rows };
  if (tables.length > 0) return { kind: "ids", tables };
  // Dropout and the like would make two runs of the same network differ: everything deterministic stays on, all else off.
  if (input.dtype === "bool") return has("deterministic") || !scalar ? { kind: "flag", value: true } : { kind: "flag", value: false };
  if (input.dtype === "uint8" && (input.dims?.length ?? 0) >= 3) return imageRole(input, words) ?? { kind: "bytes" };
  if (has("byte", "bytes") || input.dtype === "uint8") return { kind: "bytes" };
  if (has("ids", "id", "tokens", "token") && !scalar) return { kind: "ids", tables };
  if (has("length", "lengths", "len", "lens", "seqlen", "seqlens"))
    return { kind: "length", of: has("min") ? "least" : has("max") ? "most" : "sequence" };
  if (has("num", "count", "n")) return { kind: "count" };
  return { kind: "integers" };
}

function floatRole(view: GraphView, input: FeedInput, hasSampleRate: boolean): InputRole {
  const words = wordsOf(input.name);
  const has = (...candidates: readonly string[]) => words.some((word) => candidates.includes(word));
  const tables = traceIds(view, input.name);
  if (tables.length > 0) return { kind: "ids", tables };
  if (isSampleRate(input)) return { kind: "sample-rate" };
  if (has("mask", "masks")) return maskRole(view, input, words);
  if (has("past", "state", "cache", "memory", "h0", "c0", "hx", "cx") || (has("hidden", "cell") && !has("states")))
    return { kind: "state" };
  if (has("penalty", "temperature")) return { kind: "count" };
  return imageRole(input, words) ?? (isWaveform(input, words, hasSampleRate) ? { kind: "waveform" } : { kind: "noise" });
}

function maskRole(view: GraphView, input: FeedInput, words: readonly string[]): InputRole {
  const inverted = words.includes("padding") || words.includes("pad");
  return { kind: "mask", inverted: inverted && input.dtype === "bool", additive: isFloat(input.dtype) && isAdded(view, input.name) };
}

/** Whether a mask is added as it stands: its first consumer behind casts and shape operators is an Add. */
function isAdded(view: GraphView, tensor: string): boolean {
  let name = tensor;
  for (let hops = 0; hops < 8; hops++) {
    const uses = (view.consumers.get(name) ?? []).filter((use) => use.node.opType !== "Shape");
    if (uses.some((use) => use.node.opType === "Add")) return true;
    const onward = uses.find(
      (use) => use.input === 0 && ["Cast", "Unsqueeze", "Reshape", "Expand", "Slice", "Identity"].includes(use.node.opType),
    );
    if (onward === undefined) return false;
    name = onward.node.outputs[0] ?? "";
  }
  return false;
}

function imageRole({ dims }: FeedInput, words: readonly string[]): InputRole | undefined {
  if (dims === undefined || dims.length < 3 || dims.length > 4) return undefined;
  const spatial = dims.slice(-3);
  const isChannels = (size: number | undefined) => size === 1 || size === 3 || size === 4;
  const large = (sizes: typeof spatial) => sizes.every((d) => d.size === undefined || d.size >= 8);
  const first = isChannels(spatial[0]?.size) && large(spatial.slice(1));
  const last = isChannels(spatial[2]?.size) && large(spatial.slice(0, 2));
  // Three axes are an image only without doubt: [3, height, width].
  if (dims.length === 3 && !(first && spatial[0]?.size === 3 && spatial.every((d) => d.size !== undefined))) return undefined;
  if (!first && !last) return undefined;
  return { kind: "image", channelsLast: !first, normalised: words.includes("pixel") };
}

function isWaveform({ dims }: FeedInput, words: readonly string[], hasSampleRate: boolean): boolean {
  if (dims === undefined || dims.length === 0 || dims.length > 3) return false;
  const sound = ["audio", "wav", "wave", "waveform", "speech", "signal", "pcm", "samples", "sound"];
  const named = [...words, ...dims.flatMap((d) => wordsOf(d.symbol ?? ""))].some((word) => sound.includes(word));
  const long =
    dims.filter((d) => (d.size ?? 0) >= shortestWaveform).length === 1 &&
    dims.every((d) => (d.size ?? 1) <= 2 || d.size! >= shortestWaveform);
  return long || (dims.length <= 2 && (named || hasSampleRate || words.join(" ") === "input values"));
}

const isScalar = ({ dims }: FeedInput): boolean => dims?.every((d) => d.size === 1) ?? false;
const isSampleRate = (input: FeedInput): boolean =>
  isScalar(input) && /^(sr|sample_?rate|sampling_?rate|fs)$/.test(wordsOf(input.name).join("_"));
