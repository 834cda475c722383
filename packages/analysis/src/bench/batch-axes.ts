import { type Batching, bytesPerElement, UsageError } from "@halfscope/core";
import { dimsText, type FeedInput } from "@halfscope/engine";

/** Names that mean the batch, and names that mean something else although they may come first. */
const batchWords = /^(?:batch(?:[_ -]?size)?|bs|b|n|num_?samples)$/i;
const otherWords = /seq|len|token|time|frame|step|height|width|channel|box|point/i;

/**
 * Which axes hold the batch. `given` names it as --batch-axis does, by symbol or `input:axis`; else it is the open first size that inputs share (the one whose
 * name means the batch where there are several), wherever that name stands in other inputs. Throws ERR_OPTION for names that the model does not have.
 */
export function findBatch(signature: readonly FeedInput[], given: readonly string[] = []): Batching {
  const text = signature.find((i) => i.dtype === "string");
  if (text !== undefined && given.length === 0)
    return single(signature, "none", `"${text.name}" holds texts, and requests of texts are not put into batches here.`);
  if (given.length > 0) return asGiven(signature, given);
  const open = signature.filter(
    (i) => i.container === undefined && i.dims !== undefined && i.dims.length > 0 && i.dims[0]?.size === undefined,
  );
  if (open.length === 0) return fixed(signature);
  const named = new Map<string, number>();
  for (const { dims } of open) {
    const symbol = dims?.[0]?.symbol;
    if (symbol !== undefined) named.set(symbol, (named.get(symbol) ?? 0) + 1);
  }
  const symbols = [...named].sort((a, b) => Number(batchWords.test(b[0])) - Number(batchWords.test(a[0])) || b[1] - a[1]).map(([s]) => s);
  const symbol = symbols.find((s) => batchWords.test(s) || !otherWords.test(s));
  const nameless = open.filter((i) => i.dims?.[0]?.symbol === undefined);
  if (symbol === undefined && nameless.length === 0)
    return single(
      signature,
      "none",
      `No input has a first axis that looks like a batch: ${open.map((i) => `"${i.name}" is ${dimsText(i.dims)}`).join(", ")}.`,
      "Name it where there is one: --batch-axis NAME or INPUT:AXIS.",
    );
  const axes = new Map<string, number>();
  for (const input of signature) {
    const axis = symbol === undefined ? -1 : axisOf(input, symbol);
    if (axis >= 0) axes.set(input.name, axis);
    else if (nameless.includes(input)) axes.set(input.name, 0);
    else if (isState(input)) axes.set(input.name, 1);
  }
  const states = signature.filter((i) => isState(i) && axes.get(i.name) === 1 && (symbol === undefined || axisOf(i, symbol) < 0));
  const how =
    symbol === undefined
      ? "The first axis is open and has no name; it is taken for the batch."
      : `The open axis "${symbol}" is the batch.${nameless.length > 0 ? ` The nameless first axis of ${names(nameless)} is taken for it too.` : ""}`;
  const also = states.length > 0 ? ` Of the recurrent state ${names(states)} it is the second axis.` : "";
  return dynamic(signature, axes, how + also, symbol);
}

/** [layers, batch, hidden], the batch without a name. */
const isState = ({ name, dims }: FeedInput): boolean =>
  dims?.length === 3 &&
  dims[0]?.size !== undefined &&
  dims[1]?.size === undefined &&
  dims[1]?.symbol === undefined &&
  dims[2]?.size !== undefined &&
  /(?:^|[^a-z])(?:state|hidden|cell|cache|memory|[hc](?:\d|x|n)?)(?:$|[^a-z])/i.test(name);

const axisOf = (input: FeedInput, symbol: string): number =>
  input.dims?.findIndex((d) => d.size === undefined && d.symbol === symbol) ?? -1;
const names = (inputs: readonly { name: string }[]): string => inputs.map((i) => `"${i.name}"`).join(", ");

function asGiven(signature: readonly FeedInput[], given: readonly string[]): Batching {
  const axes = new Map<string, number>();
  for (const name of given) {
    const found = signature.flatMap((input) => {
      const axis = input.dims?.findIndex((d) => d.symbol === name) ?? -1;
      return axis < 0 ? [] : [[input.name, axis] as const];
    });
    const place = /^(.*):(\d+)$/.exec(name);
    const input = signature.find((i) => i.name === place?.[1]);
    if (found.length > 0) for (const [inputName, axis] of found) axes.set(inputName, axis);
    else if (input?.dims?.[Number(place?.[2])] !== undefined) axes.set(input.name, Number(place?.[2]));
    else
      throw new UsageError("ERR_OPTION", `--batch-axis ${name} is no axis of the model's inputs.`, {
        hint: `They are ${signature.map((i) => `"${i.name}" ${dimsText(i.dims)}`).join(", ")}; name an axis by its symbol or as INPUT:AXIS.`,
      });
  }
  const closed = signature.find((i) => axes.has(i.name) && i.dims?.[axes.get(i.name) ?? 0]?.size !== undefined);
  if (closed !== undefined) return fixed(signature);
  const symbol = signature
    .map((i) => (axes.has(i.name) ? i.dims?.[axes.get(i.name) ?? 0]?.symbol : undefined))
    .find((s) => s !== undefined);
  return dynamic(signature, axes, `The batch is ${given.map((g) => `"${g}"`).join(", ")}, as given.`, symbol);
}

function dynamic(signature: readonly FeedInput[], axes: ReadonlyMap<string, number>, how: string, symbol: string | undefined): Batching {
  const unstackable = signature.find((i) => axes.has(i.name) && bytesPerElement(i.dtype) === undefined);
  if (unstackable !== undefined)
    return single(signature, "none", `"${unstackable.name}" is of ${unstackable.dtype}, which is not put into batches here.`);
  const shared = signature.filter((i) => !axes.has(i.name));
  return {
    kind: "dynamic",
    ...(symbol !== undefined && { symbol }),
    inputs: signature.map(({ name }) => ({ name, ...(axes.has(name) && { axis: axes.get(name) as number }) })),
    how: shared.length === 0 ? how : `${how} All requests share ${names(shared)}, as the first one has it.`,
  };
}

function fixed(signature: readonly FeedInput[]): Batching {
  const sizes = signature.map((i) => `"${i.name}" is ${dimsText(i.dims)}`).join(", ");
  return single(
    signature,
    "static",
    `The sizes are fixed in the model: ${sizes}. Only single requests can be measured.`,
    'Export the model with an open first axis to serve batches (PyTorch: dynamic_axes={"NAME": {0: "batch"}} or dynamic_shapes). Renaming the size in the file is enough only where no Reshape inside repeats it.',
  );
}

const single = (signature: readonly FeedInput[], kind: "static" | "none", how: string, advice?: string): Batching => ({
  kind,
  inputs: signature.map(({ name }) => ({ name })),
  how,
  ...(advice !== undefined && { advice }),
});
