import type { BenchComparison, BenchDifference, BenchRefusal, PaddedComparison, TensorValue } from "@halfscope/core";
import { type PaddingMask, paddingMasks } from "../judge/judge-padding.js";
import { type ComparedRequest, type CompareTensors, differenceOf } from "./difference.js";
import { type Outputs, outputAxis, outputOfRequest, withoutPadding } from "./outputs.js";
import { cutRequest, lengthOf, type PaddingAxes, paddedLengths, padRequest } from "./padding.js";
import { batchesOf, otherNeighbours, type Request, stackRequests, takeRound } from "./requests.js";
import { refusalOf } from "./rounds.js";
import type { Served } from "./serve.js";

export interface ComparisonOptions {
  /** FP32. */
  reference: Served;
  /** What is served: the reference itself where nothing else is. */
  candidate: Served;
  shape: string;
  /** Of one shape, at least one. */
  requests: readonly [Request, ...Request[]];
  batches: readonly number[];
  /** Batch axis of each input that has one. */
  axes: ReadonlyMap<string, number>;
  /** The model's, all of them. */
  outputs: readonly string[];
  padding: PaddingAxes | { reason: string };
  compare: CompareTensors;
  /** Single requests that are sent at once, to see that they do not disturb each other. Defaults to 1: none are. */
  atOnce?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called behind each call of an engine. */
  ran?: (() => void) | undefined;
}

/** Calls of engines that `compareBatches` makes at most: for progress. */
export function comparisonCalls(o: Pick<ComparisonOptions, "requests" | "batches" | "padding" | "atOnce"> & { alone: boolean }): number {
  const n = o.requests.length;
  const perBatch = (b: number) =>
    b === 1 ? n * ((o.atOnce ?? 1) > 1 ? 2 : 1) : Math.ceil(n / b) + 1 + ("reason" in o.padding ? 0 : 2 * b + 1);
  return n * (o.alone ? 1 : 2) + o.batches.reduce((sum, b) => sum + perBatch(b), 0);
}

/**
 * What batching does to the numbers of one shape: every request is sent alone to both engines once, then in batches of each size to the candidate. A batch that no
 * profile serves, or that fails, is refused and the others go on; a failure of single requests is thrown on.
 */
export async function compareBatches(o: ComparisonOptions): Promise<BenchComparison[]> {
  const work = new ShapeComparison(o);
  await work.runSingles();
  const comparisons: BenchComparison[] = [];
  for (const batch of o.batches) comparisons.push(await work.compare(batch));
  return comparisons;
}

class ShapeComparison {
  private singles: readonly Outputs[] = [];
  private references: readonly Outputs[] = [];
  private readonly masks: readonly PaddingMask[][];
  /** Why there are no singles: a profile that starts at larger batches. */
  private refusal: BenchRefusal | undefined;

  constructor(private readonly o: ComparisonOptions) {
    this.masks = o.requests.map((r) => paddingMasks(r));
  }

  async runSingles(): Promise<void> {
    const { candidate, reference, requests } = this.o;
    try {
      this.singles = await this.all(candidate, requests);
      this.references = reference === candidate ? this.singles : await this.all(reference, requests);
    } catch (error) {
      this.refusal = refusalOf(error);
      if (this.refusal.kind === "failed") throw error;
    }
  }

  async compare(batch: number): Promise<BenchComparison> {
    const head = { shape: this.o.shape, batch };
    try {
      if (this.refusal !== undefined)
        return batch === 1 ? { ...head, refusal: this.refusal } : { ...head, ...(await this.wholeBatches(batch)) };
      return { ...head, ...(batch === 1 ? await this.repeated() : await this.batched(batch)) };
    } catch (error) {
      return { ...head, refusal: refusalOf(error) };
    }
  }

  /** Single requests once more: what the engine repeats. */
  private async repeated(): Promise<Partial<BenchComparison>> {
    const again = await this.all(this.o.candidate, this.o.requests);
    const single = await this.difference(again.map((found, i) => this.pair(i, this.singles, found)));
    const reference = await this.difference(this.singles.map((found, i) => this.pair(i, this.references, found)));
    const { atOnce = 1 } = this.o;
    if (atOnce < 2) return { single, reference };
    const together = await this.together(atOnce);
    return { single, reference, atOnce: await this.difference(together.map((found, i) => this.pair(i, this.singles, found))) };
  }

  /** Single requests, so many at once. */
  private async together(count: number): Promise<Outputs[]> {
    const { candidate, requests } = this.o;
    const outputs: Outputs[] = [];
    for (let from = 0; from < requests.length; from += count) {
      const calls = requests.slice(from, from + count).map((r) => this.call(candidate, r));
      // None is left behind when one fails.
      const ended = await Promise.allSettled(calls);
      for (const e of ended)
        if (e.status === "rejected") throw e.reason;
        else outputs.push(e.value);
    }
    return outputs;
  }

  private async batched(batch: number): Promise<Partial<BenchComparison>> {
    const { requests, candidate, reference } = this.o;
    const places: { request: number; found: Outputs }[] = [];
    const not = new Map<string, string>();
    let first: readonly Outputs[] = [];
    for (const members of batchesOf(requests.length, batch)) {
      const split = await this.runBatch(members, not);
      if (first.length === 0) first = split;
      places.push(...split.map((found, place) => ({ request: members[place] ?? 0, found })));
    }
    const single = await this.difference(
      places.map((p) => this.pair(p.request, this.singles, p.found)),
      not,
    );
    const against =
      reference === candidate
        ? single
        : await this.difference(
            places.map((p) => this.pair(p.request, this.references, p.found)),
            not,
          );
    const neighbours = await this.neighbours(batch, first, not);
    return { single, reference: against, ...(neighbours && { neighbours }), ...(await this.tryPadded(batch)) };
  }

  /** The first batch again, with other requests at every second place. */
  private async neighbours(batch: number, first: readonly Outputs[], not: Map<string, string>): Promise<BenchDifference | undefined> {
    const members = batchesOf(this.o.requests.length, batch)[0] ?? [];
    const other = otherNeighbours(members, this.o.requests.length);
    if (other === undefined) return undefined;
    const split = await this.runBatch(other.members, not);
    const none: Outputs = new Map();
    return this.difference(
      other.kept.map((place) => ({ request: members[place] ?? 0, expected: first[place] ?? none, found: split[place] ?? none })),
      not,
    );
  }

  /** Short requests may be outside of every profile that serves the others. */
  private async tryPadded(batch: number): Promise<Pick<BenchComparison, "padded" | "paddedRefusal">> {
    try {
      const padded = await this.padded(batch);
      return padded === undefined ? {} : { padded };
    } catch (error) {
      return { paddedRefusal: refusalOf(error) };
    }
  }

  /** Requests of different lengths in one batch. */
  private async padded(batch: number): Promise<PaddedComparison | undefined> {
    const { padding, candidate } = this.o;
    if ("reason" in padding) return undefined;
    const base = takeRound(this.o.requests, 0, batch);
    const lengths = paddedLengths(base.map((r) => lengthOf(r, padding)));
    const longest = Math.max(...lengths);
    const own = base.map((r, i) => cutRequest(r, padding, lengths[i] ?? longest));
    const filled = own.map((r) => padRequest(r, padding, longest)) as [Request, ...Request[]];
    const expected = await this.all(candidate, own);
    const alone = await this.all(candidate, filled);
    const not = new Map<string, string>();
    const together = await this.split(await this.call(candidate, stackRequests(filled, this.o.axes)), alone[0] ?? new Map(), batch, not);
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
    return {
      mask: padding.mask,
      lengths,
      batched: await this.difference(batchedPairs, not),
      alone: await this.difference(alonePairs, not),
    };
  }

  /** Where no single request is served: whole batches of both engines against each other. */
  private async wholeBatches(batch: number): Promise<Partial<BenchComparison>> {
    const { candidate, reference, requests } = this.o;
    const pairs: ComparedRequest[] = [];
    for (const [k, members] of batchesOf(requests.length, batch).entries()) {
      const stacked = this.stack(members);
      const found = await this.call(candidate, stacked);
      pairs.push({ request: k, found, expected: reference === candidate ? found : await this.call(reference, stacked) });
    }
    return { reference: await this.difference(pairs) };
  }

  private stack(members: readonly number[]): Request {
    return stackRequests(members.map((m) => this.o.requests[m] ?? this.o.requests[0]) as [Request, ...Request[]], this.o.axes);
  }

  private async runBatch(members: readonly number[], not: Map<string, string>): Promise<Outputs[]> {
    return this.split(
      await this.call(this.o.candidate, this.stack(members)),
      this.singles[members[0] ?? 0] ?? new Map(),
      members.length,
      not,
    );
  }

  /** A batch's outputs by place; what cannot be shared out goes into `not`. */
  private split(batched: Outputs, single: Outputs, batch: number, not: Map<string, string>): Outputs[] {
    const places = Array.from({ length: batch }, () => new Map<string, TensorValue>());
    for (const [name, value] of batched) {
      const at = outputAxis(single.get(name)?.dims ?? [], value.dims, batch);
      if ("reason" in at) not.set(name, at.reason);
      else for (const [place, outputs] of places.entries()) outputs.set(name, outputOfRequest(value, at, place));
    }
    return places;
  }

  private pair(request: number, expected: readonly Outputs[], found: Outputs): ComparedRequest {
    return { request, expected: expected[request] ?? new Map(), found, masks: this.masks[request] ?? [] };
  }

  private difference(pairs: readonly ComparedRequest[], not: ReadonlyMap<string, string> = new Map()): Promise<BenchDifference> {
    return differenceOf(pairs, this.o.outputs, this.o.compare, not);
  }

  private async all(engine: Served, requests: readonly Request[]): Promise<Outputs[]> {
    const outputs: Outputs[] = [];
    for (const r of requests) outputs.push(await this.call(engine, r));
    return outputs;
  }

  private async call(engine: Served, request: Request): Promise<Outputs> {
    const outputs = await engine.run(request, this.o.signal);
    this.o.ran?.();
    return outputs;
  }
}
