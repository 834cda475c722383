import { type PinProblem, priceOfSet, sitesLeft } from "./pin-problem.js";

/** Up to this many layers, all sets are looked through in prediction. */
const enumerable = 14;
/** A set is worth a trial when prediction, corrected by what the best set measured, is at most this many tolerances. */
const hope = 1.6;

interface Idea {
  set: readonly string[];
  predicted: number;
}

/**
 * Looks for a set with fewer pins than `best`: all smaller ones where there are few layers, else two pins replaced by one. Prediction chooses what is tried, trials
 * decide. undefined when none was found.
 */
export async function fewerPins(
  p: PinProblem,
  best: readonly string[],
  worth: readonly string[],
  tries: number,
): Promise<readonly string[] | undefined> {
  const factor = await correction(p, best);
  const ideas = worth.length <= enumerable ? allOfSize(p, best, worth) : twoForOne(p, best, worth);
  return firstThatFits(p, ideas, { factor, tries, purpose: "fewer pins" });
}

/** Looks for a cheaper set of as many pins: one pin replaced by another. undefined when none was found. */
export async function cheaperPins(
  p: PinProblem,
  best: readonly string[],
  worth: readonly string[],
  tries: number,
): Promise<readonly string[] | undefined> {
  const factor = await correction(p, best);
  const price = priceOfSet(p, best);
  const others = worth.filter((l) => !best.includes(l));
  const left = sitesLeft(p).set(best);
  const ideas: (Idea & { price: number })[] = [];
  for (const out of best.filter((l) => !p.base.includes(l))) {
    left.unpin(out);
    const rest = best.filter((l) => l !== out);
    for (const other of others) {
      left.pin(other);
      const set = [...rest, other];
      const cheaper = priceOfSet(p, set);
      if (cheaper < 0.95 * price) ideas.push({ set, predicted: Math.sqrt(left.square), price: cheaper });
      left.unpin(other);
    }
    left.pin(out);
    left.settle();
  }
  // Least price first, among those that prediction lets pass.
  const likely = ideas.filter((i) => i.predicted * factor <= p.tolerance).toSorted((a, b) => a.price - b.price);
  return firstThatFits(p, likely, { factor, tries, purpose: "cheaper pin", sorted: true });
}

/** Measured over predicted error of a set that was measured: sums of sites are off by about as much for its neighbours. */
async function correction(p: PinProblem, best: readonly string[]): Promise<number> {
  const predicted = Math.sqrt(sitesLeft(p).set(best).square);
  const measured = await p.judge.errorOf(best, "recommended");
  return predicted > 0 && measured > 0 && Number.isFinite(measured) ? measured / predicted : p.factor;
}

async function firstThatFits(
  p: PinProblem,
  ideas: readonly Idea[],
  o: { factor: number; tries: number; purpose: string; sorted?: boolean },
): Promise<readonly string[] | undefined> {
  const worthIt = ideas.filter((i) => i.predicted * o.factor <= hope * p.tolerance);
  const sorted = o.sorted ? worthIt : worthIt.toSorted((a, b) => a.predicted - b.predicted);
  for (const idea of sorted.slice(0, o.tries)) {
    if (p.judge.left === 0) return undefined;
    if (await p.judge.fits(idea.set, o.purpose, idea.predicted)) return idea.set;
  }
  return undefined;
}

/**
 * All sets of one layer less. Pins of the base that the best set has stay: it was never swept without them, so that nothing is known of sets that lack one, and
 * trimming has tried.
 */
function allOfSize(p: PinProblem, best: readonly string[], worth: readonly string[]): Idea[] {
  const base = new Set(p.base);
  const chosen = best.filter((l) => base.has(l));
  const free = worth.filter((l) => !base.has(l));
  const size = best.length - 1;
  const left = sitesLeft(p).set(chosen);
  const ideas: Idea[] = [];
  const from = (at: number) => {
    if (chosen.length === size) {
      left.settle();
      ideas.push({ set: [...chosen], predicted: Math.sqrt(left.square) });
      return;
    }
    for (let i = at; i <= free.length - (size - chosen.length); i++) {
      const layer = free[i] as string;
      chosen.push(layer);
      left.pin(layer);
      from(i + 1);
      left.unpin(layer);
      chosen.pop();
    }
  };
  if (size >= chosen.length) from(0);
  return ideas;
}

function twoForOne(p: PinProblem, best: readonly string[], worth: readonly string[]): Idea[] {
  const left = sitesLeft(p).set(best);
  const base = new Set(p.base);
  const free = best.filter((l) => !base.has(l));
  // Only layers that share a site with what is let go, or with what stays, can make up for it; all of them are cheap to ask.
  const others = worth.filter((l) => !best.includes(l));
  const ideas: Idea[] = [];
  for (let i = 0; i < free.length; i++)
    for (let j = i + 1; j < free.length; j++) {
      const out = [free[i], free[j]] as [string, string];
      for (const l of out) left.unpin(l);
      const rest = best.filter((l) => !out.includes(l));
      for (const other of others) {
        left.pin(other);
        ideas.push({ set: [...rest, other], predicted: Math.sqrt(left.square) });
        left.unpin(other);
      }
      for (const l of out) left.pin(l);
      left.settle();
    }
  return ideas;
}
