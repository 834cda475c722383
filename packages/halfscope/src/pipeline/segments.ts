import type { Evaluate, Lanes, Segments } from "@halfscope/analysis";
import { bytesPerElement, InternalError, type TensorTypes } from "@halfscope/core";
import { type Cut, type Feed, findCuts, isBehind, neededNodes, OutputEngine } from "@halfscope/engine";
import { KeptValues } from "./kept-values.js";
import type { Workbench } from "./workbench.js";

export interface SegmentOptions {
  /** Samples that candidates run on. Defaults to the first. */
  feeds?: readonly Feed[] | undefined;
  /** How many candidates there will be: the more, the more cuts pay. Defaults to one per site. */
  candidates?: number | undefined;
  /** Bytes of activations kept in memory; beyond it they go to a temporary file. Defaults to 512 MiB. */
  keepBytes?: number | undefined;
  /** Folder for that file. Defaults to the system's. */
  folder?: string | undefined;
  /** Passes shorter than this are not worth cutting up. Defaults to 0.02 s. */
  leastPassSeconds?: number | undefined;
}

export interface OpenSegments extends Segments, Disposable {
  /** How many there are, the whole graph among them. */
  readonly count: number;
  readonly kept: Pick<KeptValues, "bytesInMemory" | "bytesInFile">;
}

const defaultKeepBytes = 512 << 20;
/** Beyond this many, places between layers are no longer narrow. */
const mostCuts = 64;
/** Candidates on a thread each get through more than one candidate on all threads; beyond a few, memory speaks against it. */
const mostLanes = 4;
/** Below this, building sessions costs more than they save. */
const shortPassSeconds = 0.02;
/** A candidate's session has more nodes than the bare model's, and its first run is slow: what opening costs over what building the reference did. */
const openingFactor = 1.5;

/** Engines that start from the reference's values at narrow places of the graph; undefined where that does not pay. */
export async function openSegments(bench: Workbench, o: SegmentOptions = {}): Promise<OpenSegments | undefined> {
  const subject = await bench.subject();
  const feeds = o.feeds ?? [bench.feeds[0]];
  const { barePassSeconds, buildSeconds } = await bench.reference();
  if (barePassSeconds < (o.leastPassSeconds ?? shortPassSeconds)) return undefined;
  const { placements, sites } = subject.roundings;
  const lanes = Math.max(1, Math.min(bench.threads, mostLanes));
  const opening = (openingFactor * lanes * buildSeconds) / barePassSeconds;
  const cuts = findCuts(subject.view, subject.types, cutCount(o.candidates ?? sites.length, feeds.length, opening));
  if (cuts.length < 2) return undefined;
  const needed = neededNodes(subject.view);
  const kept = new KeptValues(o.keepBytes ?? defaultKeepBytes, o.folder);
  const close = () => kept[Symbol.dispose]();
  try {
    for (const [i, feed] of feeds.entries()) await keepValues(bench, feed, cuts, kept, (t) => `${i} ${t}`, o.keepBytes ?? defaultKeepBytes);
  } catch (error) {
    close();
    throw error;
  }
  const share = (segment: number) => (cuts[segment]?.work ?? 1) as number;
  return {
    count: cuts.length,
    kept,
    segmentOf: (indices) =>
      cuts.findLastIndex((cut) => indices.every((i) => placements[i] !== undefined && isBehind(cut, placements[i], subject.view, needed))),
    shareOf: (segment) => share(segment) * feeds.length,
    openingOf: (segment) => opening * share(segment),
    open: async (segment) => openLanes(bench, cuts[segment] as Cut, feeds, (sample, t) => kept.get(`${sample} ${t}`), lanes),
    [Symbol.dispose]: close,
  };
}

/**
 * With n cuts a candidate costs (1 + 1/n) / 2 of a pass on average, and opening all of them costs n / 2 times what opening the whole does:
 * n = sqrt(candidates / opening) is cheapest.
 */
export const cutCount = (candidates: number, samples: number, opening: number): number =>
  Math.max(2, Math.min(mostCuts, Math.round(Math.sqrt((candidates * samples) / Math.max(opening, 1e-3)))));

/** Engines of one segment for every shape of sample, so many of each as there are lanes. */
async function openLanes(
  bench: Workbench,
  cut: Cut,
  feeds: readonly Feed[],
  valueAt: (sample: number, tensor: string) => ReturnType<KeptValues["get"]>,
  lanes: number,
): Promise<Lanes> {
  type Slot = { engine: OutputEngine; feed: Feed | undefined };
  const pools = new Map<unknown, Slot[]>();
  const all: Slot[] = [];
  const close = () => {
    for (const { engine } of all) engine[Symbol.dispose]();
  };
  try {
    for (const feed of feeds) {
      const subject = await bench.subject(feed);
      if (pools.has(subject)) continue;
      pools.set(subject, []);
      for (let i = 0; i < lanes; i++) {
        const input = { ...subject, placements: subject.roundings.placements, cut };
        const slot: Slot = { engine: await OutputEngine.candidate(input, { threads: Math.floor(bench.threads / lanes) }), feed: undefined };
        all.push(slot);
        pools.get(subject)?.push(slot);
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  const evaluate =
    (feed: Feed, sample: number): Evaluate =>
    async (switches, wanted) => {
      const judge = await bench.judge(feed);
      const free = pools.get(await bench.subject(feed)) ?? [];
      const at = Math.max(
        0,
        free.findIndex((s) => s.feed === feed),
      );
      const [slot] = free.splice(at, 1);
      if (slot === undefined) throw new InternalError(`More than ${lanes} candidates were run at once.`);
      try {
        if (slot.feed !== feed) {
          const crossing = cut.tensors.flatMap((t) => {
            const value = valueAt(sample, t);
            return value === undefined ? [] : [[t, value] as const];
          });
          slot.engine.setFeed({ tensors: new Map([...feed.tensors, ...crossing]) });
          slot.feed = feed;
        }
        const { outputs } = await slot.engine.outputsOf({ switches, signal: bench.signal });
        return await judge.judge(outputs, wanted);
      } finally {
        free.push(slot);
      }
    };
  return { samples: feeds.map(evaluate), lanes, close };
}

/** The reference's values at the cuts, in as many passes as the memory for them takes. */
async function keepValues(
  bench: Workbench,
  feed: Feed,
  cuts: readonly Cut[],
  kept: KeptValues,
  keyOf: (tensor: string) => string,
  limit: number,
): Promise<void> {
  const subject = await bench.subject(feed);
  const tensors = [...new Set(cuts.flatMap((c) => c.tensors))];
  using engine = await OutputEngine.reference(subject, { threads: bench.threads }, tensors);
  engine.setFeed(feed);
  let fetch: string[] = [];
  let bytes = 0;
  const run = async () => {
    if (fetch.length === 0) return;
    const { outputs } = await engine.outputsOf({ fetch, signal: bench.signal });
    for (const [tensor, value] of outputs) kept.add(keyOf(tensor), value);
    [fetch, bytes] = [[], 0];
  };
  for (const tensor of tensors) {
    const size = bytesOf(tensor, subject.types);
    if (bytes + size > limit) await run();
    fetch.push(tensor);
    bytes += size;
  }
  await run();
}

function bytesOf(tensor: string, types: TensorTypes): number {
  const type = types.get(tensor);
  return (type?.dims ?? []).reduce<number>((n, d) => n * (d ?? 1), bytesPerElement(type?.dtype ?? "unknown") ?? 1);
}
