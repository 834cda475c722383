import { InputError } from "@halfscope/core";
import type { Feed } from "../feeds/feed.js";
import type { OptimizationProfile, ShapeRange } from "./backend.js";
import { sizesInFeed } from "./fill-profiles.js";
import { profileText, rangeText, sizesText } from "./profile-text.js";
import { dimensionName, type ProfileInput, profileName } from "./profiles.js";

/**
 * Index of the profile that serves a request. Of several that do, the one whose opt is nearest (sum of |log2(size/opt)| over all sizes: kernels are chosen
 * for opt), then the narrowest, then the first. 0 where there are no profiles: every size is fixed then.
 * Throws InputError ERR_PROFILE for a request outside every profile, which names the nearest one and every size that is out of its bounds.
 */
export function selectProfile(
  profiles: readonly OptimizationProfile[],
  inputs: readonly ProfileInput[],
  feed: Pick<Feed, "tensors">,
): number {
  if (profiles.length === 0) return 0;
  const byName = new Map(inputs.map((i) => [i.name, i]));
  const fits = profiles.map((profile) => fitOf(profile, byName, feed));
  const best = indexOfLeast(fits.map((f) => (f.outside.length > 0 ? undefined : [f.distance, f.width])));
  if (best !== undefined) return best;
  const nearest = indexOfLeast(fits.map((f) => [f.excess, f.distance])) ?? 0;
  throw refusal(profiles, nearest, fits[nearest]?.outside ?? []);
}

interface Fit {
  /** One sentence part for each size that is out of bounds. */
  outside: string[];
  /** How far outside, in factors of two. */
  excess: number;
  distance: number;
  width: number;
}

function fitOf(profile: OptimizationProfile, inputs: ReadonlyMap<string, ProfileInput>, feed: Pick<Feed, "tensors">): Fit {
  const fit: Fit = { outside: [], excess: 0, distance: 0, width: 0 };
  for (const [name, range] of Object.entries(profile.inputs)) {
    const input = inputs.get(name) ?? { name, dims: undefined };
    const sizes = sizesInFeed(input, feed);
    if (sizes === undefined || sizes.length !== range.opt.length) {
      fit.outside.push(sizes === undefined ? `"${name}" is missing` : `"${name}" is ${sizesText(sizes)}, served is ${rangeText(range)}`);
      fit.excess = Number.POSITIVE_INFINITY;
      continue;
    }
    for (const [axis, size] of sizes.entries()) place(fit, input, range, size, axis);
  }
  return fit;
}

function place(fit: Fit, input: ProfileInput, range: ShapeRange, size: number, axis: number): void {
  const [min, opt, max] = [range.min[axis] ?? 0, range.opt[axis] ?? 0, range.max[axis] ?? 0];
  fit.distance += factor(size, opt);
  fit.width += factor(min, max);
  if (size >= min && size <= max) return;
  fit.excess += size < min ? factor(size, min) : factor(size, max);
  const served = min === max ? `served is ${min}` : `served are ${min} to ${max}`;
  fit.outside.push(`"${input.name}", ${dimensionName(input, axis)}, is ${size}, ${served}`);
}

/** How many factors of two lie between two sizes. Sizes may be 0, values of shape tensors negative: then their distance, on the same footing. */
const factor = (a: number, b: number): number => (a > 0 && b > 0 ? Math.abs(Math.log2(a / b)) : Math.log2(1 + Math.abs(a - b)));

function indexOfLeast(keys: readonly (readonly number[] | undefined)[]): number | undefined {
  let least: number | undefined;
  keys.forEach((key, index) => {
    const before = least === undefined ? undefined : keys[least];
    if (key !== undefined && (before === undefined || isLess(key, before))) least = index;
  });
  return least;
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((x, i) => x !== b[i]);
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0);
}

const shown = 4;

function refusal(profiles: readonly OptimizationProfile[], nearest: number, outside: readonly string[]): InputError {
  const name = profileName(nearest, profiles.length);
  const rest = outside.length > shown ? `; and ${outside.length - shown} more` : "";
  const what = `${outside.slice(0, shown).join("; ")}${rest}`;
  const message =
    profiles.length === 1
      ? `The optimisation profile does not serve this request: ${what}.`
      : `No optimisation profile serves this request. The nearest is ${name}: ${what}.`;
  const profile = profiles[nearest];
  return new InputError("ERR_PROFILE", message, {
    hint: `Feed sizes within a profile, or build with one that covers them; ${name} is ${profile === undefined ? "" : profileText(profile)}.`,
    context: { profile: nearest, outside },
  });
}
