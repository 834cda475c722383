import type { BenchComparison, BenchDifference, BenchRefusal } from "@halfscope/core";
import { type PaddingMask, paddingMasks } from "../judge/judge-padding.js";
import { comparePadded } from "./compare-padded.js";
import { type ComparedRequest, type CompareTensors, differenceOf } from "./difference.js";
import { type Outputs, sharedOut } from "./outputs.js";
import type { PaddingAxes } from "./padding.js";
import { refusalOf } from "./refusal.js";
import { batchesOf, otherNeighbours, type Request, stackRequests, takeRound } from "./requests.js";
import type { Served } from "./serve.js";

export interface ComparisonOptions {
  /** FP32. Undefined where the candidate means nothing beside it: then requests are held against the same sent singly, and nothing else. */
  reference: Served | undefined;
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
  /** Called with each comparison as it is finished: what there is when the signal stops the others. */
  found?: ((comparison: BenchComparison) => void) | undefined;
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
 * profile serves, or that fails, is refused and the others go on, single requests being batches of one.
 */
export async function compareBatches(o: ComparisonOptions): Promise<BenchComparison[]> {
  const work = new ShapeComparison(o);
  await work.runSingles();
  const comparisons: BenchComparison[] = [];
  for (const batch of o.batches) {
    const comparison = await work.compare(batch);
    comparisons.push(comparison);
    o.found?.(comparison);
  }
  return comparisons;
}

class ShapeComparison {
  private singles: readonly Outputs[] = [];
  /** Undefined where there is nothing but the singles to hold requests against. */
  private references: readonly Outputs[] | undefined;
  private readonly masks: readonly PaddingMask[][];
  /** Why there are no singles: a profile that starts at larger batches, or an engine that fails on the shape. */
  private refusal: BenchRefusal | undefined;
  private referenceRefusal: BenchRefusal | undefined;

  constructor(private readonly o: ComparisonOptions) {
    this.masks = o.requests.map((r) => paddingMasks(r));
  }

  async runSingles(): Promise<void> {
    const { candidate, reference, requests } = this.o;
    try {
      this.singles = await this.all(candidate, requests);
    } catch (error) {
      this.refusal = refusalOf(error);
      return;
    }
    if (reference === candidate) this.references = this.singles;
    else if (reference !== undefined)
      try {
        this.references = await this.all(reference, requests);
      } catch (error) {
        this.referenceRefusal = refusalOf(error);
      }
  }

  async compare(batch: number): Promise<BenchComparison> {
    const head = { shape: this.o.shape, batch };
    try {
      if (this.refusal !== undefined)
        return batch === 1 ? { ...head, refusal: this.refusal } : { ...head, ...(await this.wholeBatches(batch)) };
      const against = this.referenceRefusal && { referenceRefusal: this.referenceRefusal };
      return { ...head, ...against, ...(batch === 1 ? await this.repeated() : await this.batched(batch)) };
    } catch (error) {
      return { ...head, refusal: refusalOf(error) };
    }
  }

  /** Single requests once more: what the engine repeats. */
  private async repeated(): Promise<Partial<BenchComparison>> {
    const again = await this.all(this.o.candidate, this.o.requests);
    const { references, singles } = this;
    const single = await this.difference(again.map((found, i) => this.pair(i, singles, found)));
    const reference = references && (await this.difference(singles.map((found, i) => this.pair(i, references, found))));
    const { atOnce = 1 } = this.o;
    const together = atOnce < 2 ? undefined : await this.together(atOnce);
    return {
      single,
      ...(reference && { reference }),
      ...(together && { atOnce: await this.difference(together.map((found, i) => this.pair(i, singles, found))) }),
    };
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
    const { requests } = this.o;
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
    const { references, singles } = this;
    const reference =
      references === singles
        ? single
        : references &&
          (await this.difference(
            places.map((p) => this.pair(p.request, references, p.found)),
            not,
          ));
    const neighbours = await this.neighbours(batch, first, not);
    return { single, ...(reference && { reference }), ...(neighbours && { neighbours }), ...(await this.tryPadded(batch)) };
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
      const { padding, requests, candidate, axes } = this.o;
      if ("reason" in padding) return {};
      const call = (request: Request) => this.call(candidate, request);
      const padded = await comparePadded(takeRound(requests, 0, batch), {
        padding,
        axes,
        call,
        difference: (pairs, not) => this.difference(pairs, not),
      });
      return { padded };
    } catch (error) {
      return { paddedRefusal: refusalOf(error) };
    }
  }

  /**
   * Where no single request is served: whole batches of both engines against each other. Without a reference of its own a batch has nothing to be held against; it is
   * served, and told of only where it is not finite.
   */
  private async wholeBatches(batch: number): Promise<Partial<BenchComparison>> {
    const { candidate, requests } = this.o;
    const reference = this.o.reference === candidate ? undefined : this.o.reference;
    const pairs: ComparedRequest[] = [];
    let referenceRefusal: BenchRefusal | undefined;
    for (const [k, members] of batchesOf(requests.length, batch).entries()) {
      const stacked = this.stack(members);
      const found = await this.call(candidate, stacked);
      let expected = found;
      if (reference !== undefined && referenceRefusal === undefined)
        try {
          expected = await this.call(reference, stacked);
        } catch (error) {
          referenceRefusal = refusalOf(error);
        }
      pairs.push({ request: k, found, expected });
    }
    const difference = await this.difference(pairs);
    const held = reference !== undefined && referenceRefusal === undefined;
    return { ...(referenceRefusal && { referenceRefusal }), ...((held || difference.notFinite > 0) && { reference: difference }) };
  }

  private stack(members: readonly number[]): Request {
    return stackRequests(members.map((m) => this.o.requests[m] ?? this.o.requests[0]) as [Request, ...Request[]], this.o.axes);
  }

  private async runBatch(members: readonly number[], not: Map<string, string>): Promise<Outputs[]> {
    return sharedOut(
      await this.call(this.o.candidate, this.stack(members)),
      this.singles[members[0] ?? 0] ?? new Map(),
      members.length,
      not,
    );
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
