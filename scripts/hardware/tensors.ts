// The error of every float tensor of a model, emulated on the CPU and measured on the engine, tensor by tensor; final outputs of engines without marked tensors
// apart. Run it on a machine with a GPU; predictions may be made before, on any machine, with --predict-only:
//   node scripts/dist/hardware/tensors.js MODEL.onnx -o reports/hardware/tensors-tensorrt.json --shape input_ids=1x128 ... [--engine ort-cuda] [--typings typed,weak]

import { join } from "node:path";
import { measure } from "@halfscope/analysis";
import type { ErrorStats, Typing } from "@halfscope/core";
import { meanAbs, relativeL2, UsageError } from "@halfscope/core";
import { type DeviceBackend, type DeviceBuildRequest, type DeviceEngine, parseProfile } from "@halfscope/engine";
import { allHalf } from "@halfscope/precision";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { agreementOf, depthsOf, type Pair } from "./agreement.js";
import { openEngine } from "./measuring/open-engine.js";
import { commonOptions, endWell, shapeOf, withWorkFolder } from "./measuring/options.js";
import { warningsIn } from "./measuring/outcome.js";
import { type ReportHead, readReport, reportHead, short, writeReport } from "./measuring/report-file.js";
import { buildOptions, likeOf, Studied } from "./measuring/studied.js";

/** Errors predicted for one model and feed, by tensor: mean error and relative L2. */
export interface Predictions {
  schema: "halfscope/hardware/predictions/1";
  digest: string;
  like: string;
  seconds: number;
  tensors: Readonly<Record<string, readonly [meanAbs: number, relativeL2: number]>>;
}

export interface TensorsRun {
  typing: Typing;
  /** As --profile gave them; absent where the engines serve the feed's sizes only. */
  profiles?: readonly string[];
  buildSeconds: { reference: number; marked: number; unmarked: number };
  /** The comparison of all marked tensors, statistics included, after the builds. */
  compare: { tensors: number; seconds: number; seconds2: number };
  notCompared: readonly { tensor: string; reason: string }[];
  warnings: ReturnType<typeof warningsIn>;
  /** Predicted over measured mean error, over tensors with an error on both sides. */
  ratio: { tensors: number; oneSided: number; median: number; p5: number; p95: number };
  /** Rank correlation of error over the tensor's RMS; `null` knows only how many nodes lie before it. */
  order: { spearman: number; null: number };
  /** Final outputs: relative L2 and mean error, marked and unmarked engines, and the unmarked against the marked engine. */
  outputs: { output: string; predicted: Figures; marked: Figures; unmarked: Figures }[];
  /** tensor, elements, measured mean error, predicted mean error, root mean square of the reference, values that are not finite on the engine only. */
  tensors: (readonly [string, number, number, number, number, number])[];
}
export interface Figures {
  meanAbs: number;
  relativeL2: number;
}

export interface TensorsReport extends ReportHead {
  model: string;
  digest: string;
  like: string;
  predictionSeconds: number;
  runs: TensorsRun[];
}

const argv = await commonOptions(yargs(hideBin(process.argv)))
  .scriptName("tensors")
  .usage("$0 MODEL.onnx -o OUT.json")
  .demandCommand(1, 1)
  .options({
    shape: { type: "string", array: true, default: [] as string[], describe: "INPUT=AxBxC, repeatable" },
    feed: {
      type: "string",
      array: true,
      default: [] as string[],
      describe: "files as --feed of halfscope takes them [made up from the graph]",
    },
    profile: {
      type: "string",
      array: true,
      default: [] as string[],
      describe: "optimisation profile as halfscope takes it [the feed's sizes alone]: kernels differ where sizes are open",
    },
    typings: { type: "string", default: "typed,weak", describe: "typed, weak or both" },
    "prefer-half": {
      type: "boolean",
      default: false,
      describe: "weak: ask for FP16 in each marked layer, where TensorRT leaves a marked network in FP32 otherwise",
    },
    "predict-only": { type: "boolean", default: false, describe: "write the predictions to OUT.json, without an engine" },
    predicted: { type: "string", describe: "predictions that were made before [made now]" },
  })
  .parse();
const like = likeOf(argv.engine);

async function predict(studied: Studied): Promise<Predictions> {
  const { bench } = studied;
  const started = performance.now();
  const run = await measure(await bench.subject(), studied.feed, {
    mode: "accumulated",
    plan: allHalf(bench.model.digest, "finite", bench.precision),
    progress: bench.progress,
  });
  const seconds = (performance.now() - started) / 1000;
  return {
    schema: "halfscope/hardware/predictions/1",
    digest: bench.model.digest,
    like,
    seconds: short(seconds),
    tensors: Object.fromEntries(run.tensors.map((t) => [t.tensor, [short(meanAbs(t.stats)), short(relativeL2(t.stats))]])),
  };
}

async function readPredictions(path: string, studied: Studied): Promise<Predictions> {
  const read = (await readReport(path)) as Predictions;
  if (read.digest !== studied.bench.model.digest || read.like !== like)
    throw new UsageError(
      "ERR_OPTION",
      `${path} predicts another model or engine: digest ${read.digest?.slice(0, 12)}, like ${read.like}.`,
      {
        hint: `Make it with --predict-only for this model and --engine ${argv.engine}.`,
      },
    );
  return read;
}

const figuresOf = (stats: ErrorStats | undefined): Figures => ({
  meanAbs: stats === undefined ? Number.NaN : short(meanAbs(stats)),
  relativeL2: stats === undefined ? Number.NaN : stats.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : short(relativeL2(stats)),
});

async function runTyping(
  backend: DeviceBackend,
  studied: Studied,
  predictions: Predictions,
  typing: Typing,
  folder: string,
): Promise<TensorsRun> {
  const outputs = await studied.floatOutputs();
  const tensors = await studied.floatTensors();
  const preferHalf = argv["prefer-half"];
  const observe = { tensors: tensors.filter((t) => !outputs.includes(t)) };
  const profiles = argv.profile.length > 0 ? argv.profile.map(parseProfile) : studied.profiles();
  const common = { profiles, options: buildOptions(argv) };
  const half: Pick<DeviceBuildRequest, "path" | "precision"> =
    typing === "typed"
      ? { path: await studied.halfFile(folder, "all-half", []), precision: { kind: "typed" } }
      : { path: studied.path, precision: { kind: "weak", half: "float16", pins: [], constraints: preferHalf ? "prefer" : "none" } };
  const label = (what: string) => `${studied.name}, ${what}`;
  await using reference = await backend.build({
    ...common,
    label: label("FP32, marked"),
    path: studied.path,
    precision: { kind: "full" },
    observe,
  });
  await using marked = await backend.build({
    ...common,
    ...half,
    label: label(`FP16, ${typing}, marked`),
    observe: { ...observe, preferHalf },
  });
  const seen = commonTensors(reference, marked, tensors);
  const first = await backend.compare(reference, marked, studied.feed, seen);
  const again = await backend.compare(reference, marked, studied.feed, seen);
  console.error(`${seen.length} tensors compared in ${again.seconds.toFixed(2)} s`);
  await using unmarkedReference = await backend.build({ ...common, label: label("FP32"), path: studied.path, precision: { kind: "full" } });
  await using unmarked = await backend.build({ ...common, ...half, label: label(`FP16, ${typing}`) });
  const bare = await backend.compare(unmarkedReference, unmarked, studied.feed, outputs);

  const depths = depthsOf(studied.bench.view);
  const rows: TensorsRun["tensors"] = [];
  const pairs: Pair[] = [];
  for (const [tensor, stats] of first.stats) {
    const predicted = predictions.tensors[tensor]?.[0];
    if (predicted === undefined) continue;
    const finite = Math.max(1, stats.count - stats.nonFiniteMismatch);
    const rms = Math.sqrt(stats.sumSquaredReference / finite);
    const measured = meanAbs(stats);
    rows.push([tensor, stats.count, short(measured), predicted, short(rms), stats.nonFiniteMismatch]);
    if (stats.nonFiniteMismatch === 0) pairs.push({ tensor, predicted, measured, rms, depth: depths.get(tensor) ?? 0 });
  }
  const a = agreementOf(pairs);
  const missing = tensors
    .filter((t) => !seen.includes(t))
    .map((tensor) => ({ tensor, reason: "the FP16 engine's file has no tensor of this name" }));
  const reasons = new Map([...missing, ...reference.notObserved, ...marked.notObserved, ...first.notCompared].map((n) => [n.tensor, n]));
  return {
    typing,
    ...(argv.profile.length > 0 && { profiles: argv.profile }),
    buildSeconds: { reference: short(reference.buildSeconds), marked: short(marked.buildSeconds), unmarked: short(unmarked.buildSeconds) },
    compare: { tensors: seen.length, seconds: short(first.seconds), seconds2: short(again.seconds) },
    notCompared: [...reasons.values()],
    warnings: warningsIn(marked.messages),
    ratio: { tensors: a.pairs.length, oneSided: a.oneSided.length, median: short(a.median), p5: short(a.low), p95: short(a.high) },
    order: { spearman: short(a.spearman), null: short(a.nullSpearman) },
    outputs: outputs.map((output) => {
      const [meanError = Number.NaN, relative = Number.NaN] = predictions.tensors[output] ?? [];
      return {
        output,
        predicted: { meanAbs: meanError, relativeL2: relative },
        marked: figuresOf(first.stats.get(output)),
        unmarked: figuresOf(bare.stats.get(output)),
      };
    }),
    tensors: rows,
  };
}

/** Tensors that both engines give out. */
function commonTensors(reference: DeviceEngine, candidate: DeviceEngine, wanted: readonly string[]): string[] {
  const [left, right] = [reference, candidate].map((e) => new Set(e.outputs.map((o) => o.name)));
  return wanted.filter((t) => left?.has(t) && right?.has(t));
}

await endWell(() =>
  withWorkFolder(argv.work, async (folder) => {
    const shapes = Object.fromEntries(argv.shape.map(shapeOf));
    using studied = await Studied.open(String(argv._[0]), { like, shapes, feeds: argv.feed });
    if (argv["predict-only"]) {
      await writeReport(argv.out, await predict(studied));
      return;
    }
    await using backend = await openEngine(argv);
    const predictions = argv.predicted === undefined ? await predict(studied) : await readPredictions(argv.predicted, studied);
    const report: TensorsReport = {
      ...reportHead("tensors", backend.environment, argv),
      ...{ model: studied.name, digest: predictions.digest, like, predictionSeconds: predictions.seconds },
      runs: [],
    };
    const typings = argv.typings.split(",").filter((t): t is Typing => backend.environment.capabilities.typings.includes(t as Typing));
    for (const typing of typings) {
      const run = await runTyping(backend, studied, predictions, typing, join(folder, studied.name));
      report.runs.push(run);
      await writeReport(argv.out, report);
      console.error(
        `${typing}: ${run.ratio.tensors} tensors, predicted / measured: median ${run.ratio.median}, 5 % ${run.ratio.p5}, 95 % ${run.ratio.p95}; Spearman ${run.order.spearman} (depth alone: ${run.order.null})`,
      );
    }
  }),
);
