/**
 * What a paired pass and a sweep's candidate cost, beside a bare pass of the same model in the same process, in turn. Run after `npm run build`:
 *
 *     node scripts/dist/bench/paired-pass.js [BATCHxSEQUENCE, default 1x128] [MODEL, default a made BERT-large] [ROUNDS, default 5] [pair: leave out the candidate and the defaults; all] [LIKE, default pytorch; tensorrt sums in FP16]
 *
 * A bare pass has the same session options (graph optimisation off, prepacking off); ONNX Runtime's defaults are printed too.
 */

import { readFile } from "node:fs/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { engineNames } from "@halfscope/core";
import { EnginePair, memoryUsage, OrtSession, OutputEngine } from "@halfscope/engine";
import { listLayers, readModel } from "@halfscope/onnx";
import { allHalf, switchesFromPlan } from "@halfscope/precision";
import { Workbench } from "halfscope";
import { madeBert, median, seconds, withPeak } from "./timing.js";

const [batch = 1, sequence = 128] = (process.argv[2] ?? "1x128").split("x").map(Number);
const path = process.argv[3] ?? (await madeBert("bert-large"));
const rounds = Number(process.argv[4] ?? 5);
const open = await seconds(async () => listLayers(await readModel(path)));
using bench = await Workbench.open(path, {
  shapes: Object.fromEntries(["input_ids", "attention_mask", "token_type_ids"].map((n) => [n, [batch, sequence]])),
  samples: 1,
  like: engineNames.find((name) => name === process.argv[6]),
});
const subject = await bench.subject();
const [feed] = bench.feeds;
const { placements } = subject.roundings;
const plan = allHalf(bench.model.digest, "finite");
const switches = switchesFromPlan(plan, subject.roundings);

const bare = await OutputEngine.reference(subject, { threads: bench.threads });
bare.setFeed(feed);
let pair: EnginePair | undefined;
const ready = await seconds(async () => {
  pair = await EnginePair.build(
    { ...subject, placements, switches, mode: "accumulated", layerOfSite: new Map() },
    { threads: bench.threads },
  );
});
const paired = pair as EnginePair;
console.log(
  `${path}, ${batch}x${sequence}, ${bench.threads} threads, ${paired.compared.length} float tensors compared, ${placements.length} roundings`,
);
console.log(`model opened and layers listed ${open.toFixed(2)} s; engine pair ready ${ready.toFixed(2)} s`);

const bareTimes: number[] = [];
const pairTimes: number[] = [];
const delay = monitorEventLoopDelay({ resolution: 5 });
const before = memoryUsage().rssAnonBytes;
// The pair's own peak, before the bare engine has run and holds an arena of its own.
const peak = await withPeak(() => paired.run(feed));
const cold = peak.value.seconds;
await bare.outputsOf();
delay.enable();
for (let i = 0; i < rounds; i++) {
  bareTimes.push((await bare.outputsOf()).seconds);
  pairTimes.push((await paired.run(feed)).seconds);
}
delay.disable();
const pass = median(bareTimes);
console.log(`bare pass ${pass.toFixed(3)} s (median of ${rounds})`);
console.log(`paired pass / two bare passes, cold (the first of its session): ${(cold / 2 / pass).toFixed(3)}`);
console.log(`paired pass / two bare passes, warm: ${median(pairTimes.map((t, i) => t / 2 / (bareTimes[i] ?? pass))).toFixed(3)}`);
console.log(
  `peak anonymous memory ${peak.rssAnonGb.toFixed(2)} GB (before: ${(before / 1e9).toFixed(2)}); VmHWM ${peak.vmHwmGb.toFixed(2)} GB`,
);
console.log(`longest wait of the event loop ${(delay.max / 1e6).toFixed(0)} ms`);
paired[Symbol.dispose]();
if (process.argv[5] === "pair") process.exit();

const candidate = await OutputEngine.candidate({ ...subject, placements }, { threads: bench.threads });
candidate.setFeed(feed);
candidate.setReference((await bare.outputsOf()).outputs);
const settings: [string, Uint8Array][] = [
  ["all off", new Uint8Array(placements.length)],
  [
    "one activation on",
    Uint8Array.from(switches, (s, i) => (i === placements.findIndex((p) => p.site.startsWith("activation:")) + 400 ? s : 0)),
  ],
  [
    "one weight on",
    Uint8Array.from(switches, (s, i) =>
      placements[i]?.site.startsWith("weight:") &&
      i === placements.findIndex((p) => /MatMul|weight|onnx::/.test(p.site) && p.site.startsWith("weight:"))
        ? s
        : 0,
    ),
  ],
  ["all on", switches],
];
for (const [name, setting] of settings) {
  await candidate.evaluate({ switches: setting });
  const ratios: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const one = (await bare.outputsOf()).seconds;
    ratios.push((await candidate.evaluate({ switches: setting })).seconds / one);
  }
  console.log(`candidate, ${name} / bare pass: ${median(ratios).toFixed(3)}`);
}
candidate[Symbol.dispose]();

const defaults = await OrtSession.create({
  model: await readFile(path),
  folder: bench.model.folder,
  threads: bench.threads,
  optimization: "all",
  prepacking: true,
  switchCount: 0,
  slotCount: 0,
});
for (const [name, tensor] of feed.tensors) defaults.setFeed(name, tensor);
await defaults.run({ fetch: bare.outputs });
const ratios: number[] = [];
for (let i = 0; i < rounds; i++) {
  const one = (await bare.outputsOf()).seconds;
  ratios.push((await defaults.run({ fetch: bare.outputs })).seconds / one);
}
console.log(`ONNX Runtime's defaults (all optimisations, prepacked) / bare pass: ${median(ratios).toFixed(3)}`);
defaults.dispose();
bare[Symbol.dispose]();
