import type { LikePins, Suggestion } from "@halfscope/core";
import type { RecommendOptions } from "./recommend.js";
import { likeVerdict, ruleSuggestions, ruleVerdict } from "./suggestions.js";
import type { Trials } from "./trials.js";

/** What the rules of thumb are worth, each measured beside the pins that overflow makes necessary. */
export async function measureRules(
  o: RecommendOptions,
  trials: Trials,
  base: readonly string[],
  plainPurpose: string,
): Promise<Suggestion[]> {
  const without = await trials.measure(base, base.length > 0 ? "overflow origins" : plainPurpose);
  const suggestions: Suggestion[] = [];
  for (const { rule, layers, meaning } of ruleSuggestions(o.layers, o.roundings)) {
    const withRule = await trials.measure([...new Set([...base, ...layers])], `rule: ${rule}`);
    suggestions.push({
      rule,
      layers,
      errorWithout: without.error,
      errorWith: withRule.error,
      fp32Share: o.costs.of(layers).fp32Share,
      verdict: ruleVerdict({ without: without.error, withRule: withRule.error, tolerance: o.tolerance, meaning }),
    });
  }
  return suggestions;
}

/** Somebody's own set of pins, on every sample; the verdict waits for ours. */
export async function measureLike(o: RecommendOptions, trials: Trials): Promise<Omit<LikePins, "verdict"> | undefined> {
  if (o.like === undefined) return undefined;
  const { given, layers, unmatched } = o.like;
  const { error } = await trials.measure(layers, "pins like");
  const { heldBack } = await trials.everySample(layers, "pins like");
  const { fp32Share, castShare } = o.costs.of(layers);
  return {
    given,
    layers,
    ...(unmatched.length > 0 && { unmatched }),
    error,
    ...(heldBack !== undefined && { heldBackError: heldBack }),
    fp32Share,
    castShare,
  };
}

export function withVerdict(
  o: RecommendOptions,
  like: Omit<LikePins, "verdict">,
  ours: { pins: readonly string[]; error: number },
): LikePins {
  const theirs = {
    error: Math.max(like.error, like.heldBackError ?? 0),
    pins: like.layers.length,
    fp32Share: like.fp32Share,
    unmatched: like.unmatched,
  };
  const share = o.costs.of(ours.pins).fp32Share;
  const mine = { error: ours.error, pins: ours.pins.length, fp32Share: share, meets: ours.error <= o.tolerance };
  return { ...like, verdict: likeVerdict(theirs, mine, o.tolerance) };
}
