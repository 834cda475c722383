// What halfscope predicts of the hazard cases today, beside what engines did when they were measured: measurements stay, predictions are made anew. Runs on any machine:
//   node scripts/dist/hardware/predict-again.js reports/hardware/hazards-tensorrt.json [MORE.json ...]
import { join } from "node:path";
import { type EngineName, UsageError } from "@halfscope/core";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { hazardCases } from "./cases/index.js";
import { predict } from "./measuring/hazard-case.js";
import type { HazardsReport } from "./measuring/hazard-report.js";
import { endWell, withWorkFolder } from "./measuring/options.js";
import { readReport, writeReport } from "./measuring/report-file.js";
import { Studied } from "./measuring/studied.js";

const argv = await yargs(hideBin(process.argv))
  .scriptName("predict-again")
  .usage("$0 HAZARDS.json [MORE.json ...]")
  .demandCommand(1)
  .strict()
  .parse();

await endWell(() =>
  withWorkFolder(undefined, async (folder) => {
    for (const file of argv._.map(String)) {
      const report = (await readReport(file)) as HazardsReport;
      if (!Array.isArray(report.cases) || typeof report.like !== "string")
        throw new UsageError("ERR_OPTION", `${file} is no report of hazards.`, { hint: "Give a file that hazards wrote." });
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
      await writeReport(file, report);
      console.error(`${file}: ${report.cases.length} cases predicted, ${changed} with another outcome than before`);
    }
  }),
);
