import { UsageError } from "@halfscope/core";
import type { ExportFormat } from "../../pipeline/export.js";
import type { Command } from "../command.js";
import { jsonOption } from "../options.js";

interface Arguments {
  folder: string;
  to: string[];
  out?: string | undefined;
  model?: string | undefined;
  feed?: string[] | undefined;
  threads?: number | undefined;
  json: boolean;
}

const formats = "ort, autocast, polygraphy, trtexec-8.6, trtexec-10, trtexec-11, netron, model-explorer";

export const exportCommand: Command<Arguments> = (context) => ({
  command: "export <folder>",
  describe: "the plan and its measurements in other tools' formats",
  builder: (y) =>
    jsonOption(y.positional("folder", { type: "string", demandOption: true, describe: "results folder of debug, recommend or compare" }))
      .option("to", {
        type: "string",
        array: true,
        requiresArg: true,
        demandOption: true,
        describe: `${formats}; several with commas or spaces`,
      })
      .option("out", { requiresArg: true, alias: "o", type: "string", describe: "folder to write, a folder per format [FOLDER/exports]" })
      .option("model", { requiresArg: true, type: "string", describe: "the .onnx file, when it is no longer where it was measured" })
      .option("feed", {
        type: "string",
        array: true,
        requiresArg: true,
        describe: "the inputs that were measured, for polygraphy and trtexec; made-up ones are made again",
      })
      .option("threads", { type: "number", requiresArg: true, describe: "threads inside one operator [cores, at most 8]" })
      .example("$0 export results --to ort,autocast", "node lists for other converters")
      .example("$0 export results --to trtexec-10 -o for-trt", "flags and raw inputs in a script")
      .example("$0 export results --to trtexec-11", "the mixed model, for TensorRT 11 or 10 strongly typed")
      .example("$0 export results --to netron,model-explorer", "errors to look at on the graph"),
  handler: async (args) => {
    const { exportFormats, exportPlan } = await import("../../pipeline/export.js");
    const { describeExports } = await import("../describe-exports.js");
    const wanted = [...new Set(args.to.flatMap((t) => t.split(",")).map((f) => f.trim()))];
    const unknown = wanted.find((f) => !exportFormats.includes(f as ExportFormat));
    if (unknown !== undefined)
      throw new UsageError("ERR_OPTION", `--to needs one or more of ${formats}, found "${unknown}".`, {
        hint: "For instance --to ort,trtexec-10.",
      });
    if (args.threads !== undefined && !(Number.isSafeInteger(args.threads) && args.threads >= 1))
      throw new UsageError("ERR_OPTION", `--threads needs a whole number of at least 1, found ${args.threads}.`, {
        hint: "For instance --threads 2.",
      });
    const exported = await exportPlan(args.folder, {
      formats: wanted as ExportFormat[],
      out: args.out,
      model: args.model,
      feeds: args.feed,
      threads: args.threads,
      progress: context.progress,
      signal: context.signal,
    });
    context.answer(
      args.json,
      () => ({ schema: "halfscope/export/1", exports: exported }),
      () => describeExports(exported),
    );
  },
});
