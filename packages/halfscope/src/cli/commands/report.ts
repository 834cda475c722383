import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "@halfscope/core";
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
    jsonOption(y.positional("folder", { type: "string", demandOption: true, describe: "results folder of debug or sweep, or of bench -o" }))
      .option("out", {
        requiresArg: true,
        alias: "o",
        type: "string",
        describe: "file to write [FOLDER/report.html; of a benchmark FOLDER/bench.html]",
      })
      .example("$0 report results", "needs no GPU, no addon and no model"),
  handler: async (args) => {
    const { loadResult, resultFiles, writeTextFile } = await import("../../pipeline/results-folder.js");
    const { benchFiles, loadBench } = await import("../../pipeline/bench-files.js");
    const { renderBenchHtml, renderHtml } = await import("@halfscope/report");
    const written: string[] = [];
    const write = async (path: string, text: string) => {
      await writeTextFile(path, text);
      written.push(path);
    };
    const bench = await loadBench(args.folder);
    if (bench === undefined && existsSync(args.folder) && !existsSync(join(args.folder, resultFiles.result)))
      throw new UsageError("ERR_FILE_NOT_FOUND", `${args.folder} holds neither ${resultFiles.result} nor ${benchFiles.document}.`, {
        hint: "Give a folder that `halfscope debug`, `halfscope sweep` or `halfscope bench -o` wrote.",
      });
    if (bench === undefined || existsSync(join(args.folder, resultFiles.result))) {
      const result = await loadResult(args.folder);
      await write(args.out ?? join(args.folder, resultFiles.report), renderHtml(result));
    }
    // A folder may hold both; -o names one file, and that is the report's.
    if (bench !== undefined && (written.length === 0 || args.out === undefined))
      await write(args.out ?? join(args.folder, benchFiles.page), renderBenchHtml(bench));
    const [path = "", ...others] = written;
    context.answer(
      args.json,
      () => ({ schema: "halfscope/report/1", path, ...(others.length > 0 && { others }) }),
      () => written.join("\n"),
    );
  },
});
