// What engines of a model cost and give: FP32, all FP16 (typed and weak), the recommended pins, and what guides to FP16 advise. For each the error of the final
// outputs, predicted and measured, the latency and the time of the build; and whether the predicted verdict is the measured one. Run it on a machine with a GPU:
//   node scripts/dist/hardware/engines.js MODEL.onnx [MORE.onnx ...] -o reports/hardware/engines.json [--shape input_ids=1x128 ...] [--overrides PINS]
// Pins may be found before, on any machine: --pins-only writes PINS/NAME.json for each model.
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fusedAttentions, OutputJudge, paddingMasks } from "@halfscope/analysis";
import { type EngineLayer, isTensorValue, type TensorValue, type Typing } from "@halfscope/core";
import { type DeviceBackend, type DeviceEngine, halfTimeShare } from "@halfscope/engine";
import { formatOverrides, overridesFromPlan, switchesFromPlan } from "@halfscope/precision";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { feedsBeside } from "./measuring/feeds-beside.js";
import { type Latency, timeInTurn } from "./measuring/latency.js";
import { openEngine } from "./measuring/open-engine.js";
import { commonOptions, endWell, shapeOf, withWorkFolder } from "./measuring/options.js";
import { type Outcome, refusal, warningsIn } from "./measuring/outcome.js";
import { countProofs, type PinCounts } from "./measuring/proofs.js";
import { type ReportHead, reportHead, short, writeReport } from "./measuring/report-file.js";
import { findPins, type Setting, settingsOf } from "./measuring/settings.js";
import { buildOptions, likeOf, Studied } from "./measuring/studied.js";
import { rounded, type VerdictPair, verdictPairs } from "./measuring/verdicts.js";

export interface EngineEntry {
  role: Setting["role"] | "reference";
  title: string;
  typing: Typing | "full";
  pins: number;
  /** How a weakly typed engine was told of its pins; without it, in files of before, the builder was asked to prefer them. */
  constraints?: "obey";
  buildSeconds?: number;
  planBytes?: number;
  /** Relative L2 of the worst final output against the FP32 engine's, padding left out; Infinity when not finite. */
  measuredError?: number;
  /** Largest difference of a final output. */
  maxAbs?: number;
  predictedError?: number;
  /** Predicted as if every product summed in FP32, where `--like` sums in FP16: kernels are chosen by timing, and some of them do. Made by predict-again. */
  predictedFullSums?: number;
  latency?: Latency;
  /** Engine layers, how many of them are a fused attention, and the share of the profiled time in FP16. */
  layers?: { count: number; fusedAttention?: number; halfTimeShare?: number };
  /** Pins by whether they are in the engine, where it tells of its layers. */
  proofs?: PinCounts;
  warnings?: ReturnType<typeof warningsIn>;
  refused?: Outcome;
}

export interface ModelEntry {
  model: string;
  digest: string;
  inputs: readonly { name: string; dims: readonly number[]; origin: string }[];
  tolerance: number;
  recommendedPins: readonly string[];
  engines: EngineEntry[];
}

export interface EnginesReport extends ReportHead {
  models: ModelEntry[];
  verdicts: VerdictPair[];
  failed: { model: string; reason: string }[];
}

const argv = await commonOptions(yargs(hideBin(process.argv)))
  .scriptName("engines")
  .usage("$0 MODEL.onnx [MORE.onnx ...] -o OUT.json")
  .demandCommand(1)
  .options({
    shape: {
      type: "string",
      array: true,
      default: [] as string[],
      describe: "INPUT=AxBxC, repeatable; for every model that has the input",
    },
    overrides: {
      type: "string",
      describe: "folder with NAME.json: recommended pins of models [overrides.json beside the model, else a sweep]",
    },
    "pins-only": { type: "boolean", default: false, describe: "write recommended pins into the folder that -o names, without an engine" },
    tolerance: { type: "number", default: 0.01, describe: "relative L2 that recommended pins must meet" },
    typings: { type: "string", default: "typed,weak", describe: "typed, weak or both" },
    rules: { type: "boolean", default: false, describe: "each rule of the guides by itself, too" },
    requests: { type: "number", default: 100, describe: "timed requests per engine and round" },
  })
  .parse();

/** Inputs of a model that a --shape names. */
const shapes = Object.fromEntries(argv.shape.map(shapeOf));

function overridesOf(name: string, path: string): string | undefined {
  const files = [...(argv.overrides === undefined ? [] : [join(argv.overrides, `${name}.json`)]), join(dirname(path), "overrides.json")];
  return files.find(existsSync);
}

const layerSummary = (layers: readonly EngineLayer[] | undefined): Pick<EngineEntry, "layers"> => {
  if (layers === undefined) return {};
  const [fused, share] = [fusedAttentions(layers), halfTimeShare(layers)];
  return {
    layers: {
      count: layers.length,
      ...(fused !== undefined && { fusedAttention: fused }),
      ...(share !== undefined && { halfTimeShare: short(share) }),
    },
  };
};

/** Engines that live until all are timed in turn. */
class KeptEngines implements AsyncDisposable {
  private readonly engines: DeviceEngine[] = [];
  keep(engine: DeviceEngine): DeviceEngine {
    this.engines.push(engine);
    return engine;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const engine of this.engines) await engine[Symbol.asyncDispose]();
  }
}

/** Final outputs of an engine. */
const outputsOf = (engine: DeviceEngine, studied: Studied, outputs: readonly string[]): Promise<Map<string, TensorValue>> =>
  engine.run(studied.feed, { fetch: outputs });

async function measureModel(
  backend: DeviceBackend,
  path: string,
  folder: string,
  report: EnginesReport,
  save: () => Promise<void>,
): Promise<void> {
  const like = likeOf(argv.engine);
  const feeds = feedsBeside(path);
  using studied = await Studied.open(path, { like, shapes, feeds, samples: 2 });
  const { bench } = studied;
  const known = backend.environment.capabilities.typings;
  const wanted = known.filter((t) => argv.typings.split(",").includes(t));
  // TensorRT 8.6 has weak typing only, 11 strong typing only: what there is answers the question too.
  const typings = wanted.length > 0 ? wanted : known;
  const { settings, recommended } = await settingsOf(studied, {
    typings,
    overrides: overridesOf(studied.name, path),
    tolerance: argv.tolerance,
    rules: argv.rules,
  });
  const entry: ModelEntry = {
    model: studied.name,
    digest: bench.model.digest,
    inputs: [...studied.feed.tensors].flatMap(([name, value]) =>
      isTensorValue(value)
        ? [{ name, dims: value.dims, origin: feeds.length > 0 ? "a real sample" : (studied.feed.origins.get(name) ?? "made up") }]
        : [],
    ),
    tolerance: argv.tolerance,
    recommendedPins: recommended,
    engines: [],
  };
  report.models.push(entry);

  await using alive = new KeptEngines();
  const timed = new Map<string, DeviceEngine>();
  const profiles = studied.profiles();
  const options = buildOptions(argv);
  const outputs = await studied.floatOutputs();
  const reference = alive.keep(
    await backend.build({ label: `${studied.name}, FP32`, path, precision: { kind: "full" }, profiles, options }),
  );
  const expected = await outputsOf(reference, studied, outputs);
  const judge = new OutputJudge(expected, { outputs, masks: paddingMasks(studied.feed.tensors) });
  timed.set("0", reference);
  entry.engines.push({
    ...{
      role: "reference",
      title: "FP32, TF32 off",
      typing: "full",
      pins: bench.layers.length,
      buildSeconds: short(reference.buildSeconds),
    },
    ...(reference.planBytes !== undefined && { planBytes: reference.planBytes }),
    ...layerSummary(await reference.layers(studied.feed, 10)),
  });
  await save();

  const evaluate = bench.evaluator();
  const { roundings } = await bench.subject();
  for (const [i, setting] of settings.entries()) {
    const { role, title, typing, pins } = setting;
    const obey = typing === "weak" && pins.length > 0;
    const about: EngineEntry = { role, title, typing, pins: pins.length, ...(obey && { constraints: "obey" }) };
    entry.engines.push(about);
    const predicted = await evaluate(switchesFromPlan(studied.plan(pins), roundings));
    about.predictedError = short(predicted.error);
    try {
      const file = typing === "typed" ? await studied.halfFile(join(folder, studied.name), `engine-${i}`, pins) : path;
      const engine = alive.keep(
        await backend.build({
          label: `${studied.name}, ${title}, ${typing}`,
          path: file,
          precision:
            typing === "typed"
              ? { kind: "typed" }
              : { kind: "weak", half: "float16", pins: await studied.weakPins(pins), constraints: obey ? "obey" : "none" },
          profiles,
          options,
        }),
      );
      const layers = await engine.layers(studied.feed, 10);
      const measured = await judge.judge(await outputsOf(engine, studied, outputs));
      Object.assign(about, {
        ...{ buildSeconds: short(engine.buildSeconds), measuredError: short(measured.error), maxAbs: short(measured.maxAbs) },
        ...(engine.planBytes !== undefined && { planBytes: engine.planBytes }),
        ...layerSummary(layers),
        ...(layers !== undefined && pins.length > 0 && { proofs: await countProofs(layers, file, studied, pins, typing) }),
        warnings: warningsIn(engine.messages),
      });
      timed.set(String(entry.engines.length - 1), engine);
      report.verdicts.push(...verdictPairs(studied.name, `${title}, ${typing}`, predicted.error, measured.error).map(rounded));
      console.error(
        `${studied.name}, ${title}, ${typing}: ${engine.buildSeconds.toFixed(1)} s, error ${measured.error.toPrecision(3)}, predicted ${predicted.error.toPrecision(3)}`,
      );
    } catch (error) {
      about.refused = refusal(error);
      console.error(`${studied.name}, ${title}, ${typing}: ${about.refused.reason}`);
    }
    await save();
  }
  for (const [i, latency] of await timeInTurn(timed, studied.feed, { requests: argv.requests }))
    Object.assign(entry.engines[Number(i)] ?? {}, { latency });
  await save();
}

/** Recommended pins as overrides files, for a machine whose time is dear. */
async function writePins(path: string): Promise<void> {
  using studied = await Studied.open(path, { like: likeOf(argv.engine), shapes, feeds: feedsBeside(path), samples: 2 });
  const pins = await findPins(studied, argv.tolerance);
  const file = join(argv.out, `${studied.name}.json`);
  const note = `for ${argv.engine}, tolerance ${argv.tolerance}`;
  await mkdir(argv.out, { recursive: true });
  await writeFile(file, formatOverrides(overridesFromPlan(studied.plan(pins), { note })));
  console.error(`${file}: ${pins.length} pins`);
}

await endWell(() =>
  withWorkFolder(argv.work, async (folder) => {
    if (argv["pins-only"]) {
      for (const path of argv._.map(String)) await writePins(path);
      return;
    }
    await using backend = await openEngine(argv);
    const report: EnginesReport = { ...reportHead("engines", backend.environment, argv), models: [], verdicts: [], failed: [] };
    const save = () => writeReport(argv.out, report);
    for (const path of argv._.map(String)) {
      try {
        await measureModel(backend, path, folder, report, save);
      } catch (error) {
        // One model that cannot be measured must not cost the others' results; it is named among them.
        report.failed.push({
          model: path.split("/").slice(-2).join("/"),
          reason: error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error),
        });
        process.exitCode = 4;
        console.error(`${path}: ${report.failed.at(-1)?.reason}`);
        await save();
      }
    }
    const agreed = report.verdicts.filter((v) => v.agrees).length;
    console.error(
      `${argv.out}: ${report.models.length} models, verdict predicted = measured for ${agreed} of ${report.verdicts.length} pairs`,
    );
  }),
);
