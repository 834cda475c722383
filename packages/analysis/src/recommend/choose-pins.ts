import type { Recommendation } from "@halfscope/core";
import { findPins, mendPins } from "./find-pins.js";
import { layersWorthPinning, type PinProblem } from "./pin-problem.js";
import type { RecommendOptions } from "./recommend.js";
import type { Trials } from "./trials.js";

export interface Chosen {
  pins: readonly string[];
  outcome: Recommendation["outcome"];
  confirmed?: NonNullable<Recommendation["confirmed"]>;
  /** Where only the person's own samples judged: the worst of those held back, and how many. */
  heldBack?: { error: number; samples: number };
}

/** Made-up samples that may be beyond the tolerance without pins, as a share, and how far. */
const rareShare = 1 / 8;
const littleBeyond = 2;
/** Batches of fresh samples that a set is held against. */
const mostRounds = 6;

/** Searches until the set holds on samples that nothing was chosen by; those that show it does not join the judges. */
export async function choosePins(o: RecommendOptions, trials: Trials, problem: PinProblem, plainPurpose: string): Promise<Chosen> {
  const none = await noPins(o, trials, plainPurpose);
  if (none !== undefined) return none;
  let found = await search(o, trials, problem);
  for (let round = 0; ; round++) {
    const samples = found.outcome === "not-met" ? [] : (o.fresh?.(round) ?? []);
    if (samples.length === 0) return found;
    const errors = await trials.errorsOn(samples, found.pins);
    const failing = samples.filter((_, i) => !within(errors[i] ?? 0, o));
    const confirmed = { samples: samples.length, beyond: failing.length, error: Math.max(...errors) };
    if (failing.length === 0 || round + 1 >= mostRounds || trials.left <= found.pins.length) return { ...found, confirmed };
    trials.addSamples(failing);
    const mended = await mendPins(problem, found.pins);
    found = mended === undefined ? await search(o, trials, problem) : { pins: mended, outcome: "pins-found" };
  }
}

/**
 * No pins, where all samples that were given keep the tolerance without. Pins are not worth the while for a rare sample among many made-up ones that is a little
 * beyond it; that there are some is said.
 */
async function noPins(o: RecommendOptions, trials: Trials, plainPurpose: string): Promise<Chosen | undefined> {
  const { error, nonFinite } = await trials.measure([], plainPurpose);
  if (nonFinite || !within(error, o)) return undefined;
  if (!o.fresh) return (await trials.fits([], plainPurpose)) ? { pins: [], outcome: "no-pins-needed" } : undefined;
  const own = await trials.errorsOn((o.heldBack ?? []).slice(0, o.given ?? o.heldBack?.length), []);
  if (!own.every((e) => within(e, o))) return undefined;
  const none: Chosen = {
    pins: [],
    outcome: "no-pins-needed",
    ...(own.length > 0 && { heldBack: { error: Math.max(...own), samples: own.length } }),
  };
  const extra = await trials.errorsOn((o.heldBack ?? []).slice(own.length), []);
  const errors = [...extra, ...(await trials.errorsOn(o.fresh(0), []))];
  if (errors.length === 0) return none;
  const beyond = errors.filter((e) => !within(e, o)).length;
  const worst = Math.max(...errors);
  const rare = beyond <= rareShare * errors.length && worst <= littleBeyond * o.tolerance;
  return rare ? { ...none, confirmed: { samples: errors.length, beyond, error: worst } } : undefined;
}

const within = (error: number, { tolerance }: RecommendOptions): boolean => Number.isFinite(error) && error <= tolerance;

async function search(o: RecommendOptions, trials: Trials, problem: PinProblem): Promise<Chosen> {
  const pins = await findPins(problem);
  if (pins !== undefined) return { pins, outcome: pins.length === 0 ? "no-pins-needed" : "pins-found" };
  if (o.unseen) {
    // Nothing holds with what unseen samples may bring: then what holds on those that there are.
    trials.forgetUnseen();
    const holds = await findPins(problem);
    if (holds !== undefined) return { pins: holds, outcome: "pins-found" };
  }
  // Nothing fits: the set that comes nearest, with everything pinned among them.
  const worth = layersWorthPinning(problem);
  let best = { pins: worth as readonly string[], error: await trials.errorOf(worth, "everything pinned") };
  for (const t of [...trials.record].filter((t) => !t.nonFinite && t.measuredError < best.error)) {
    const error = await trials.errorOf(t.pins, t.purpose);
    if (error < best.error) best = { pins: t.pins, error };
  }
  return { pins: best.pins, outcome: "not-met" };
}
