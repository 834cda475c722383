import { type Batching, type FeedValue, isTensorValue, UsageError } from "@halfscope/core";
import type { FeedInput } from "@halfscope/engine";
import { batchAxes } from "./requests.js";

/** Sizes as the command line gives them: several of a dimension, several whole shapes of an input. */
export interface WantedSizes {
  dims: Readonly<Record<string, readonly number[]>>;
  shapes: Readonly<Record<string, readonly (readonly number[])[]>>;
}
/** Sizes of one request. */
export interface ShapeVariant {
  dims: Record<string, number>;
  shapes: Record<string, number[]>;
}

/** More shapes are a slip: every one is measured at every batch size. */
const mostShapes = 64;

/**
 * Every combination of the dimensions' sizes with every set of whole shapes; of inputs that have several shapes each, the first go together, then the second ones.
 * The batch is 1 in all of them. Throws ERR_OPTION for a size of the batch, which --batch says, and for numbers of shapes that do not fit together.
 */
export function shapeVariants(wanted: WantedSizes, batching: Batching, signature: readonly FeedInput[]): ShapeVariant[] {
  const axes = batchAxes(batching);
  for (const name of Object.keys(wanted.dims))
    if (name === batching.symbol || batching.inputs.some((i) => i.axis !== undefined && name === `${i.name}:${i.axis}`))
      throw new UsageError("ERR_OPTION", `--dim ${name}=${wanted.dims[name]?.join(",")} sets the batch.`, {
        hint: "Give batch sizes with --batch, for instance --batch 1,2,4.",
      });
  const counts = Object.values(wanted.shapes).map((s) => s.length);
  const sets = Math.max(1, ...counts);
  if (counts.some((n) => n !== 1 && n !== sets))
    throw new UsageError(
      "ERR_OPTION",
      `--shape gives ${Object.entries(wanted.shapes)
        .map(([name, s]) => `"${name}" ${s.length}`)
        .join(" and ")} shapes; expected the same number for each input, or one.`,
      {
        hint: "Shapes of several inputs go together in the order in which they are given.",
      },
    );
  const batchDims: Record<string, number> = {};
  if (batching.symbol !== undefined) batchDims[batching.symbol] = 1;
  for (const [name, axis] of axes)
    if (signature.find((i) => i.name === name)?.dims?.[axis]?.symbol === undefined) batchDims[`${name}:${axis}`] = 1;
  const combinations = Object.entries(wanted.dims).reduce<Record<string, number>[]>(
    (all, [name, sizes]) => all.flatMap((made) => sizes.map((size) => ({ ...made, [name]: size }))),
    [batchDims],
  );
  if (combinations.length * sets > mostShapes)
    throw new UsageError("ERR_OPTION", `--dim and --shape make ${combinations.length * sets} shapes; at most ${mostShapes} are measured.`, {
      hint: "Give fewer sizes.",
    });
  return Array.from({ length: sets }, (_, k) =>
    Object.fromEntries(
      Object.entries(wanted.shapes).map(([name, list]) => [
        name,
        (list[list.length === 1 ? 0 : k] ?? []).map((size, axis) => (axis === axes.get(name) ? 1 : size)),
      ]),
    ),
  ).flatMap((shapes) => combinations.map((dims) => ({ dims, shapes })));
}

/** Names that an exporter made up tell a person nothing, and are long. */
const madeUpName = /DynamicDimension|dynamic_axes_\d+$|^unk__\d+$|^s\d+$|^\?$|^dim_?\d+$/i;

/** What tells a shape from others: the open sizes but the batch, "sequence=128, images:2=640". Sizes without a name, or with one that an exporter made up, go by their first place. */
export function shapeName(request: ReadonlyMap<string, FeedValue>, signature: readonly FeedInput[], batching: Batching): string {
  const axes = batchAxes(batching);
  const parts = new Map<string, number>();
  const places = new Map<string, string>();
  for (const { name, dims } of signature) {
    const value = request.get(name);
    if (value === undefined || !isTensorValue(value)) continue;
    for (const [axis, size] of value.dims.entries()) {
      const declared = dims?.[axis];
      if (axes.get(name) === axis || declared?.size !== undefined) continue;
      const symbol = declared?.symbol;
      const place = (symbol !== undefined && places.get(symbol)) || `${name}:${axis}`;
      if (symbol !== undefined && madeUpName.test(symbol)) places.set(symbol, place);
      const key = symbol === undefined || madeUpName.test(symbol) ? place : symbol;
      // A symbol with two sizes in one request is told by its places.
      if (parts.has(key) && parts.get(key) !== size) parts.set(`${name}:${axis}`, size);
      else parts.set(key, size);
    }
  }
  return parts.size === 0 ? "as declared" : [...parts].map(([key, size]) => `${key}=${size}`).join(", ");
}
