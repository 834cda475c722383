import type { Command } from "../command.js";
import { type JudgeArguments, judgeFrom, judgeOptions } from "../judge-options.js";
import {
  jsonOption,
  precisionOption,
  type RunArguments,
  requireTolerance,
  runOptions,
  toleranceOption,
  workbenchOptions,
} from "../options.js";
import { type SweepArguments, sweepFrom, sweepOptions, withSweptSamples } from "../sweep-options.js";

interface Arguments extends RunArguments, JudgeArguments, SweepArguments {
  model: string;
  json: boolean;
  tolerance: number;
  out: string;
  fresh: boolean;
  "every-site": boolean;
  shard?: string | undefined;
}

export const sweepCommand: Command<Arguments> = (context) => ({
  command: "sweep <model>",
  describe: "what each layer costs the final outputs",
  builder: (y) =>
    jsonOption(
      sweepOptions(
        judgeOptions(
          toleranceOption(
            precisionOption(runOptions(y.positional("model", { type: "string", demandOption: true, describe: "the .onnx file" }))),
          ),
        ),
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
      .option("shard", {
        type: "string",
        requiresArg: true,
        describe: "sweep one of several parts, as 2/3; other machines sweep the others, merge makes them one",
      })
      .example("$0 sweep bert-large.onnx -o results", "start, or continue after Ctrl-C")
      .example("$0 sweep bert-large.onnx -o results --adaptive", "a quarter of the time, small costs estimated")
      .example("$0 sweep model.onnx -o results --feed samples.npz --metric words.mjs", "real inputs, judged by a module of your own")
      .example("$0 sweep bert-large.onnx -o part-2 --shard 2/3", "the second of three machines"),
  handler: async (args) => {
    const tolerance = requireTolerance(args.tolerance);
    const { Workbench } = await import("../../pipeline/workbench.js");
    const { compareStep, withCompared } = await import("../../pipeline/compare-step.js");
    const { sweepStep } = await import("../../pipeline/sweep-step.js");
    const { newResult } = await import("../../pipeline/describe.js");
    const { openResultsFolder, saveResult } = await import("../../pipeline/results-folder.js");
    const { withSweep } = await import("../../pipeline/sweep-part.js");
    const { describeSensitivity } = await import("../describe-sensitivity.js");
    const { parseShard } = await import("@halfscope/analysis");
    const shard = args.shard === undefined ? undefined : parseShard(args.shard);
    await openResultsFolder(args.out);
    using bench = await Workbench.open(args.model, {
      ...withSweptSamples(workbenchOptions(args, context), args),
      ...(await judgeFrom(args)),
    });
    const compared = await compareStep(bench);
    const { basePins } = compared;
    const measured = withCompared(newResult(bench, tolerance), compared);
    // Saved before the sweep: a merge needs it, also of a part that was stopped.
    if (shard !== undefined) await saveResult(args.out, { ...measured, part: { shard: `${shard.index}/${shard.of}`, basePins } });
    const timings: Record<string, number> = {};
    const sensitivity = await sweepStep(bench, basePins, {
      ...sweepFrom(args),
      folder: args.out,
      fresh: args.fresh,
      everySite: args["every-site"],
      shard,
      tolerance,
      timings,
    });
    const result = withSweep({ ...measured, timings }, sensitivity, basePins, shard && `${shard.index}/${shard.of}`);
    await saveResult(args.out, result);
    context.answer(
      args.json,
      () => result,
      () => describeSensitivity(result),
    );
    context.say(
      result.part === undefined
        ? `\nNext: halfscope recommend ${args.out}`
        : `\nNext: halfscope merge ${args.out} and the folders of the other parts -o RESULTS`,
    );
  },
});
