// What halfscope predicts today, beside what engines did when they were measured: measurements stay, predictions are made anew. For files of hazards and of engines; the models
// of the latter lie in --models, as all.mjs has them. Runs on any machine:
//   node scripts/dist/hardware/predict-again.js reports/hardware/hazards-*.json reports/hardware/small-*.json --models MODELS
import { join } from "node:path";
import { type EngineName, UsageError } from "@halfscope/core";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { hazardCases } from "./cases/index.js";
import type { EnginesReport } from "./engines.js";
import { predict } from "./measuring/hazard-case.js";
import type { HazardsReport } from "./measuring/hazard-report.js";
import { endWell, withWorkFolder } from "./measuring/options.js";
import { predictEngines } from "./measuring/predict-engines.js";
import { readReport, writeReport } from "./measuring/report-file.js";
import { Studied } from "./measuring/studied.js";

const argv = await yargs(hideBin(process.argv))
  .scriptName("predict-again")
  .usage("$0 HAZARDS.json ENGINES.json ... [--models MODELS]")
  .demandCommand(1)
  .option("models", { type: "string", describe: "folder of models, NAME/model.onnx: for files of engines" })
  .strict()
  .parse();

async function predictHazards(report: HazardsReport, folder: string, file: string): Promise<string> {
  let changed = 0;
  for (const entry of report.cases) {
    const found = hazardCases.find((c) => c.id === entry.id);
    if (found === undefined) throw new UsageError("ERR_OPTION", `${file} has a case that is not known any more: ${entry.id}.`);
    const path = await found.make().write(join(folder, report.like, entry.id));
    using studied = await Studied.open(path, {
      like: report.like as EngineName,
      feeds: [join(folder, report.like, entry.id, "test_data_set_0")],
    });
    const { predictedPlain, ...predicted } = await predict(studied);
    if (predicted.predicted?.outcome !== entry.predicted?.outcome) changed++;
    delete entry.keptFull;
    Object.assign(entry, predicted, found.constantsMatter && { predictedPlain });
  }
  return `${report.cases.length} cases predicted, ${changed} with another outcome than before`;
}

async function again(report: Partial<HazardsReport & EnginesReport>, folder: string, file: string): Promise<string> {
  if (Array.isArray(report.cases) && typeof report.like === "string") return predictHazards(report as HazardsReport, folder, file);
  if (!Array.isArray(report.models) || !Array.isArray(report.verdicts))
    throw new UsageError("ERR_OPTION", `${file} is no report of hazards or engines.`, {
      hint: "Give a file that hazards or engines wrote.",
    });
  if (argv.models === undefined)
    throw new UsageError("ERR_OPTION", `${file} is about models that are not in it.`, { hint: "Name their folder with --models." });
  const { engines, left } = await predictEngines(report as EnginesReport, argv.models);
  return `${engines} engines predicted${left.length === 0 ? "" : `; not there, or another model: ${left.join(", ")}`}`;
}

await endWell(() =>
  withWorkFolder(undefined, async (folder) => {
    for (const file of argv._.map(String)) {
      const report = (await readReport(file)) as object;
      const said = await again(report, folder, file);
      await writeReport(file, report);
      console.error(`${file}: ${said}`);
    }
  }),
);
