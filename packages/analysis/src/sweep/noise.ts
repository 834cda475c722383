import type { NoiseFloor, SiteSensitivity } from "@halfscope/core";

/** Errors under switches that differ in nothing but the sample, or in inputs moved a little: by sample, by output. */
export type Spread = readonly (readonly number[])[];

export interface NoiseMeasurements {
  /** The whole candidate's errors, one sample each. */
  samples: Spread;
  /** The same on the first sample with its roundings drawn anew (`relative` says how), the plain one among them; empty where neither way is open. */
  perturbed: Spread;
  /** How far the reference's own outputs moved with the inputs, by perturbation. */
  reference: Spread;
  /** Relative size by which float inputs were moved; undefined where a quiet site was left out instead (`quietSites`). */
  relative: number | undefined;
  /** A few groups of sites on the same samples and perturbations. */
  sites: ReadonlyMap<string, { samples: Spread; perturbed: Spread }>;
}

/**
 * What cannot be told from chance. An error below what the reference itself does when its inputs move in the last digits is none. And a site whose squared error
 * is below the standard deviation of the whole candidate's cannot be missed there: no measurement of the outputs shows that it vanished. Perturbations draw the
 * roundings of one sample anew, so they tell chance alone; where there are none, the spread over samples stands in, which is wider. One sample says nothing:
 * undefined.
 */
export function noiseFloor(
  m: NoiseMeasurements,
  sites: readonly SiteSensitivity[],
): { noise: NoiseFloor; sites: SiteSensitivity[] } | undefined {
  const repeats = m.perturbed.length > 1 ? m.perturbed : m.samples;
  if (repeats.length < 2) return undefined;
  const outputs = repeats[0]?.length ?? 0;
  const each = (of: (output: number) => number) => Array.from({ length: outputs }, (_, o) => of(o));
  const spread = each((o) => Math.sqrt(deviation(repeats.map((r) => (r[o] ?? 0) ** 2))));
  const reference = m.reference.length > 0 ? each((o) => rootMeanSquare(m.reference.map((r) => r[o] ?? 0))) : undefined;
  const perOutput = each((o) => Math.max(spread[o] ?? 0, reference?.[o] ?? 0));
  const judged = sites.map((site): SiteSensitivity => {
    const measured = m.sites.get(site.site);
    const relative = measured && relativeSpread(measured);
    return {
      ...site,
      ...(relative !== undefined && { spread: relative }),
      ...(isBelow(site.perOutput, perOutput) && { belowFloor: true }),
    };
  });
  return {
    noise: {
      perOutput,
      ...(reference && { reference }),
      spread,
      perturbations: Math.max(0, m.perturbed.length - 1),
      ...(m.perturbed.length > 1 && m.relative !== undefined && { relative: m.relative }),
      samples: m.samples.length,
      below: judged.filter((s) => s.belowFloor).length,
    },
    sites: judged,
  };
}

const isBelow = (errors: readonly number[], floor: readonly number[]): boolean => errors.every((e, o) => e <= (floor[o] ?? 0));

/** Standard deviation over mean, of the output where it is largest; undefined where there is nothing to compare. */
function relativeSpread({ samples, perturbed }: { samples: Spread; perturbed: Spread }): number | undefined {
  const all = perturbed.length > 1 ? perturbed : samples;
  if (all.length < 2) return undefined;
  const ratios = (all[0] ?? []).map((_, o) => {
    const errors = all.map((r) => r[o] ?? 0);
    const mean = errors.reduce((a, b) => a + b, 0) / errors.length;
    return mean > 0 && Number.isFinite(mean) ? deviation(errors) / mean : 0;
  });
  return Math.max(0, ...ratios);
}

/** Of a sample of a larger whole: with n - 1. What is not finite is left out; 0 of fewer than two. */
function deviation(values: readonly number[]): number {
  const finite = values.filter(Number.isFinite);
  if (finite.length < 2) return 0;
  const mean = finite.reduce((a, b) => a + b, 0) / finite.length;
  return Math.sqrt(finite.reduce((n, v) => n + (v - mean) ** 2, 0) / (finite.length - 1));
}

const rootMeanSquare = (values: readonly number[]): number =>
  values.length === 0 ? 0 : Math.sqrt(values.reduce((n, v) => n + v * v, 0) / values.length);

/** Groups to look at more closely: the one that costs most, the one in the middle and the least, of those that cost anything finite. */
export function sitesToRepeat(sites: readonly SiteSensitivity[]): SiteSensitivity[] {
  const costly = sites
    .filter((s) => s.outputError > 0 && Number.isFinite(s.outputError) && s.estimated !== true)
    .toSorted((a, b) => b.outputError - a.outputError || (a.site < b.site ? -1 : 1));
  const [first, middle, last] = [costly[0], costly[costly.length >> 1], costly.at(-1)];
  return [...new Set([first, middle, last])].filter((s) => s !== undefined);
}

const most = 4;
/** Share of the whole's squared error below which a group of sites is quiet. */
const quietShare = 1e-3;

/**
 * Groups that cost next to nothing, the first of them in graph order: without one of those the whole candidate should err as before, but every rounding behind it
 * falls anew. So models whose inputs are tokens can be perturbed, too.
 */
export function quietSites(sites: readonly SiteSensitivity[], whole: readonly number[]): SiteSensitivity[] {
  const isQuiet = (s: SiteSensitivity) =>
    s.outputError > 0 && s.estimated !== true && s.perOutput.every((e, o) => e * e <= quietShare * (whole[o] ?? 0) ** 2);
  const found = sites.filter(isQuiet).slice(0, most);
  return found.length < 2 ? [] : found;
}
