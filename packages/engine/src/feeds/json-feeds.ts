import { type DType, decodeJson, elementCount, isObject, numberFromDtype, stringTensor, type TensorValue } from "@halfscope/core";
import { unknownInput } from "./check-feeds.js";
import { integerRanges, isInteger, tensorOf } from "./elements.js";
import type { FeedInput } from "./feed.js";
import { badFile } from "./feed-errors.js";
import { Budget } from "./limits.js";
import { isPolygraphy, readPolygraphySample } from "./polygraphy-json.js";

/** V8 cannot make longer strings. */
const longestText = 2 ** 29 - 25;
const shapeOfFile = 'Write {"name": [[...]]} or {"name": {"dtype": "int64", "dims": [1, 128], "data": [...]}}, one such object per sample.';

/**
 * Reads feeds from JSON: one object of inputs by name, or a list of them, one per sample. An input is a number, nested arrays (in the
 * type that the model declares), `{dtype, dims, data}`, or what Polygraphy writes. Errors: ERR_FEED_FILE, ERR_FEED for unknown names.
 */
export function readJsonFeeds(
  bytes: Uint8Array,
  file: string,
  signature: readonly FeedInput[],
  budget = new Budget(),
): Map<string, TensorValue>[] {
  if (bytes.length > longestText)
    throw badFile(file, `JSON of at most ${longestText} bytes`, `${bytes.length}`, "Save feeds of that size as .npz.");
  let document: unknown;
  try {
    document = decodeJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw badFile(file, "JSON", (cause as Error).message.slice(0, 200), `${shapeOfFile} NaN and Infinity are no JSON.`, cause);
  }
  const samples = Array.isArray(document) ? document : [document];
  if (samples.length === 0 || samples.length > budget.limits.entries)
    throw badFile(file, `1 to ${budget.limits.entries} samples`, `${samples.length}`, shapeOfFile);
  return samples.map((sample: unknown, i) => {
    const place = samples.length > 1 ? `${file}, sample ${i}` : file;
    if (!isObject(sample)) throw badFile(place, "an object of inputs by name", describe(sample), shapeOfFile);
    return isPolygraphy(sample) ? readPolygraphySample(sample, place, budget) : readSample(sample, place, signature, budget);
  });
}

function readSample(
  sample: Record<string, unknown>,
  file: string,
  signature: readonly FeedInput[],
  budget: Budget,
): Map<string, TensorValue> {
  const tensors = new Map<string, TensorValue>();
  for (const [name, given] of Object.entries(sample)) {
    const input = signature.find((i) => i.name === name);
    if (input === undefined) throw unknownInput(name, signature, file);
    tensors.set(name, readTensor(given, input.dtype, `${file}, "${name}"`, budget));
  }
  return tensors;
}

function readTensor(given: unknown, declared: DType, file: string, budget: Budget): TensorValue {
  if (!isObject(given)) return numbersToTensor(given, declared, undefined, file, budget);
  const { dtype = declared, dims, data, ...others } = given;
  if (Object.keys(others).length > 0 || data === undefined)
    throw badFile(file, "the keys dtype, dims and data", Object.keys(given).join(", ").slice(0, 80), shapeOfFile);
  if (typeof dtype !== "string" || numberFromDtype(dtype as DType) === 0)
    throw badFile(file, 'a type such as "float32" or "int64"', JSON.stringify(dtype).slice(0, 40), shapeOfFile);
  if (dims !== undefined && !(Array.isArray(dims) && dims.every((d) => Number.isSafeInteger(d) && d >= 0)))
    throw badFile(file, "dims as a list of sizes", JSON.stringify(dims).slice(0, 80), shapeOfFile);
  return numbersToTensor(data, dtype as DType, dims as number[] | undefined, file, budget);
}

/** `dims` undefined: the nesting gives the shape. Else `data` is flat, or nested just so. */
function numbersToTensor(data: unknown, dtype: DType, dims: readonly number[] | undefined, file: string, budget: Budget): TensorValue {
  const nested = shapeOf(data, budget.limits.rank, file);
  const count = elementCount(nested);
  const shape = dims ?? nested;
  const fits =
    nested.length === 1 ? elementCount(shape) === count : shape.length === nested.length && shape.every((d, i) => d === nested[i]);
  if (!fits)
    throw badFile(
      file,
      `${elementCount(shape)} values for the shape [${shape.join(", ")}]`,
      `the shape [${nested.join(", ")}]`,
      shapeOfFile,
    );
  budget.spendTensor(shape, 8, file);
  if (dtype === "string") {
    const texts: string[] = [];
    flatten(data, nested, 0, (v) => readText(v, file), texts, file);
    return stringTensor(shape, texts);
  }
  const values: (number | bigint)[] = [];
  flatten(data, nested, 0, readValue(dtype, file), values, file);
  return tensorOf(dtype, shape, values);
}

/** The shape that the first elements show; `flatten` checks the others. */
function shapeOf(data: unknown, maxRank: number, file: string): number[] {
  const dims: number[] = [];
  for (let at = data; Array.isArray(at); at = at[0] as unknown) {
    dims.push(at.length);
    if (dims.length > maxRank) throw badFile(file, `at most ${maxRank} levels of arrays`, "more", shapeOfFile);
  }
  return dims;
}

function flatten<T>(data: unknown, dims: readonly number[], axis: number, read: (v: unknown) => T, into: T[], file: string): void {
  if (axis === dims.length) {
    into.push(read(data));
    return;
  }
  if (!Array.isArray(data) || data.length !== dims[axis])
    throw badFile(
      file,
      `arrays of the same length, ${dims[axis]} on axis ${axis}`,
      Array.isArray(data) ? `one of ${data.length}` : describe(data),
      shapeOfFile,
    );
  for (const item of data) flatten(item, dims, axis + 1, read, into, file);
}

/** 64-bit integers beyond 2^53 must be strings: JSON numbers lose them. */
function readValue(dtype: DType, file: string): (value: unknown) => number | bigint {
  const range = integerRanges[dtype];
  return (value) => {
    if (dtype === "bool" && typeof value === "boolean") return value ? 1 : 0;
    if (!isInteger(dtype)) {
      if (typeof value === "number") return value;
      throw badFile(file, "numbers", describe(value), shapeOfFile);
    }
    const integer =
      typeof value === "number" && Number.isSafeInteger(value)
        ? BigInt(value)
        : typeof value === "string" && /^-?\d{1,20}$/.test(value)
          ? BigInt(value)
          : undefined;
    if (integer === undefined || range === undefined || integer < range[0] || integer > range[1])
      throw badFile(file, `values of ${dtype}`, describe(value), "Write whole numbers; those beyond 2^53 as strings.");
    return integer;
  };
}

function readText(value: unknown, file: string): string {
  if (typeof value === "string") return value;
  throw badFile(file, "texts", describe(value), shapeOfFile);
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return `the string "${value.slice(0, 40)}"`;
  return value === null ? "null" : typeof value === "object" ? "an object" : String(value);
}
