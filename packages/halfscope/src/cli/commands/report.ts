import { join } from "node:path";
import type { Command } from "../command.js";
import { jsonOption } from "../options.js";

interface Arguments {
  folder: string;
  out?: string | undefined;
  json: boolean;
}

export const reportCommand: Command<Arguments> = (context) => ({
  command: "report <folder>",
  describe: "write report.html from saved results",
  builder: (y) =>
    jsonOption(y.positional("folder", { type: "string", demandOption: true, describe: "results folder" }))
      .option("out", { requiresArg: true, alias: "o", type: "string", describe: "file to write [FOLDER/report.html]" })
      .example("$0 report results", "needs no GPU, no addon and no model"),
  handler: async (args) => {
    const { loadResult, resultFiles, writeTextFile } = await import("../../pipeline/results-folder.js");
    const { renderHtml } = await import("@halfscope/report");
    const path = args.out ?? join(args.folder, resultFiles.report);
    await writeTextFile(path, renderHtml(await loadResult(args.folder)));
    context.answer(
      args.json,
      () => ({ schema: "halfscope/report/1", path }),
      () => path,
    );
  },
});
