/**
 * How well errors of sites add in squares: for random contiguous regions of layers of a small BERT, the squared output error that pinning the region
 * removes, predicted from the sites that vanish with it over measured. Run after `npm run build`:
 *
 *     node scripts/dist/bench/additivity.js [REGIONS, default 40] [MODEL, default a made BERT of 4 layers x 256]
 */
import { isSiteSensitivity, Journal, sweepSites } from "@halfscope/analysis";
import { silentProgress } from "@halfscope/core";
import { Random } from "@halfscope/engine";
import { allHalf, switchesFromPlan, withPins } from "@halfscope/precision";
import { Workbench } from "halfscope";
import { madeBert, median, quantile } from "./timing.js";

const regions = Number(process.argv[2] ?? 40);
const path = process.argv[3] ?? (await madeBert("bert-4x256", { layers: 4, hidden: 256, heads: 4, vocab: 2000 }));
using bench = await Workbench.open(path, { samples: 1 });
const { roundings } = await bench.subject();
const base = allHalf(bench.model.digest, "finite");
const evaluate = bench.evaluator();
const head = {
  schema: "halfscope/journal/1",
  modelDigest: "",
  feedDigest: "",
  like: "",
  constants: "",
  basePins: [],
  onnxruntime: "",
  instructionSet: "",
} as const;
const sweep = await sweepSites({
  roundings,
  base,
  evaluate,
  journal: new Journal(undefined, head, isSiteSensitivity),
  progress: silentProgress,
});
const touching = new Map(roundings.sites.map((s) => [s.id, s.touching]));
const full = sweep.measuredError ** 2;
console.log(
  `${path}: all sites ${sweep.measuredError.toExponential(3)} measured, root of summed squares over it ${(sweep.predictedError / sweep.measuredError).toFixed(3)}`,
);

const computing = bench.layers.filter((l) => roundings.sites.some((s) => s.touching.includes(l.id)));
const random = new Random(7);
const ratios: number[] = [];
while (ratios.length < regions) {
  const start = Math.floor(random.uniform() * computing.length);
  const length = 1 + Math.floor(random.uniform() * (computing.length / 2));
  const pins = computing.slice(start, start + length).map((l) => l.id);
  const pinned = new Set(pins);
  const predicted = sweep.sites
    .filter((s) => touching.get(s.site)?.every((l) => pinned.has(l)))
    .reduce((n, s) => n + s.outputError ** 2, 0);
  const measured = full - (await evaluate(switchesFromPlan(withPins(base, pins), roundings))).error ** 2;
  // A region whose benefit drowns in the noise of the rest says nothing about additivity.
  if (measured > 0.02 * full) ratios.push(predicted / measured);
}
console.log(
  `${regions} regions, predicted over measured squared benefit: median ${median(ratios).toFixed(3)}, 5 % ${quantile(ratios, 0.05).toFixed(3)}, 95 % ${quantile(ratios, 0.95).toFixed(3)}`,
);
