// A first look at TensorRT on a machine with a GPU: builds a model's FP32 and weakly typed FP16 engines with all tensors observed and without, compares, times and
// profiles them, and prints JSON. What fails is said in its place, and the rest goes on. Run it after `npm run build`:
//   node scripts/dist/hardware/try-tensorrt.js MODEL.onnx [--shape input_ids=1x128 ...] [--typed MIXED.onnx] [--contexts 4]
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ErrorStats, isFloat, meanAbs, relativeL2 } from "@halfscope/core";
import {
  type DeviceBuildRequest,
  type DeviceEngine,
  type EnginePrecision,
  feedSignature,
  inferTypes,
  openTensorRt,
  profileInputs,
  settleProfiles,
  shapesOfFeed,
  shapeTensorsOf,
  summariseLatency,
  throughput,
} from "@halfscope/engine";
import { Workbench } from "halfscope";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { endWell, shapeOf } from "./measuring/options.js";

const argv = await yargs(hideBin(process.argv))
  .scriptName("try-tensorrt")
  .usage("$0 MODEL.onnx")
  .demandCommand(1, 1)
  .options({
    shape: { type: "string", array: true, default: [] as string[], describe: "INPUT=AxBxC, repeatable" },
    feed: { type: "string", array: true, default: [] as string[], describe: "files as --feed of halfscope takes them [made up]" },
    typed: { type: "string", describe: "file that states its types, to build strongly typed" },
    observe: { type: "number", default: Number.POSITIVE_INFINITY, describe: "observe so many tensors at most" },
    contexts: { type: "number", default: 2, describe: "execution contexts that serve at once" },
    requests: { type: "number", default: 200, describe: "timed requests" },
    debug: { type: "boolean", default: true, describe: "debug tensors too, where this TensorRT has them" },
    only: { type: "string", array: true, default: [] as string[], describe: 'engines to build, such as "full, debug" [all]' },
  })
  .strict()
  .wrap(120)
  .parse();

const failures: { step: string; message: string }[] = [];
const seconds: Record<string, number> = {};

/** One step: its time is kept, and its failure is told and is not the end. */
async function attempt<T>(step: string, work: () => Promise<T>): Promise<T | undefined> {
  const start = performance.now();
  process.stderr.write(`${step} ...\n`);
  try {
    return await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`  FAILED: ${message}\n`);
    failures.push({ step, message });
    return undefined;
  } finally {
    seconds[step] = Math.round(performance.now() - start) / 1000;
  }
}

const short = (stats: ErrorStats) => ({
  count: stats.count,
  maxAbs: stats.maxAbs,
  meanAbs: meanAbs(stats),
  relativeL2: relativeL2(stats),
  nonFiniteMismatch: stats.nonFiniteMismatch,
});

await endWell(async () => {
  await using backend = await openTensorRt();
  console.error(JSON.stringify(backend.environment, undefined, 2));
  const path = String(argv._[0]);
  using bench = await Workbench.open(path, { shapes: Object.fromEntries(argv.shape.map(shapeOf)), feeds: argv.feed });
  const [feed] = bench.feeds;
  const types = await inferTypes(bench.model, bench.view, shapesOfFeed(feed));
  const tensors = bench.view.mainOrder
    .filter((node) => node.opType !== "Constant")
    .flatMap((node) => node.outputs)
    .filter((tensor) => tensor !== "" && isFloat(types.get(tensor)?.dtype ?? "undefined"))
    .slice(0, argv.observe);
  const { profiles } = settleProfiles([], profileInputs(feedSignature(bench.view), shapeTensorsOf(bench.view)), [feed]);
  const outputs = bench.view.graph.outputs.map((o) => o.name);

  const timingCache = join(tmpdir(), `try-tensorrt-${process.pid}.cache`);
  const build = async (label: string, precision: EnginePrecision, observe?: DeviceBuildRequest["observe"], file = path) =>
    argv.only.length > 0 && !argv.only.includes(label)
      ? undefined
      : attempt(`build ${label}`, () =>
          backend.build({ label, path: file, precision, profiles, ...(observe && { observe }), options: { timingCache } }),
        );
  const weak: EnginePrecision = { kind: "weak", half: "float16", pins: [], constraints: "none" };
  const preferred: EnginePrecision = { ...weak, constraints: "prefer" };

  const engines: Record<string, DeviceEngine | undefined> = {
    full: await build("full", { kind: "full" }),
    "full, observed": await build("full, observed", { kind: "full" }, { tensors }),
    "weak, observed": await build("weak, observed", preferred, { tensors, preferHalf: true }),
    weak: await build("weak", weak),
    ...(argv.typed !== undefined && { typed: await build("typed", { kind: "typed" }, undefined, argv.typed) }),
    ...(argv.debug && {
      "full, debug": await build("full, debug", { kind: "full" }, { tensors: tensors.slice(0, Math.min(50, argv.observe)), how: "debug" }),
    }),
    ...(argv.debug && {
      "weak, debug": await build("weak, debug", weak, { tensors: tensors.slice(0, Math.min(50, argv.observe)), how: "debug" }),
    }),
  };

  const compared: Record<string, unknown> = {};
  const compare = async (title: string, a: string, b: string, names: readonly string[]) => {
    const [one, other] = [engines[a], engines[b]];
    if (one === undefined || other === undefined) return;
    for (const round of [1, 2]) {
      const found = await attempt(`compare ${title}, round ${round}`, () => backend.compare(one, other, feed, names));
      if (found === undefined) continue;
      const means = [...found.stats.values()].map(meanAbs).toSorted((x, y) => x - y);
      compared[`${title}, round ${round}`] = {
        tensors: found.stats.size,
        notCompared: found.notCompared.length,
        firstNotCompared: found.notCompared.slice(0, 5),
        seconds: found.seconds,
        medianOfMeanAbs: means[Math.floor(means.length / 2)],
        outputs: Object.fromEntries(outputs.flatMap((o) => (found.stats.has(o) ? [[o, short(found.stats.get(o) as ErrorStats)]] : []))),
      };
    }
  };
  await compare("all tensors", "full, observed", "weak, observed", tensors);
  await compare("outputs, full observed against full", "full", "full, observed", outputs);
  await compare("outputs, weak against full", "full", "weak", outputs);
  await compare("outputs, typed against full", "full", "typed", outputs);
  await compare("debug tensors", "full, debug", "weak, debug", tensors.slice(0, Math.min(50, argv.observe)));
  await compare("full with itself", "full", "full", outputs);

  const times: Record<string, unknown> = {};
  for (const name of ["full", "weak", "typed"]) {
    const engine = engines[name];
    if (engine === undefined) continue;
    for (const contexts of new Set([1, argv.contexts])) {
      const raw = await attempt(`time ${name}, ${contexts} contexts`, () =>
        engine.time(feed, { requests: argv.requests, warmup: 20, contexts }),
      );
      if (raw !== undefined) times[`${name}, ${contexts} contexts`] = { ...summariseLatency(raw, 20), perSecond: throughput(raw) };
    }
  }

  const described: Record<string, unknown> = {};
  for (const [name, engine] of Object.entries(engines)) {
    if (engine === undefined) continue;
    const layers = await attempt(`profile ${name}`, () => engine.layers(feed, 5));
    const computes: Record<string, number> = {};
    for (const layer of layers ?? []) computes[layer.computes] = (computes[layer.computes] ?? 0) + 1;
    described[name] = {
      buildSeconds: engine.buildSeconds,
      planBytes: engine.planBytes,
      outputs: engine.outputs.length,
      notObserved: engine.notObserved.length,
      firstNotObserved: engine.notObserved.slice(0, 5),
      inputs: engine.inputs,
      messages: engine.messages.length,
      warnings: engine.messages.filter((m) => m.severity !== "info").slice(0, 20),
      layers: layers?.length,
      timedLayers: layers?.filter((l) => l.milliseconds !== undefined).length,
      layersMilliseconds: layers?.reduce((sum, l) => sum + (l.milliseconds ?? 0), 0),
      computes,
    };
  }

  const full = engines.full;
  const values = full && (await attempt("run full", () => full.run(feed)));
  const plan = full && (await attempt("serialize full", () => full.serialize()));
  const result = {
    environment: backend.environment,
    model: path,
    tensors: tensors.length,
    profiles,
    engines: described,
    compared,
    times,
    outputs: [...(values ?? [])].map(([name, { dtype, dims }]) => ({ name, dtype, dims })),
    serialisedBytes: plan?.length,
    timingCacheThere: existsSync(timingCache),
    seconds,
    failures,
  };
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  await rm(timingCache, { force: true });
  if (failures.length > 0) process.exitCode = 4;
});
