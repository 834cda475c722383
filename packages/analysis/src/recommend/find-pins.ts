import { cheaperPins, fewerPins } from "./exchange.js";
import { better, type Chain, growthChain, layersWorthPinning, type PinProblem, shrinkChain } from "./pin-problem.js";
import { removalTrials, removeGreedily, trim } from "./trim.js";
import { walkChain } from "./walk.js";

/** Up to this many layers everything is tried that may give a smaller set; beyond, trials go to what prediction likes best. */
const fewLayers = 32;
const manyTrials = 150;

/** Trials that exchanging pins may take in one go. */
const exchangeTries = (left: number, layers: number): number =>
  left < manyTrials ? Math.min(10, left >> 2) : Math.min(layers <= fewLayers ? 120 : 24, left >> 1);

/**
 * The smallest set of pins that trials let pass: walks from both ends (no pins, everything pinned) to the tolerance, trims what they give, lets go one by one from
 * everything pinned where that is affordable, exchanges pins, and shows in the end that none of the set can be spared. undefined when nothing that was tried fits.
 * Exchanges stop when half of the trials that the proof needs would be gone.
 */
export async function findPins(p: PinProblem): Promise<readonly string[] | undefined> {
  const { judge } = p;
  const worth = layersWorthPinning(p);
  const thorough = judge.left >= manyTrials && worth.length <= fewLayers;
  let best: readonly string[] | undefined;
  const offer = (set: readonly string[] | undefined) => {
    if (set !== undefined) best = best === undefined ? set : better(p, best, set);
  };
  const chains: Chain[] = [growthChain(p, "work"), shrinkChain(p, "pins"), growthChain(p, "pins")];
  const found: (readonly string[])[] = [];
  for (const chain of chains) {
    // Where trials are dear, a second walk has to promise more than the first one gave.
    if (best !== undefined && !thorough && !promises(p, chain, best)) continue;
    const set = await walkChain(chain, judge, p);
    if (set === undefined) continue;
    found.push(set);
    offer(set);
  }
  if (best === undefined) {
    if (!(judge.left > 0 && (await judge.fits(worth, "everything pinned")))) return undefined;
    best = worth;
  }
  for (const set of thorough ? found : [best]) offer(await trim(p, set));
  if (thorough && judge.left > removalTrials(worth.length)) offer(await removeGreedily(p, worth));
  for (let going = true; going && judge.left > best.length; ) {
    going = false;
    const tries = exchangeTries(judge.left - best.length, worth.length);
    const fewer = await fewerPins(p, best, worth, tries);
    const next = fewer ?? (await cheaperPins(p, best, worth, Math.min(12, tries)));
    if (next === undefined) break;
    const trimmed = await trim(p, next);
    going = better(p, best, trimmed) === trimmed;
    offer(trimmed);
  }
  return trim(p, best);
}

/** Whether a chain reaches the tolerance, as predicted, with a better set than the one known. */
function promises(p: PinProblem, chain: Chain, best: readonly string[]): boolean {
  const at = chain.predicted.findIndex((e) => e * p.factor <= p.tolerance);
  const set = chain.sets[at];
  return set !== undefined && better(p, best, set) === set;
}

/** A set that held until more samples judged it: grows from it, by squared error removed per work, until it fits again, and trims what that gives. */
export async function mendPins(p: PinProblem, broken: readonly string[]): Promise<readonly string[] | undefined> {
  const chain = growthChain({ ...p, base: broken }, "work");
  const sets = [...chain.sets, layersWorthPinning(p)];
  // What prediction says of the sites left cannot know the samples that broke it: the walk starts at the set itself.
  const found = await walkChain({ purpose: "more pins for more samples", sets, predicted: [...chain.predicted, 0] }, p.judge, {
    tolerance: Number.POSITIVE_INFINITY,
    factor: 1,
  });
  return found && trim(p, found);
}
