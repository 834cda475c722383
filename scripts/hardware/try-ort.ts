// A first look at ONNX Runtime's providers for GPUs: builds a model's FP32 and all-FP16 engines with all float tensors observed and without, compares, times, and
// says what ran where, as JSON. What fails is said in its place, and the rest goes on. Run it after `npm run build`:
//   HALFSCOPE_ORT_LIBRARY=.../onnxruntime/capi/libonnxruntime.so.1.30.0 HALFSCOPE_CUDA_LIBRARIES=.../site-packages/nvidia \
//     node scripts/dist/hardware/try-ort.js MODEL.onnx [--engine ort-cuda --engine ort-tensorrt] [--shape input_ids=1x128 ...] [--typed MIXED.onnx]
import { type BackendName, type ErrorStats, HalfscopeError, meanAbs, relativeL2 } from "@halfscope/core";
import {
  type DeviceBackend,
  type DeviceBuildRequest,
  type DeviceEngine,
  openBackend,
  summariseLatency,
  throughput,
} from "@halfscope/engine";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { endWell, shapeOf, withWorkFolder } from "./measuring/options.js";
import { Studied } from "./measuring/studied.js";

const argv = await yargs(hideBin(process.argv))
  .scriptName("try-ort")
  .usage("$0 MODEL.onnx\n\nFP32 and FP16 engines of ONNX Runtime, observed and not, compared and timed; JSON on standard output.")
  .demandCommand(1, 1)
  .options({
    engine: {
      choices: ["ort-cuda", "ort-tensorrt", "ort-cpu"] as const,
      array: true,
      default: ["ort-cuda", "ort-tensorrt"] as BackendName[],
      describe: "providers to try; ort-cpu rehearses",
    },
    shape: { type: "string", array: true, default: [] as string[], describe: "INPUT=AxBxC, repeatable" },
    feed: { type: "string", array: true, default: [] as string[], describe: "files as --feed of halfscope takes them [made up]" },
    typed: { type: "string", describe: "file that states its types [made: all FP16]" },
    requests: { type: "number", default: 200, describe: "timed requests" },
    contexts: { type: "number", default: 2, describe: "requests at once" },
    tensors: { type: "boolean", default: false, describe: "figures of every tensor, not of the outputs alone" },
  })
  .strict()
  .wrap(120)
  .parse();

const short = (stats: ErrorStats) => ({
  count: stats.count,
  maxAbs: stats.maxAbs,
  meanAbs: meanAbs(stats),
  relativeL2: relativeL2(stats),
  nonFiniteMismatch: stats.nonFiniteMismatch,
});

/** Steps of one provider: each has its time, and its failure is told and is not the end. */
class Steps {
  readonly seconds: Record<string, number> = {};
  readonly failures: { step: string; code: string; message: string; hint: string | undefined }[] = [];
  constructor(private readonly title: string) {}

  async attempt<T>(step: string, work: () => Promise<T>): Promise<T | undefined> {
    const start = performance.now();
    process.stderr.write(`${this.title}: ${step} ...\n`);
    try {
      return await work();
    } catch (error) {
      const known = error instanceof HalfscopeError ? error : undefined;
      const message = error instanceof Error ? error.message : String(error);
      process.stderr.write(`  FAILED: ${message}\n`);
      this.failures.push({ step, code: known?.code ?? "", message, hint: known?.hint });
      return undefined;
    } finally {
      this.seconds[step] = Math.round(performance.now() - start) / 1000;
    }
  }
}

async function tryProvider(name: BackendName, studied: Studied, typed: string): Promise<object> {
  const steps = new Steps(name);
  const attempt = steps.attempt.bind(steps);
  const backend = await attempt("open", () => openBackend(name));
  if (backend === undefined) return { seconds: steps.seconds, failures: steps.failures };
  await using opened: DeviceBackend = backend;
  const tensors = await studied.floatTensors();
  const outputs = await studied.floatOutputs();
  const { feed, path } = studied;
  const profiles = studied.profiles();
  const build = (label: string, more: Partial<DeviceBuildRequest>) =>
    attempt(`build ${label}`, () => opened.build({ label, path, precision: { kind: "full" }, profiles, ...more }));
  const half = { path: typed, precision: { kind: "typed" } } as const;
  const engines: Record<string, DeviceEngine | undefined> = {
    full: await build("full", {}),
    typed: await build("typed", half),
    "full, observed": await build("full, observed", { observe: { tensors } }),
    "typed, observed": await build("typed, observed", { ...half, observe: { tensors } }),
    ...(name !== "ort-cpu" && { "full, TF32": await build("full, TF32", { options: { tf32: true } }) }),
  };

  const compared: Record<string, unknown> = {};
  const compare = async (title: string, a: string, b: string, names: readonly string[]) => {
    const [left, right] = [engines[a], engines[b]];
    if (left === undefined || right === undefined) return;
    const found = await attempt(`compare ${title}`, () => opened.compare(left, right, feed, names));
    if (found === undefined) return;
    const shown = argv.tensors ? [...found.stats.keys()] : outputs.filter((o) => found.stats.has(o));
    compared[title] = {
      compared: found.stats.size,
      notCompared: found.notCompared.length,
      reasons: [...new Set(found.notCompared.map((n) => n.reason))].slice(0, 10),
      seconds: found.seconds,
      stats: Object.fromEntries(shown.map((t) => [t, short(found.stats.get(t) as ErrorStats)])),
    };
  };
  await compare("reference with itself", "full, observed", "full, observed", tensors);
  await compare("all tensors, FP16 against FP32", "full, observed", "typed, observed", tensors);
  await compare("again, with everything warm", "full, observed", "typed, observed", tensors);
  await compare("outputs, FP16 against FP32, nothing observed", "full", "typed", outputs);
  await compare("what observing changes, FP32", "full", "full, observed", outputs);
  await compare("what observing changes, FP16", "typed", "typed, observed", outputs);
  await compare("what TF32 changes", "full", "full, TF32", outputs);

  const times: Record<string, unknown> = {};
  for (const title of ["full", "typed"])
    for (const contexts of new Set([1, argv.contexts])) {
      const raw = await attempt(`time ${title}, ${contexts} at once`, async () =>
        engines[title]?.time(feed, { warmup: 20, requests: argv.requests, contexts }),
      );
      if (raw !== undefined) times[`${title}, ${contexts} at once`] = { ...summariseLatency(raw, 20), perSecond: throughput(raw) };
    }

  const described = Object.entries(engines).map(([title, engine]) => [
    title,
    engine && {
      buildSeconds: engine.buildSeconds,
      inputs: engine.inputs,
      outputs: engine.outputs.length,
      notObserved: engine.notObserved.length,
      placement: engine.placement,
      messages: engine.messages.slice(0, 40),
    },
  ]);
  return {
    environment: opened.environment,
    tensors: tensors.length,
    profiles,
    engines: Object.fromEntries(described),
    compared,
    times,
    seconds: steps.seconds,
    failures: steps.failures,
  };
}

await endWell(() =>
  withWorkFolder(undefined, async (folder) => {
    using studied = await Studied.open(String(argv._[0]), {
      like: "ort-cuda",
      shapes: Object.fromEntries(argv.shape.map(shapeOf)),
      feeds: argv.feed,
    });
    const typed = argv.typed ?? (await studied.halfFile(folder, "all-half", []));
    const results: Record<string, object> = {};
    for (const name of argv.engine) results[name] = await tryProvider(name, studied, typed);
    process.stdout.write(`${JSON.stringify({ model: studied.name, node: process.version, results }, undefined, 2)}\n`);
    if (Object.values(results).some((r) => (r as { failures: unknown[] }).failures.length > 0)) process.exitCode = 4;
  }),
);
