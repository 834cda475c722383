import { noiseFloor, quietSites, type Spread, sitesToRepeat, worst } from "@halfscope/analysis";
import { isTensorValue, type PrecisionPlan, type Sensitivity, type SiteSensitivity, switchOff, type TensorValue } from "@halfscope/core";
import { elementsOf, type Feed, Random, tensorOf } from "@halfscope/engine";
import { switchesFromPlan } from "@halfscope/precision";
import type { Workbench } from "./workbench.js";

/** Relative size of a perturbation: some ten units of the last place of FP32, a thousandth of one of FP16. */
export const perturbation = 1e-6;
const perturbations = 3;
/** Samples asked at most: the floor is a matter of its order of magnitude. */
const mostSamples = 4;

/**
 * A sweep with its noise floor: what its sites and its whole do on other samples, and on the first one with its roundings drawn anew, by inputs moved a little or by
 * leaving out a site that costs next to nothing. Some ten passes. Unchanged where nothing can be repeated.
 */
export async function withNoise(bench: Workbench, base: PrecisionPlan, s: Sensitivity): Promise<Sensitivity> {
  const samples = bench.feeds.slice(0, mostSamples);
  const [first] = bench.feeds;
  const moved = Array.from({ length: perturbations }, (_, i) => perturbedFeed(first, bench.options.seed ?? 1, i)).filter(
    (feed) => feed !== undefined,
  );
  const { roundings } = await bench.subject();
  const baseSwitches = switchesFromPlan(base, roundings);
  const repeated = sitesToRepeat(s.sites);
  const keeping = ({ sites }: SiteSensitivity, on: boolean) => {
    const members = new Set(sites);
    return baseSwitches.map((v, i) => (members.has(roundings.placements[i]?.site ?? "") === on ? v : switchOff));
  };
  const only = (site: SiteSensitivity) => keeping(site, true);
  const candidates = [baseSwitches, ...repeated.map(only)];
  const step = bench.progress.step("Measuring the noise floor", samples.length + moved.length);
  const redrawn: number[][] = [];
  const found: { samples: number[][]; perturbed: number[][] }[] = candidates.map(() => ({ samples: [], perturbed: [] }));
  const reference: number[][] = [];
  let done = 0;
  const ask = async (feed: Feed, kind: "samples" | "perturbed") => {
    for (const [i, switches] of candidates.entries()) found[i]?.[kind].push([...(await bench.evaluator(feed)(switches)).perOutput]);
    step.update(++done);
  };
  try {
    for (const feed of samples) await ask(feed, "samples");
    for (const feed of moved) {
      await ask(feed, "perturbed");
      reference.push([...(await (await bench.judge()).judge((await bench.reference(feed)).outputs)).perOutput]);
      bench.forget(feed);
    }
    const quiet = moved.length > 0 ? [] : quietSites(s.sites, found[0]?.samples[0] ?? []);
    for (const site of quiet) redrawn.push([...(await bench.evaluator(first)(keeping(site, false))).perOutput]);
  } finally {
    step.end();
  }
  // The unmoved sample is one of the draws.
  const withUnmoved = (f: (typeof found)[number] | undefined): { samples: Spread; perturbed: Spread } => ({
    samples: f?.samples ?? [],
    perturbed: moved.length > 0 ? [...(f?.samples.slice(0, 1) ?? []), ...(f?.perturbed ?? [])] : [],
  });
  const floor = noiseFloor(
    {
      ...withUnmoved(found[0]),
      ...(redrawn.length > 0 && { perturbed: [...(found[0]?.samples.slice(0, 1) ?? []), ...redrawn] }),
      reference,
      relative: moved.length > 0 ? perturbation : undefined,
      sites: new Map(repeated.map((r, i) => [r.site, withUnmoved(found[i + 1])])),
    },
    s.sites,
  );
  if (floor === undefined) return s;
  const mostOf = worst(floor.noise.perOutput);
  return {
    ...s,
    sites: floor.sites,
    layers: s.layers.map((l) => (l.outputError > mostOf ? l : { ...l, belowFloor: true })),
    noise: floor.noise,
  };
}

/**
 * The sample with its float inputs moved by up to a millionth, each value by its own seeded share; undefined where there is nothing to move. Inputs of whole numbers
 * alone are left: ids, sizes and masks are written as floats, too, and a millionth less is another id.
 */
export function perturbedFeed(feed: Feed, seed: number, round: number): Feed | undefined {
  const tensors = new Map(feed.tensors);
  let moved = false;
  for (const [name, value] of feed.tensors) {
    if (!isTensorValue(value) || value.dtype !== "float32") continue;
    const values = elementsOf(value) as Float32Array;
    if (values.every((v) => Number.isInteger(v) || !Number.isFinite(v))) continue;
    tensors.set(name, movedTensor(value, values, new Random(seed, "perturbation", name, round)));
    moved = true;
  }
  return moved ? { tensors, origins: feed.origins } : undefined;
}

const movedTensor = (value: TensorValue, values: Float32Array, random: Random): TensorValue =>
  tensorOf(
    value.dtype,
    value.dims,
    values.map((v) => v * (1 + perturbation * (2 * random.uniform() - 1))),
  );
