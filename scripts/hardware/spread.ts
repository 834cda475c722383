// How far one measured error may lie from one prediction: where a model gives few numbers, a relative L2 hangs on how a few roundings fall, and another input gives
// another one. For every engine that `engines` measured, the same pins are emulated on inputs a little changed; is the measured error among theirs? Needs no GPU:
//   node scripts/dist/hardware/spread.js reports/hardware/trained-tensorrt.json --models MODELS -o reports/hardware/spread.json [--only magika,paddle]
import { existsSync } from "node:fs";
import { join } from "node:path";
import { switchesFromPlan } from "@halfscope/precision";
import { version } from "halfscope";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import type { EngineEntry, EnginesReport, ModelEntry } from "./engines.js";
import { feedsBeside } from "./measuring/feeds-beside.js";
import { quantileOf } from "./measuring/latency.js";
import { endWell } from "./measuring/options.js";
import { perturbed } from "./measuring/perturb.js";
import { commandLine, readReport, short, writeReport } from "./measuring/report-file.js";
import { advisedPins } from "./measuring/settings.js";
import { likeOf, Studied } from "./measuring/studied.js";

/** Errors are relative L2 of the worst final output. */
export interface SpreadEntry {
  model: string;
  /** "TensorRT 10.6.0". */
  engine: string;
  title: string;
  pins: number;
  measuredError: number;
  /** On the sample itself. */
  predictedError: number;
  /** Predicted on the changed inputs, in ascending order. */
  draws: readonly number[];
  p5: number;
  p50: number;
  p95: number;
  /** Whether the measured error lies between p5 and p95. */
  inside: boolean;
}

export interface SpreadReport {
  schema: "halfscope/hardware/spread/1";
  command: string;
  halfscope: string;
  noise: number;
  draws: number;
  entries: SpreadEntry[];
  failed: { model: string; reason: string }[];
  /** Models measured on made-up inputs: there is no real sample to stay near to. */
  leftOut: string[];
}

const argv = await yargs(hideBin(process.argv))
  .scriptName("spread")
  .usage("$0 ENGINES.json [MORE.json ...] --models FOLDER -o OUT.json")
  .demandCommand(1)
  .options({
    out: { alias: "o", type: "string", demandOption: true, describe: "JSON file to write, under reports/hardware" },
    models: { type: "string", demandOption: true, describe: "folder with NAME/model.onnx and the real inputs beside it" },
    only: { type: "string", describe: "models by parts of their names, apart by commas" },
    draws: { type: "number", default: 32, describe: "changed inputs for each model" },
    noise: {
      type: "number",
      default: 1e-3,
      describe: "how much an input is changed: noise over its root mean square, share of the integers",
    },
  })
  .strict()
  .wrap(120)
  .parse();

/** Pins of an engine that a report names by role alone; undefined where they cannot be told from it. */
async function pinsOf(
  studied: Studied,
  { recommendedPins }: ModelEntry,
  { role, pins }: EngineEntry,
): Promise<readonly string[] | undefined> {
  const wanted =
    role === "all-half" ? [] : role === "recommended" ? recommendedPins : role === "guides" ? await advisedPins(studied) : undefined;
  return wanted?.length === pins ? wanted : undefined;
}

async function entriesOf(report: EnginesReport, model: ModelEntry): Promise<SpreadEntry[]> {
  const path = join(argv.models, model.model, "model.onnx");
  using studied = await Studied.open(path, { like: likeOf(report.environment.backend), feeds: feedsBeside(path) });
  const { bench } = studied;
  if (bench.model.digest !== model.digest) throw new Error("it is not the model that was measured");
  const { roundings } = await bench.subject();
  const feeds = Array.from({ length: argv.draws }, (_, i) => perturbed(studied.feed, argv.noise, i + 1));
  const entries: SpreadEntry[] = [];
  for (const engine of model.engines) {
    const { measuredError, typing, title } = engine;
    if (measuredError === undefined || !Number.isFinite(measuredError) || typing !== "typed") continue;
    const pins = await pinsOf(studied, model, engine);
    if (pins === undefined) continue;
    const switches = switchesFromPlan(studied.plan(pins), roundings);
    const errorOn = async (feed: typeof studied.feed) => short((await bench.evaluator(feed)(switches)).error);
    const predictedError = await errorOn(studied.feed);
    const draws: number[] = [];
    for (const feed of feeds) draws.push(await errorOn(feed));
    draws.sort((a, b) => a - b);
    const [p5, p50, p95] = [quantileOf(draws, 0.05), quantileOf(draws, 0.5), quantileOf(draws, 0.95)];
    const about = { model: model.model, engine: `${report.environment.library} ${report.environment.version}`, title, pins: pins.length };
    const inside = measuredError >= p5 && measuredError <= p95;
    entries.push({ ...about, measuredError, predictedError, draws, p5, p50, p95, inside });
    console.error(
      `${about.engine}, ${model.model}, ${title}: measured ${measuredError}, predicted ${predictedError}; 5 % ${p5}, 50 % ${p50}, 95 % ${p95}: ${inside ? "inside" : "OUTSIDE"}`,
    );
  }
  return entries;
}

await endWell(async () => {
  const parts = argv.only?.split(",");
  const about = { command: commandLine(), halfscope: version, noise: argv.noise, draws: argv.draws };
  const report: SpreadReport = { schema: "halfscope/hardware/spread/1", ...about, entries: [], failed: [], leftOut: [] };
  for (const file of argv._.map(String)) {
    const measured = (await readReport(file)) as EnginesReport;
    for (const model of measured.models.filter((m) => parts?.some((part) => m.model.includes(part)) ?? true)) {
      if (model.inputs.some((i) => i.origin !== "a real sample")) {
        if (!report.leftOut.includes(model.model)) report.leftOut.push(model.model);
        console.error(`${model.model}: left out, measured on made-up inputs`);
        continue;
      }
      try {
        if (!existsSync(join(argv.models, model.model))) throw new Error(`there is no ${model.model} in ${argv.models}`);
        report.entries.push(...(await entriesOf(measured, model)));
      } catch (error) {
        const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
        report.failed.push({ model: model.model, reason });
        process.exitCode = 4;
        console.error(`${model.model}: ${reason}`);
      }
      await writeReport(argv.out, report);
    }
  }
});
