/**
 * What one candidate of a sweep costs, in bare passes, with and without cuts, over a seeded choice of sites. Run after `npm run build`:
 *
 *     node scripts/dist/bench/sweep-cost.js [MODEL, default a made BERT-large] [CANDIDATES, default 48]
 */

import { Random } from "@halfscope/engine";
import { allHalf, switchesFromPlan } from "@halfscope/precision";
import { openSegments, Workbench } from "halfscope";
import { madeBert, median } from "./timing.js";

const path = process.argv[2] ?? (await madeBert("bert-large"));
const count = Number(process.argv[3] ?? 48);
using bench = await Workbench.open(path, { samples: 1 });
const { roundings } = await bench.subject();
const switches = switchesFromPlan(allHalf(bench.model.digest, "finite"), roundings);
const random = new Random(1);
const chosen = Array.from({ length: count }, () => Math.floor(random.uniform() * switches.length)).filter((i) => switches[i] !== 0);
const { barePassSeconds } = await bench.reference();
const whole = bench.evaluator();
const segments = await openSegments(bench);
if (segments === undefined) throw new Error("no cuts: the model is too small");
const only = (i: number) => Uint8Array.from(switches, (s, k) => (k === i ? s : 0));
await whole(only(chosen[0] ?? 0));
const wholeTimes: number[] = [];
const cutTimes: number[] = [];
let differ = 0;
const bySegment = new Map<number, number[]>();
for (const i of chosen) bySegment.set(segments.segmentOf([i]), [...(bySegment.get(segments.segmentOf([i])) ?? []), i]);
for (const [segment, members] of [...bySegment].sort(([a], [b]) => a - b)) {
  const engine = segment === 0 ? { evaluate: whole, close() {} } : await segments.open(segment);
  await engine.evaluate(only(members[0] ?? 0));
  for (const i of members) {
    const start = performance.now();
    const a = await whole(only(i));
    const middle = performance.now();
    const b = await engine.evaluate(only(i));
    wholeTimes.push((middle - start) / 1000);
    cutTimes.push((performance.now() - middle) / 1000);
    if (a.error !== b.error) differ++;
  }
  engine.close();
}
const mean = (v: readonly number[]) => v.reduce((x, y) => x + y, 0) / v.length;
console.log(`${path}: ${wholeTimes.length} candidates, bare pass ${barePassSeconds.toFixed(3)} s, nothing rebuilt`);
console.log(`whole graph / bare pass: median ${(median(wholeTimes) / barePassSeconds).toFixed(3)}`);
console.log(`from cuts / whole graph: mean ${(mean(cutTimes) / mean(wholeTimes)).toFixed(3)}; results that differ: ${differ}`);
