import { growthChain, type PinProblem, sitesLeft } from "../recommend/pin-problem.js";

/** One set of pins as an engine showed it; the error is Infinity where outputs are not finite. */
export interface TriedPins {
  readonly pins: readonly string[];
  readonly error: number;
}

/** What a search on an engine works on: the swept sites, as a search on the CPU has them. */
export interface EngineSearch extends Pick<PinProblem, "sites" | "measured" | "layers" | "base" | "prices" | "prefer"> {
  tolerance: number;
  /** Layers where the engine's all-FP16 candidate stopped being finite first, in graph order. */
  suspects: readonly string[];
}

/** A set is aimed at this share of the tolerance: kernels differ from build to build. */
const margin = 0.9;
/** Fewer pins are tried when the error is below this share of the tolerance. */
const farBelow = 0.5;
/** Suspects that are pinned in one go. */
const suspectsAtOnce = 4;

/**
 * The next set of pins that is worth a build, and why; undefined when there is none. As long as no set meets the tolerance, pins are added in the order of squared error
 * removed per price, as many as the sites predict to be needed, scaled by what the engine showed of the last set. Far below the tolerance, pins are let go of the same way,
 * those of the overflow origins never. The same tries lead to the same answer, so that a search can go on where it stopped.
 */
export function nextEngineTrial(search: EngineSearch, tried: readonly TriedPins[]): { pins: readonly string[]; why: string } | undefined {
  const within = tried.filter((t) => t.error <= search.tolerance);
  const next = within.length === 0 ? grow(search, tried) : shrink(search, tried, fewest(within));
  const known = new Set(tried.map((t) => keyOf(t.pins)));
  return next === undefined || known.has(keyOf(next.pins)) ? undefined : next;
}

const keyOf = (pins: readonly string[]): string => [...pins].sort().join("\0");
const fewest = (tried: readonly TriedPins[]): TriedPins => tried.reduce((a, b) => (b.pins.length < a.pins.length ? b : a));
const isSubset = (a: readonly string[], b: ReadonlySet<string>): boolean => a.every((l) => b.has(l));
const number = (x: number): string => (Number.isFinite(x) ? x.toPrecision(3) : "not finite");
const layersWord = (n: number): string => `${n} ${n === 1 ? "layer" : "layers"}`;

function grow(search: EngineSearch, tried: readonly TriedPins[]): { pins: readonly string[]; why: string } | undefined {
  const last = tried.reduce<TriedPins | undefined>((a, b) => (a === undefined || b.pins.length >= a.pins.length ? b : a), undefined);
  if (last === undefined) return undefined;
  const pinned = new Set(last.pins);
  if (!Number.isFinite(last.error)) {
    const suspects = search.suspects.filter((l) => !pinned.has(l)).slice(0, suspectsAtOnce);
    if (suspects.length > 0)
      return {
        pins: [...last.pins, ...suspects],
        why: `the outputs are not finite; ${layersWord(suspects.length)} more where the engine's tensors stop being so`,
      };
  }
  const chain = growthChain({ ...search, base: last.pins }, search.prefer);
  const steps = chain.predicted.map((predicted, i) => ({ predicted, pins: chain.sets[i] ?? [] })).filter((s) => s.pins.length > last.pins.length);
  const end = steps.at(-1);
  if (end === undefined) return undefined;
  const predicted = chain.predicted[0] ?? 0;
  const scale = Number.isFinite(last.error) && predicted > 0 && Number.isFinite(predicted) ? last.error / predicted : undefined;
  const found =
    scale === undefined
      ? (steps.find((s) => s.pins.length >= 2 * last.pins.length + 1) ?? end)
      : (steps.find((s) => s.predicted * scale <= margin * search.tolerance) ?? end);
  const more = layersWord(found.pins.length - last.pins.length);
  const aim = scale === undefined ? "" : `; the sites predict ${number(found.predicted * scale)} with them`;
  return { pins: found.pins, why: `${number(last.error)} with ${layersWord(last.pins.length)} pinned is beyond the tolerance: ${more} more${aim}` };
}

function shrink(search: EngineSearch, tried: readonly TriedPins[], best: TriedPins): { pins: readonly string[]; why: string } | undefined {
  if (best.error > farBelow * search.tolerance) return undefined;
  const sets = shrinking(search, best.pins);
  const left = sitesLeft(search);
  const predicted = left.predictedFor(best.pins);
  if (!(predicted > 0) || !Number.isFinite(predicted)) return undefined;
  const scale = best.error / predicted;
  // What is in a set that failed fails too, as far as anybody knows.
  const failed = tried.filter((t) => t.error > search.tolerance).map((t) => new Set(t.pins));
  const bound = sets.findIndex((set) => failed.some((f) => isSubset(set, f)));
  const usable = bound < 0 ? sets : sets.slice(0, bound);
  const fitting = usable.filter((set) => left.predictedFor(set) * scale <= margin * search.tolerance);
  const pins = bound < 0 ? fitting.at(-1) : usable[usable.length >> 1];
  if (pins === undefined || pins.length >= best.pins.length) return undefined;
  return {
    pins,
    why: `${number(best.error)} with ${layersWord(best.pins.length)} pinned is far below the tolerance: ${layersWord(best.pins.length - pins.length)} fewer; the sites predict ${number(left.predictedFor(pins) * scale)}`,
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
