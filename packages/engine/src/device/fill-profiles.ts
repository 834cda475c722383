import { isTensorValue, UsageError } from "@halfscope/core";
import { elementsOf } from "../feeds/elements.js";
import type { Feed } from "../feeds/feed.js";
import type { OptimizationProfile, ShapeRange } from "./backend.js";
import { profileText, rangeText } from "./profile-text.js";
import { checkProfiles, needsRange, type ProfileInput, profileName, symbolRanges } from "./profiles.js";

type Feeds = readonly Pick<Feed, "tensors">[];
type Range = readonly [min: number, opt: number, max: number];

/** Profiles that are complete and hold, and what a person should know of how they came about. */
export interface SettledProfiles {
  /** Empty where every size is fixed. */
  profiles: readonly OptimizationProfile[];
  /** What was filled in, and from where. */
  notes: readonly string[];
  /** What may not be meant. */
  warnings: readonly string[];
}

/**
 * The profiles to build with: those given, completed and checked, or else one that serves exactly the feeds. An open size that a profile does not mention
 * takes the range that the profile gives another size of the same name; what is left comes from the feeds. Throws UsageError ERR_PROFILE as `checkProfiles`
 * does, which includes inputs that nothing tells a range of.
 */
export function settleProfiles(given: readonly OptimizationProfile[], inputs: readonly ProfileInput[], feeds: Feeds = []): SettledProfiles {
  if (!inputs.some(needsRange) && given.length === 0) return { profiles: [], notes: [], warnings: [] };
  if (given.length === 0 && feeds.length > 0) {
    const profile = profileFromFeeds(inputs, feeds);
    const count = feeds.length === 1 ? "the input data" : `${feeds.length} samples`;
    const notes = [`No optimisation profile was given; the engine serves the sizes of ${count}: ${profileText(profile)}.`];
    return { profiles: [profile], notes, warnings: checkProfiles([profile], inputs) };
  }
  const notes: string[] = [];
  const profiles = given.map((profile, index) => fill(profile, profileName(index, given.length), inputs, feeds, notes));
  return { profiles, notes, warnings: checkProfiles(profiles, inputs) };
}

/**
 * One profile that serves these feeds and nothing beyond the box around them: of each open size the smallest and the largest, and as opt the one that most
 * feeds have (the largest of several). Throws UsageError ERR_PROFILE where the feeds lack an input or differ in rank.
 */
export function profileFromFeeds(inputs: readonly ProfileInput[], feeds: Feeds): OptimizationProfile {
  return { inputs: Object.fromEntries(inputs.filter(needsRange).map((input) => [input.name, rangeOfFeeds(input, feeds)])) };
}

/** The numbers that a profile is about: a feed's sizes of one input, or its values where these are sizes. Undefined where the feed has none. */
export function sizesInFeed(
  input: Pick<ProfileInput, "name" | "isShapeTensor">,
  feed: Pick<Feed, "tensors">,
): readonly number[] | undefined {
  const value = feed.tensors.get(input.name);
  if (value === undefined || !isTensorValue(value)) return undefined;
  if (input.isShapeTensor !== true) return value.dims;
  const elements = elementsOf(value);
  return elements === undefined ? undefined : Array.from(elements as ArrayLike<number | bigint>, Number);
}

function fill(
  profile: OptimizationProfile,
  title: string,
  inputs: readonly ProfileInput[],
  feeds: Feeds,
  notes: string[],
): OptimizationProfile {
  const known = symbolRanges(profile, inputs);
  const filled: Record<string, ShapeRange> = { ...profile.inputs };
  for (const input of inputs) {
    if (!needsRange(input) || Object.hasOwn(filled, input.name)) continue;
    const graph = input.isShapeTensor === true ? undefined : input.dims?.map((d) => (typeof d === "string" ? sumOf(d, known) : d));
    const open = graph === undefined || graph.some((d) => d === undefined);
    // Nothing to fill from: checkProfiles names the input, with every other that is missing.
    if (open && !feeds.some((f) => sizesInFeed(input, f) !== undefined)) continue;
    const fromFeeds = open ? rangeOfFeeds(input, feeds) : undefined;
    const ranges = (fromFeeds?.min ?? graph ?? []).map((_, axis): Range => rangeAt(graph?.[axis], fromFeeds, axis));
    const range = { min: ranges.map((r) => r[0]), opt: ranges.map((r) => r[1]), max: ranges.map((r) => r[2]) };
    filled[input.name] = range;
    const source = sourceOf(input, graph, open);
    notes.push(
      `${title[0]?.toUpperCase()}${title.slice(1)} does not mention "${input.name}"; it takes ${rangeText(range)}, from ${source}.`,
    );
  }
  return { inputs: filled };
}

function rangeAt(fixed: number | Range | undefined, feeds: ShapeRange | undefined, axis: number): Range {
  if (typeof fixed === "number") return [fixed, fixed, fixed];
  return fixed ?? [feeds?.min[axis] ?? 1, feeds?.opt[axis] ?? 1, feeds?.max[axis] ?? 1];
}

function sourceOf(input: ProfileInput, graph: readonly (number | Range | undefined)[] | undefined, open: boolean): string {
  const shared = (input.dims ?? []).filter((d, axis) => typeof d === "string" && Array.isArray(graph?.[axis]));
  const parts = [
    ...(shared.length > 0 ? [`other inputs' ${[...new Set(shared)].map((s) => `"${s}"`).join(", ")}`] : []),
    ...(open ? ["the input data"] : []),
  ];
  return parts.join(" and ");
}

/** Range of "batch", or of "past + 1" as exporters write the length of a mask, from those that are known. */
function sumOf(symbol: string, known: ReadonlyMap<string, Range>): Range | undefined {
  const whole = known.get(symbol);
  if (whole !== undefined) return whole;
  const terms = symbol.split("+").map((t) => t.trim());
  if (terms.length < 2) return undefined;
  const ranges = terms.map((t): Range | undefined => (/^\d+$/.test(t) ? [Number(t), Number(t), Number(t)] : known.get(t)));
  return ranges.reduce((sum, r) => sum && r && [sum[0] + r[0], sum[1] + r[1], sum[2] + r[2]], [0, 0, 0] as Range | undefined);
}

function rangeOfFeeds(input: ProfileInput, feeds: Feeds): ShapeRange {
  const all = feeds.map((feed, index) => {
    const sizes = sizesInFeed(input, feed);
    if (sizes !== undefined) return sizes;
    throw new UsageError("ERR_PROFILE", `Sample ${index + 1} of the input data has no tensor for "${input.name}", whose sizes are open.`, {
      hint: `Give the input, or a profile that names it: "${input.name}=MIN:OPT:MAX".`,
      context: { input: input.name, sample: index },
    });
  });
  const first = all[0] ?? [];
  const other = all.findIndex((sizes) => sizes.length !== first.length);
  if (other >= 0)
    throw new UsageError(
      "ERR_PROFILE",
      `"${input.name}" has ${first.length} sizes in sample 1 of the input data and ${all[other]?.length} in sample ${other + 1}; one profile serves one rank.`,
      { hint: "Give samples of the same rank.", context: { input: input.name } },
    );
  const columns = first.map((_, axis) => all.map((sizes) => sizes[axis] ?? 0));
  return {
    min: columns.map((c) => c.reduce((a, b) => Math.min(a, b))),
    opt: columns.map(commonest),
    max: columns.map((c) => c.reduce((a, b) => Math.max(a, b))),
  };
}

function commonest(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const v of values) counts.set(v, (counts.get(v) ?? 0) + 1);
  return [...counts].reduce((best, next) => (next[1] > best[1] || (next[1] === best[1] && next[0] > best[0]) ? next : best))[0];
}
