import type { BenchDifference, PaddedComparison } from "@halfscope/core";
import type { ComparedRequest } from "./difference.js";
import { type Outputs, sharedOut, withoutPadding } from "./outputs.js";
import { cutRequest, lengthOf, type PaddingAxes, paddedLengths, padRequest } from "./padding.js";
import { type Request, stackRequests } from "./requests.js";

export interface PaddedOptions {
  padding: PaddingAxes;
  /** Batch axis of each input that has one. */
  axes: ReadonlyMap<string, number>;
  /** One call of what is served. */
  call: (request: Request) => Promise<Outputs>;
  difference: (pairs: readonly ComparedRequest[], not: ReadonlyMap<string, string>) => Promise<BenchDifference>;
}

/** Requests of different lengths in one batch: each is cut to a length of its own, sent alone so, alone but padded, and padded in the batch. Errors as of `call`. */
export async function comparePadded(
  base: readonly Request[],
  { padding, axes, call, difference }: PaddedOptions,
): Promise<PaddedComparison> {
  const lengths = paddedLengths(base.map((r) => lengthOf(r, padding)));
  const longest = Math.max(...lengths);
  const own = base.map((r, i) => cutRequest(r, padding, lengths[i] ?? longest));
  const filled = own.map((r) => padRequest(r, padding, longest)) as [Request, ...Request[]];
  const all = async (requests: readonly Request[]) => {
    const outputs: Outputs[] = [];
    for (const r of requests) outputs.push(await call(r));
    return outputs;
  };
  const expected = await all(own);
  const alone = await all(filled);
  const not = new Map<string, string>();
  const together = sharedOut(await call(stackRequests(filled, axes)), alone[0] ?? new Map(), base.length, not);
  const unpadded = (found: Outputs, place: number): Outputs =>
    new Map(
      [...found].flatMap(([name, value]) => {
        const part = withoutPadding(value, expected[place]?.get(name)?.dims ?? [], longest, lengths[place] ?? longest);
        if (!("reason" in part)) return [[name, part] as const];
        not.set(name, part.reason);
        return [];
      }),
    );
  const pairs = (outputs: readonly Outputs[]) =>
    outputs.map((found, place) => ({ request: place, expected: expected[place] ?? new Map(), found: unpadded(found, place) }));
  const [batchedPairs, alonePairs] = [pairs(together), pairs(alone)];
  return { mask: padding.mask, lengths, batched: await difference(batchedPairs, not), alone: await difference(alonePairs, not) };
}
