import { exitCodes } from "@halfscope/core";
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
  by: "relative" | "max" | "mean";
  out?: string | undefined;
  observe?: string[] | undefined;
}

export const compareCommand: Command<Arguments> = (context) => ({
  command: "compare <model>",
  describe: "one paired run; layers ranked by isolated and accumulated error",
  builder: (y) =>
    jsonOption(
      toleranceOption(
        precisionOption(runOptions(y.positional("model", { type: "string", demandOption: true, describe: "the .onnx file" }))),
      ),
    )
      // One sample ranks layers; more make the statistics of all of them.
      .option("samples", { type: "number", requiresArg: true, default: 1, group: "Inputs:", describe: "made-up samples" })
      .option("by", {
        choices: ["relative", "max", "mean"] as const,
        default: "relative" as const,
        describe: "error that ranks the layers",
      })
      .option("observe", {
        type: "string",
        array: true,
        requiresArg: true,
        describe: "tensors to compare, * for any text; all float tensors by default",
      })
      .option("out", { requiresArg: true, alias: "o", type: "string", describe: "folder for result.json" })
      .example("$0 compare bert-large.onnx --dim batch=1 seq=128", "with made-up inputs")
      .example("$0 compare model.onnx --precision bf16", "bfloat16 instead of FP16")
      .example("$0 compare model.onnx --feed test_data_set_0 --json", "with real ones, for programs"),
  handler: async (args) => {
    const tolerance = requireTolerance(args.tolerance);
    const { Workbench } = await import("../../pipeline/workbench.js");
    const { compareStep, withCompared } = await import("../../pipeline/compare-step.js");
    const { newResult } = await import("../../pipeline/describe.js");
    const { openResultsFolder, saveResult } = await import("../../pipeline/results-folder.js");
    const { describeComparison } = await import("../describe-comparison.js");
    const { outputErrorFrom } = await import("@halfscope/analysis");
    if (args.out !== undefined) await openResultsFolder(args.out);
    using bench = await Workbench.open(args.model, workbenchOptions(args, context));
    const compared = await compareStep(bench, { observe: args.observe && tensorFilter(args.observe) });
    const result = withCompared(newResult(bench, tolerance), compared, args.by);
    if (args.out !== undefined) await saveResult(args.out, result);
    context.answer(
      args.json,
      () => result,
      () => describeComparison(result),
    );
    const { error, nonFinite } = outputErrorFrom(Object.values(compared.accumulated.outputs));
    if (nonFinite || error > tolerance) context.exitCode = exitCodes.accuracyNotMet;
  },
});

/** A tensor is observed when one of the patterns matches its whole name. */
function tensorFilter(patterns: readonly string[]): (tensor: string) => boolean {
  const expressions = patterns.map(
    (p) =>
      new RegExp(
        `^${p
          .split("*")
          .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"))
          .join(".*")}$`,
        "s",
      ),
  );
  return (tensor) => expressions.some((e) => e.test(tensor));
}
