import { byteLength, elementCount, type FeedValue, InputError, isFloat, isTensorValue, stringsOf, type TensorValue } from "@halfscope/core";
import { checkContainer } from "./check-containers.js";
import { convertTensor } from "./convert.js";
import { elementsOf, isInteger } from "./elements.js";
import { dimsText, type Feed, type FeedInput, typeText } from "./feed.js";
import { closest } from "./feed-errors.js";

/**
 * Checks one sample against the inputs of the graph, and converts types where nothing is lost (noted in its origins). Returns a feed in the
 * order of the inputs. Errors: ERR_FEED (missing, unknown name, shape, type, ids outside their table), ERR_FEED_NOT_FINITE (NaN, Inf).
 * `where` names the sample in messages; `notFinite: "keep"` lets NaN and Inf through.
 */
export function checkFeed(feed: Feed, signature: readonly FeedInput[], where: string, o: { notFinite?: "refuse" | "keep" } = {}): Feed {
  for (const name of feed.tensors.keys()) if (!signature.some((input) => input.name === name)) throw unknownInput(name, signature, where);
  const missing = signature.filter((input) => !feed.tensors.has(input.name));
  if (missing.length > 0)
    throw new InputError("ERR_FEED", `${where}: ${missing.map((input) => `"${input.name}"`).join(", ")} is not fed.`, {
      hint: `The model needs ${signature.map((input) => `"${input.name}" ${typeText(input)}`).join(", ")}.`,
      context: { missing: missing.map((input) => input.name) },
    });
  const checked: Feed = { tensors: new Map(), origins: new Map() };
  const symbols = new Map<string, number>();
  for (const input of signature) {
    const { value, notes } = checkValue(feed.tensors.get(input.name)!, input, where);
    if (o.notFinite !== "keep") for (const tensor of tensorsIn(value)) requireFinite(tensor, input.name, where);
    if (isTensorValue(value)) notes.push(...symbolConflicts(value, input, symbols));
    checked.tensors.set(input.name, value);
    checked.origins.set(input.name, [feed.origins.get(input.name) ?? where, ...notes].join("; "));
  }
  return checked;
}

/** ERR_FEED for a name that is no input of the model, with the closest one. */
export function unknownInput(name: string, signature: readonly FeedInput[], where: string): InputError {
  const names = signature.map((input) => input.name);
  const near = closest(name, names);
  return new InputError("ERR_FEED", `${where}: "${name}" is no input of the model.`, {
    hint: near === undefined ? `Its inputs are ${names.map((n) => `"${n}"`).join(", ")}.` : `Did you mean "${near}"?`,
    context: { name, inputs: names },
  });
}

/** All tensors in a value. */
export function tensorsIn(value: FeedValue): readonly TensorValue[] {
  if (isTensorValue(value)) return [value];
  if (value.kind === "sequence") return value.elements;
  return value.value === undefined ? [] : tensorsIn(value.value);
}

function checkValue(given: FeedValue, input: FeedInput, where: string): { value: FeedValue; notes: string[] } {
  if (input.container !== undefined) return { value: checkContainer(given, input, where), notes: [] };
  if (isTensorValue(given)) return checkTensor(given, input, where);
  throw new InputError("ERR_FEED", `${where}: "${input.name}" is given a ${given.kind}; the model expects ${typeText(input)}.`, {
    hint: "Feed a tensor.",
    context: { tensor: input.name, found: given.kind },
  });
}

function checkTensor(given: TensorValue, input: FeedInput, where: string): { value: TensorValue; notes: string[] } {
  const fail = (problem: string, hint: string): InputError =>
    new InputError("ERR_FEED", `${where}: "${input.name}" ${problem}.`, {
      hint,
      context: {
        tensor: input.name,
        expectedType: input.dtype,
        expectedDims: dimsText(input.dims),
        type: given.dtype,
        dims: [...given.dims],
      },
    });
  const notes: string[] = [];
  const bytes = byteLength(given.dtype, elementCount(given.dims));
  if (given.dtype === "string" && stringsOf(given)?.length !== elementCount(given.dims))
    throw fail(
      `has ${stringsOf(given)?.length ?? "no"} texts for its shape ${dimsText(given.dims)}`,
      "A string tensor holds one text per element.",
    );
  if (given.dtype !== "string" && given.data.length !== bytes)
    throw fail(
      `has ${given.data.length} bytes where its shape ${dimsText(given.dims)} of ${given.dtype} needs ${bytes ?? "no known number"}`,
      "A tensor holds exactly the bytes of its shape.",
    );
  const shaped = fitShape(given, input);
  if (shaped === undefined)
    throw fail(
      `has the shape ${dimsText(given.dims)}; the model expects ${dimsText(input.dims)}`,
      "Feed the shape that the model declares; sizes with a name, and ?, may be chosen.",
    );
  if (shaped !== given) notes.push(`shape ${dimsText(given.dims)} taken as ${dimsText(shaped.dims)}`);
  const conversion = input.dtype === "unknown" ? { value: shaped } : convertTensor(shaped, input.dtype);
  if ("problem" in conversion)
    throw fail(
      `has the type ${given.dtype}; the model expects ${input.dtype}: ${conversion.problem}`,
      `Save it as ${input.dtype} (NumPy: .astype).`,
    );
  if (conversion.note !== undefined) notes.push(conversion.note);
  requireIdsInTables(conversion.value, input, fail);
  return { value: conversion.value, notes };
}

/** Sizes that differ although the model gives them one name: only a note, because runtimes accept them and exporters' names may be wrong. */
function symbolConflicts(value: TensorValue, { dims }: FeedInput, symbols: Map<string, number>): string[] {
  return value.dims.flatMap((size, axis) => {
    const symbol = dims?.[axis]?.symbol;
    if (symbol === undefined) return [];
    const before = symbols.get(symbol);
    if (before === undefined) symbols.set(symbol, size);
    return before === undefined || before === size ? [] : [`size "${symbol}" is ${size} here and ${before} in another input`];
  });
}

/** The tensor if its shape fits; one element of rank 0 and of shape [1] are exchanged, as exporters and NumPy do not agree on scalars. */
function fitShape(value: TensorValue, { dims }: FeedInput): TensorValue | undefined {
  if (dims === undefined) return value;
  if (dims.length === value.dims.length && dims.every((d, i) => d.size === undefined || d.size === value.dims[i])) return value;
  const single = elementCount(value.dims) === 1 && value.dims.length + dims.length === 1 && (dims[0]?.size ?? 1) === 1;
  return single ? { ...value, dims: dims.map(() => 1) } : undefined;
}

function requireFinite(value: TensorValue, name: string, where: string): void {
  if (!isFloat(value.dtype)) return;
  const elements = elementsOf(value)!;
  const index = elements.findIndex((v: number | bigint) => !Number.isFinite(v));
  if (index >= 0)
    throw new InputError("ERR_FEED_NOT_FINITE", `${where}: "${name}" holds ${elements[index]} at flat index ${index}.`, {
      hint: "With NaN or Inf in its inputs, no comparison of a model means anything; write a mask as a large finite number.",
      context: { tensor: name, index, value: String(elements[index]) },
    });
}

function requireIdsInTables(value: TensorValue, input: FeedInput, fail: (problem: string, hint: string) => InputError): void {
  if (!isInteger(value.dtype)) return;
  for (const { tensor, rows } of input.ids ?? []) {
    const elements = elementsOf(value)!;
    const index = elements.findIndex((v: number | bigint) => v >= rows || v < -rows);
    if (index >= 0)
      throw fail(
        `holds the id ${elements[index]} at flat index ${index}; it indexes "${tensor}", which has ${rows} rows`,
        `Ids must lie in [0, ${rows}); check that the tokenizer belongs to this model.`,
      );
  }
}
