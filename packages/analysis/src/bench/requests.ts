import { type Batching, type FeedValue, InputError, isTensorValue, type TensorValue } from "@halfscope/core";
import type { Feed } from "@halfscope/engine";
import { sliceAlong, stackAlong } from "./tensor-axis.js";

/** Values by input: what one call of an engine takes. */
export type Request = ReadonlyMap<string, FeedValue>;

/** Inputs that hold a batch, with their axes. */
export const batchAxes = (b: Batching): ReadonlyMap<string, number> =>
  new Map(b.inputs.flatMap((i) => (i.axis === undefined ? [] : [[i.name, i.axis]])));

/**
 * One call with all these requests side by side. Inputs without a batch axis are the first request's. The requests have one shape.
 */
export function stackRequests(requests: readonly [Request, ...Request[]], axes: ReadonlyMap<string, number>): Map<string, FeedValue> {
  const stacked = new Map<string, FeedValue>();
  for (const [name, value] of requests[0]) {
    const axis = axes.get(name);
    stacked.set(
      name,
      axis === undefined ? value : stackAlong(requests.map((r) => tensorOf(r, name)) as [TensorValue, ...TensorValue[]], axis),
    );
  }
  return stacked;
}

/** A sample's requests: one per place of its batch. Throws ERR_FEED where its inputs disagree about how many there are, or hold none. */
export function splitSample(feed: Pick<Feed, "tensors">, axes: ReadonlyMap<string, number>, where: string): Request[] {
  const sizes = [...axes].map(([name, axis]) => [name, tensorOf(feed.tensors, name).dims[axis] ?? 0] as const);
  const [first] = sizes;
  if (first === undefined) return [feed.tensors];
  const other = sizes.find(([, size]) => size !== first[1]);
  if (other !== undefined || first[1] === 0)
    throw new InputError(
      "ERR_FEED",
      other === undefined
        ? `${where} holds no request: the batch of "${first[0]}" is empty.`
        : `${where} holds ${first[1]} requests in "${first[0]}" and ${other[1]} in "${other[0]}".`,
      { hint: "Give every input the same number of requests, or name the axis that holds them with --batch-axis." },
    );
  return Array.from(
    { length: first[1] },
    (_, i) =>
      new Map(
        [...feed.tensors].map(([name, value]) => {
          const axis = axes.get(name);
          return [name, axis === undefined ? value : sliceAlong(tensorOf(feed.tensors, name), axis, i, i + 1)];
        }),
      ),
  );
}

/** `count` requests from the list, going round from `start`. */
export const takeRound = <T>(list: readonly T[], start: number, count: number): T[] =>
  Array.from({ length: count }, (_, i) => list[(start + i) % list.length] as T);

/** Batches of `size` that hold every request at least once; `members` are numbers of requests, the last batch goes round to the first ones. */
export const batchesOf = (requests: number, size: number): number[][] =>
  Array.from({ length: Math.ceil(requests / size) }, (_, k) => Array.from({ length: size }, (_, i) => (k * size + i) % requests));

/**
 * The same batch beside others: every second place keeps its request and the rest get the request that follows theirs. `kept` are the places that keep theirs.
 * undefined where no other request is to be had.
 */
export function otherNeighbours(members: readonly number[], requests: number): { members: number[]; kept: number[] } | undefined {
  if (members.length < 2 || requests < 2) return undefined;
  const kept = members.flatMap((_, place) => (place % 2 === 0 ? [place] : []));
  return { members: members.map((m, place) => (place % 2 === 0 ? m : (m + 1) % requests)), kept };
}

export function tensorOf(request: Request, name: string): TensorValue {
  const value = request.get(name);
  if (value !== undefined && isTensorValue(value)) return value;
  throw new InputError("ERR_FEED", `"${name}" holds the batch and is given no tensor.`, { hint: "Feed a tensor." });
}

export const requestShapes = (request: Request): Record<string, readonly number[]> =>
  Object.fromEntries([...request].flatMap(([name, value]) => (isTensorValue(value) ? [[name, value.dims]] : [])));
