import type { Command } from "../command.js";
import {
  jsonOption,
  precisionOption,
  type RunArguments,
  requireTolerance,
  runOptions,
  toleranceOption,
  workbenchOptions,
} from "../options.js";

interface Arguments extends RunArguments {
  model: string;
  json: boolean;
  tolerance: number;
  out: string;
  fresh: boolean;
  "every-site": boolean;
}

export const sweepCommand: Command<Arguments> = (context) => ({
  command: "sweep <model>",
  describe: "what each layer costs the final outputs",
  builder: (y) =>
    jsonOption(
      toleranceOption(
        precisionOption(runOptions(y.positional("model", { type: "string", demandOption: true, describe: "the .onnx file" }))),
      ),
    )
      .option("out", {
        requiresArg: true,
        alias: "o",
        type: "string",
        demandOption: true,
        describe: "results folder; a sweep that was stopped continues there",
      })
      .option("fresh", { type: "boolean", default: false, describe: "start anew, whatever the folder's journal holds" })
      .option("every-site", {
        type: "boolean",
        default: false,
        describe: "sweep every rounding by itself, also those that vanish together",
      })
      .example("$0 sweep bert-large.onnx -o results", "start, or continue after Ctrl-C"),
  handler: async (args) => {
    const tolerance = requireTolerance(args.tolerance);
    const { Workbench } = await import("../../pipeline/workbench.js");
    const { compareStep, withCompared } = await import("../../pipeline/compare-step.js");
    const { sweepStep } = await import("../../pipeline/sweep-step.js");
    const { newResult } = await import("../../pipeline/describe.js");
    const { openResultsFolder, saveResult } = await import("../../pipeline/results-folder.js");
    const { describeSensitivity } = await import("../describe-sensitivity.js");
    await openResultsFolder(args.out);
    using bench = await Workbench.open(args.model, workbenchOptions(args, context));
    const compared = await compareStep(bench);
    const sensitivity = await sweepStep(bench, compared.basePins, { folder: args.out, fresh: args.fresh, everySite: args["every-site"] });
    const result = { ...withCompared(newResult(bench, tolerance), compared), sensitivity };
    await saveResult(args.out, result);
    context.answer(
      args.json,
      () => result,
      () => describeSensitivity(result),
    );
    context.say(`\nNext: halfscope recommend ${args.out}`);
  },
});
