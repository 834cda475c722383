/**
 * An adaptive sweep beside the full one, in one process: time, squared error captured, and the error that is left with the pins that each of them
 * leads to (the same greedy walk, the same numbers of pins, measured). Run after `npm run build`:
 *
 *     node scripts/dist/bench/adaptive.js [MODEL, default a made BERT of 24 layers x 256] [LIKE, default pytorch] [THRESHOLD, default 0.05]
 */
import { greedyPins } from "@halfscope/analysis";
import { type EngineName, engineNames, type Progress, type Sensitivity, silentProgress } from "@halfscope/core";
import { allHalf, switchesFromPlan, withPins } from "@halfscope/precision";
import { sweepStep, Workbench } from "halfscope";
import { madeBert, median } from "./timing.js";

const path = process.argv[2] ?? (await madeBert("bert-24x256", { layers: 24, hidden: 256, heads: 4, vocab: 2000 }));
const like = engineNames.find((n) => n === process.argv[3]) ?? ("pytorch" satisfies EngineName);
const threshold = Number(process.argv[4] ?? 0.05);
// What candidates cost in bare passes by the work behind their cuts: this figure does not hang on what else the machine does.
let passes = 0;
const progress: Progress = {
  ...silentProgress,
  step: (title, total) => {
    if (title.startsWith("Sweeping")) passes += (total ?? 0) / 1000;
    return silentProgress.step(title, total);
  },
};
using bench = await Workbench.open(path, { samples: 1, like, progress });
const { roundings } = await bench.subject();
const base = allHalf(bench.model.digest, "finite");
const evaluate = bench.evaluator();
await evaluate(switchesFromPlan(base, roundings));

const times = { full: {} as Record<string, number>, adaptive: {} as Record<string, number> };
const adaptive = await sweepStep(bench, [], { adaptive: { threshold }, timings: times.adaptive });
const somePasses = passes;
const full = await sweepStep(bench, [], { timings: times.full });

const square = (s: { outputError: number }) => s.outputError ** 2;
const found = new Map(adaptive.sites.map((s) => [s.site, s]));
const layerSets = new Set(adaptive.adaptive?.sets.map((s) => s.name));
const total = full.sites.reduce((n, s) => n + square(s), 0);
const shareOf = (keep: (s: Sensitivity["sites"][number]) => boolean) => full.sites.filter(keep).reduce((n, s) => n + square(s), 0) / total;
const alone = shareOf((s) => found.get(s.site)?.estimated !== true);
const withLayer = shareOf((s) => found.get(s.site)?.estimated !== true || layerSets.has(s.layer ?? ""));
const [all, some] = [times.full["sweep candidates"] ?? Number.NaN, times.adaptive["sweep candidates"] ?? Number.NaN];
const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
console.log(`${path}, like ${like}: ${full.sites.length} groups of sites, error ${full.measuredError.toExponential(3)}`);
console.log(
  `candidates ${adaptive.candidates} of ${full.candidates}; time ${some.toFixed(1)} s of ${all.toFixed(1)} s: ratio ${(some / all).toFixed(3)} (goal 0.3); by work ${somePasses.toFixed(0)} of ${(passes - somePasses).toFixed(0)} passes: ${(somePasses / (passes - somePasses)).toFixed(3)}`,
);
console.log(
  `squared error captured: ${percent(withLayer)} measured alone or by layer (goal 95 %), ${percent(alone)} alone; it says ${percent(adaptive.adaptive?.captured ?? 0)}`,
);
console.log(
  `additivity: blocks ${adaptive.adaptive?.additivity.blocks.toFixed(3)}, opened sets median ${median(adaptive.adaptive?.additivity.opened ?? []).toFixed(3)}`,
);

/** Sets of pins along the greedy walk. */
function walk(s: Sensitivity): string[][] {
  const sets: string[][] = [];
  for (const { added } of greedyPins(roundings.sites, s.sites, [], { cost: (more) => more.length - 1 }))
    sets.push([...(sets.at(-1) ?? []), ...added]);
  return sets;
}
const [ours, theirs] = [walk(adaptive), walk(full)];
const errorOf = async (pins: readonly string[]) => (await evaluate(switchesFromPlan(withPins(base, pins), roundings))).error;
// As many pins as the full sweep takes to these shares of the error.
for (const part of [0.75, 0.5, 1 / 3]) {
  let pins = 0;
  for (const set of theirs) {
    pins = set.length;
    if ((await errorOf(set)) <= part * full.measuredError) break;
  }
  const upTo = (sets: readonly string[][]) => sets.findLast((s) => s.length <= pins) ?? [];
  const [a, b] = [await errorOf(upTo(ours)), await errorOf(upTo(theirs))];
  console.log(`${pins} pins: error ${a.toExponential(3)} against ${b.toExponential(3)}: ratio ${(a / b).toFixed(3)} (goal at most 1.05)`);
}
