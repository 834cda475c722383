import { growthChain, type PinProblem, sitesLeft } from "../recommend/pin-problem.js";

/** One set of pins as an engine showed it; the error is Infinity where outputs are not finite, and where no engine was built. */
export interface TriedPins {
  readonly pins: readonly string[];
  readonly error: number;
  /** No engine could be built with it: nothing is known of it, and nobody asks again. */
  readonly failed?: boolean;
}

/** What a search on an engine works on: the swept sites, as a search on the CPU has them. */
export interface EngineSearch extends Pick<PinProblem, "sites" | "measured" | "layers" | "base" | "prices" | "prefer"> {
  tolerance: number;
  /** Layers where the engine's all-FP16 candidate stopped being finite first, in graph order. */
  suspects: readonly string[];
  /** What the emulation says of a set, worst over samples: a pass or two where the engine takes a build. */
  emulate: (pins: readonly string[]) => Promise<number>;
}

export interface NextTrial {
  pins: readonly string[];
  why: string;
}

/** A set is aimed at this share of the tolerance: kernels differ from build to build. */
const margin = 0.9;
/** Fewer pins are tried when the error is below this share of the tolerance. */
const farBelow = 0.5;
/** Suspects that are pinned in one go. */
const suspectsAtOnce = 4;
/** Sets that are emulated for one build. */
const mostEmulated = 16;

/**
 * The next set of pins that is worth a build, and why; undefined when there is none. As long as no set meets the tolerance, pins are added in the order of squared error
 * removed per price, until the emulation, scaled by what the engine showed of the last set, meets it. Far below the tolerance, pins are let go of the same way, those of the
 * overflow origins never. Sets of which no engine could be built are stepped over. The same tries lead to the same answer, so that a search can go on where it stopped.
 */
export async function nextEngineTrial(search: EngineSearch, tried: readonly TriedPins[]): Promise<NextTrial | undefined> {
  const failed = new Set(tried.filter((t) => t.failed).map((t) => keyOf(t.pins)));
  const measured = tried.filter((t) => !t.failed);
  const [first, ...others] = measured.filter((t) => t.error <= search.tolerance);
  const next =
    first === undefined
      ? await grow(search, measured, failed)
      : await shrink(
          search,
          measured,
          others.reduce((a, b) => cheaper(search, a, b), first),
          failed,
        );
  const known = new Set(tried.map((t) => keyOf(t.pins)));
  return next === undefined || known.has(keyOf(next.pins)) ? undefined : next;
}

const keyOf = (pins: readonly string[]): string => [...pins].sort().join("\0");

/** The better of two sets that meet the tolerance, as a person prefers: fewer pins, or less work. The other decides between equals, then the first. */
export function cheaper<T extends { readonly pins: readonly string[] }>(
  { prices, prefer }: Pick<EngineSearch, "prices" | "prefer">,
  a: T,
  b: T,
): T {
  const keys = ({ pins }: T): [number, number] => {
    const work = prices.added(pins, () => false);
    return prefer === "pins" ? [pins.length, work] : [work, pins.length];
  };
  const [[a1, a2], [b1, b2]] = [keys(a), keys(b)];
  return b1 < a1 || (b1 === a1 && b2 < a2) ? b : a;
}

const isSubset = (a: readonly string[], b: ReadonlySet<string>): boolean => a.every((l) => b.has(l));
const number = (x: number): string => (Number.isFinite(x) ? x.toPrecision(3) : "not finite");
const layersWord = (n: number): string => `${n} ${n === 1 ? "layer" : "layers"}`;

/** How far the engine is from the emulation of a set; undefined where that cannot be told. */
async function scaleOf(search: EngineSearch, t: TriedPins): Promise<number | undefined> {
  const emulated = await search.emulate(t.pins);
  return Number.isFinite(t.error) && t.error > 0 && Number.isFinite(emulated) && emulated > 0 ? t.error / emulated : undefined;
}

async function grow(search: EngineSearch, tried: readonly TriedPins[], failed: ReadonlySet<string>): Promise<NextTrial | undefined> {
  const last = tried.reduce<TriedPins | undefined>((a, b) => (a === undefined || b.pins.length >= a.pins.length ? b : a), undefined);
  if (last === undefined) return undefined;
  const pinned = new Set(last.pins);
  if (!Number.isFinite(last.error)) {
    const suspects = search.suspects.filter((l) => !pinned.has(l)).slice(0, suspectsAtOnce);
    const pins = [...last.pins, ...suspects];
    if (suspects.length > 0 && !failed.has(keyOf(pins)))
      return {
        pins,
        why: `the outputs are not finite; ${layersWord(suspects.length)} more where the engine's tensors stop being so`,
      };
  }
  const left = sitesLeft(search);
  // With nothing left in FP16 the engine is the reference: nobody needs a build to know.
  const steps = growthChain({ ...search, base: last.pins }, search.prefer).sets.filter(
    (set) => set.length > last.pins.length && left.predictedFor(set) > 0 && !failed.has(keyOf(set)),
  );
  const scale = await scaleOf(search, last);
  const doubled = scale === undefined ? steps.find((s) => s.length > 2 * last.pins.length) : undefined;
  const found = doubled === undefined ? await firstWithin(search, steps, scale ?? 1) : { pins: doubled, predicted: undefined };
  if (found === undefined) return undefined;
  const aim = found.predicted === undefined ? "" : `, with which the emulation predicts ${number(found.predicted)}`;
  return {
    pins: found.pins,
    why: `${number(last.error)} with ${layersWord(last.pins.length)} pinned is beyond the tolerance: ${layersWord(found.pins.length - last.pins.length)} more${aim}`,
  };
}

/** The first of growing sets that meets the tolerance as the emulation and the scale have it; of many sets those that lie in a geometric row are asked. */
async function firstWithin(
  search: EngineSearch,
  sets: readonly (readonly string[])[],
  scale: number,
): Promise<{ pins: readonly string[]; predicted: number } | undefined> {
  const row = (n: number) => Math.round(sets.length ** (n / (mostEmulated - 1))) - 1;
  const places = sets.length <= mostEmulated ? sets.keys() : new Set(Array.from({ length: mostEmulated }, (_, n) => row(n)));
  for (const i of places) {
    const pins = sets[i] ?? [];
    const predicted = (await search.emulate(pins)) * scale;
    if (predicted <= margin * search.tolerance) return { pins, predicted };
  }
  return undefined;
}

async function shrink(
  search: EngineSearch,
  tried: readonly TriedPins[],
  best: TriedPins,
  failed: ReadonlySet<string>,
): Promise<NextTrial | undefined> {
  if (best.error > farBelow * search.tolerance || best.pins.length === 0) return undefined;
  const scale = await scaleOf(search, best);
  if (scale === undefined) return undefined;
  const sets = shrinking(search, best.pins);
  // What is in a set that failed fails too, as far as anybody knows.
  const missed = tried.filter((t) => t.error > search.tolerance).map((t) => new Set(t.pins));
  const bound = sets.findIndex((set) => missed.some((f) => isSubset(set, f)));
  const usable = (bound < 0 ? sets : sets.slice(0, bound)).toReversed().filter((set) => !failed.has(keyOf(set)));
  const found = await firstWithin(search, usable, scale);
  if (found === undefined) return undefined;
  return {
    pins: found.pins,
    why: `${number(best.error)} with ${layersWord(best.pins.length)} pinned is far below the tolerance: ${layersWord(best.pins.length - found.pins.length)} fewer, with which the emulation predicts ${number(found.predicted)}`,
  };
}

/** Ever smaller sets: each time without the layer whose errors come back least. */
function shrinking(search: EngineSearch, pins: readonly string[]): (readonly string[])[] {
  const left = sitesLeft(search);
  const base = new Set(search.base);
  const sets: (readonly string[])[] = [];
  let now = [...pins];
  for (;;) {
    let best: { set: string[]; error: number } | undefined;
    for (const layer of now.filter((l) => !base.has(l))) {
      const set = now.filter((l) => l !== layer);
      const error = left.predictedFor(set);
      if (best === undefined || error < best.error) best = { set, error };
    }
    if (best === undefined) return sets;
    now = best.set;
    sets.push(now);
  }
}
