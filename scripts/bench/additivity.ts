/**
 * How well errors of sites add up: for random contiguous regions of layers, the error that the sites of a region predict over the error measured with exactly them in
 * FP16, and the same for what is left when the region is pinned. Squares alone stand beside the prediction that adds weights with their signs. Run after `npm run build`:
 *
 *     node scripts/dist/bench/additivity.js [REGIONS, default 40] [MODELS, default a made BERT of 4 layers x 256]
 */
import { addInSquares, predictError, worst } from "@halfscope/analysis";
import type { SiteSensitivity } from "@halfscope/core";
import { Random } from "@halfscope/engine";
import { allHalf, switchesFromPlan, withPins } from "@halfscope/precision";
import { compareStep, sweepStep, Workbench } from "halfscope";
import { madeBert, median, quantile } from "./timing.js";

const regions = Number(process.argv[2] ?? 40);
const given = process.argv.slice(3);
const paths = given.length > 0 ? given : [await madeBert("bert-4x256", { layers: 4, hidden: 256, heads: 4, vocab: 2000 })];
for (const path of paths) await additivityOf(path);

/** Ratios of predicted to measured errors, by how they were predicted. */
interface Ratios {
  signed: number[];
  squares: number[];
}

async function additivityOf(path: string): Promise<void> {
  using bench = await Workbench.open(path, { samples: 2 });
  const { roundings } = await bench.subject();
  const { basePins } = await compareStep(bench);
  const pinned = basePins.map((p) => p.layer);
  const base = withPins(allHalf(bench.model.digest, "finite"), pinned);
  const all = switchesFromPlan(base, roundings);
  const evaluate = bench.evaluator();
  const measured = async (switches: Uint8Array) => worst((await evaluate(switches)).perOutput);
  const sweep = await sweepStep(bench, basePins);
  const touching = new Map(roundings.sites.map((s) => [s.id, s.touching]));
  console.log(
    `${path}: ${bench.layers.length} layers, ${pinned.length} pinned first; all sites ${sweep.measuredError.toExponential(3)} measured; predicted over it ${(sweep.predictedError / sweep.measuredError).toFixed(3)}, in squares ${((sweep.predictedInSquares ?? Number.NaN) / sweep.measuredError).toFixed(3)}`,
  );

  const computing = bench.layers.filter((l) => !pinned.includes(l.id) && roundings.sites.some((s) => s.touching.includes(l.id)));
  const random = new Random(7);
  const alone: Ratios = { signed: [], squares: [] };
  const left: Ratios = { signed: [], squares: [] };
  for (let tries = 0; alone.signed.length < regions && tries < 20 * regions; tries++) {
    const start = Math.floor(random.uniform() * computing.length);
    const length = 1 + Math.floor(random.uniform() * (computing.length / 2));
    const region = new Set([...pinned, ...computing.slice(start, start + length).map((l) => l.id)]);
    const vanishes = (s: SiteSensitivity) => touching.get(s.site)?.every((l) => region.has(l)) === true;
    const remaining = switchesFromPlan(withPins(base, [...region]), roundings);
    const own = all.map((s, i) => (remaining[i] === 0 ? s : 0));
    const ownError = await measured(own);
    // Of a region that costs next to nothing, single roundings decide.
    if (!(ownError > 0.02 * sweep.measuredError)) continue;
    add(alone, sweep.sites.filter(vanishes), ownError);
    add(left, sweep.sites.filter((s) => !vanishes(s)), await measured(remaining)); // biome-ignore format: two lines that belong together
  }
  say("region alone", alone);
  say("left with it pinned", left);
  // As the search for pins takes them: in proportion to what was measured of the whole.
  const scale = (values: readonly number[], predicted: number) => values.map((r) => (r * sweep.measuredError) / predicted);
  say("left, scaled to the measured whole", {
    signed: scale(left.signed, sweep.predictedError),
    squares: scale(left.squares, sweep.predictedInSquares ?? Number.NaN),
  });
}

function add(ratios: Ratios, sites: readonly SiteSensitivity[], error: number): void {
  if (!(error > 0 && Number.isFinite(error))) return;
  ratios.signed.push(worst(predictError(sites)) / error);
  ratios.squares.push(worst(addInSquares(sites.map((s) => s.perOutput), sites[0]?.perOutput.length ?? 0)) / error); // biome-ignore format: as above
}

function say(what: string, ratios: Ratios): void {
  for (const [how, values] of [
    ["weights with sign", ratios.signed],
    ["squares alone", ratios.squares],
  ] as const) {
    const near = values.filter((r) => r >= 0.9 && r <= 1.1).length / values.length;
    console.log(
      `  ${what}, ${how}: predicted over measured error, ${values.length} regions: median ${median(values).toFixed(3)}, 5 % ${quantile(values, 0.05).toFixed(3)}, 95 % ${quantile(values, 0.95).toFixed(3)}, within 0.9 to 1.1: ${(100 * near).toFixed(0)} %`,
    );
  }
}
