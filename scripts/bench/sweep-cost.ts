/**
 * What one candidate of a sweep costs, in bare passes, everything included: building sessions behind cuts, first runs, rounding of weights, judging. Over an even choice of
 * candidates of all parts of the graph, with bare passes between the segments. Run after `npm run build`:
 *
 *     node scripts/dist/bench/sweep-cost.js [MODEL, default a made BERT-large] [SHARE of the candidates, default 0.1] [SAMPLES, default 1]
 *
 * The share is of each segment's candidates, and the price of opening it is counted at that share too: the figure is that of a whole sweep.
 */
import { planSegments, sweptPlan } from "@halfscope/analysis";
import { OutputEngine } from "@halfscope/engine";
import { allHalf } from "@halfscope/precision";
import { openSegments, Workbench } from "halfscope";
import { madeBert, median, seconds } from "./timing.js";

const path = process.argv[2] ?? (await madeBert("bert-large"));
const share = Number(process.argv[3] ?? 0.1);
using bench = await Workbench.open(path, { samples: Number(process.argv[4] ?? 1) });
const subject = await bench.subject();
const plan = sweptPlan(allHalf(bench.model.digest, "finite"), subject.roundings, false);
using segments = await openSegments(bench, { feeds: bench.feeds, candidates: plan.groups.length });
if (segments === undefined) throw new Error("no cuts: the model is too small");
using bare = await OutputEngine.reference(subject, { threads: bench.threads });
bare.setFeed(bench.feeds[0]);
const barePass = () => seconds(() => bare.outputsOf());
await barePass();

const latest = plan.groups.map((g) => ({ g, segment: segments.segmentOf(plan.placementsOf(g)) }));
const counts = new Map<number, number>();
for (const { segment } of latest) counts.set(segment, (counts.get(segment) ?? 0) + 1);
const chosen = planSegments(counts, segments);
const at = new Map<number, (typeof plan.groups)[number][]>();
for (const { g, segment } of latest) at.set(chosen.get(segment) ?? 0, [...(at.get(chosen.get(segment) ?? 0) ?? []), g]);
const bares: number[] = [];
let [opening, running, ran] = [0, 0, 0];
for (const [segment, groups] of [...at].sort(([a], [b]) => a - b)) {
  bares.push(await barePass(), await barePass());
  const some = groups.filter((_, i) => Math.floor((i + 1) * share) > Math.floor(i * share));
  if (some.length === 0) continue;
  let engine: Awaited<ReturnType<typeof segments.open>> | undefined;
  opening += share * (await seconds(async () => (engine = await segments.open(segment))));
  const lanes = engine?.lanes ?? 1;
  let next = 0;
  // The first run of each lane is slow: it counts once per segment, as opening does.
  const first = some.slice(0, lanes);
  const all = async (list: typeof some) => {
    next = 0;
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        for (let g = list[next++]; g !== undefined; g = list[next++])
          for (const evaluate of engine?.samples ?? []) await evaluate(plan.only(g), { signed: true });
      }),
    );
  };
  opening += share * (await seconds(() => all(first)));
  running += await seconds(() => all(some));
  ran += some.length;
  engine?.close();
}
const pass = median(bares);
const samples = bench.feeds.length;
const per = (s: number) => (s / ran / samples / pass).toFixed(3);
console.log(`${path}: ${plan.groups.length} candidates, ${at.size} of ${segments.count} segments opened, ${ran} candidates run`);
console.log(`bare pass ${pass.toFixed(3)} s (${Math.min(...bares).toFixed(3)} to ${Math.max(...bares).toFixed(3)})`);
console.log(`bare passes per candidate: ${per(running + opening)} (goal 0.55); running ${per(running)}, opening segments ${per(opening)}`);
console.log(
  `activations kept: ${(segments.kept.bytesInMemory / 1e6).toFixed(1)} MB in memory, ${(segments.kept.bytesInFile / 1e6).toFixed(1)} MB in a file`,
);
