import { join } from "node:path";
import { exitCodes } from "@halfscope/core";
import type { Command } from "../command.js";
import { type DeviceArguments, deviceFrom, deviceOptions, engineExitCode } from "../device-options.js";
import { type GoalArguments, goalFrom, goalOptions } from "../goal-options.js";
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

interface Arguments extends RunArguments, GoalArguments, JudgeArguments, SweepArguments, DeviceArguments {
  model: string;
  out: string;
  json: boolean;
  tolerance: number;
  fresh: boolean;
}

export const debugCommand: Command<Arguments> = (context) => ({
  command: "debug <model>",
  describe: "the main job: compare, sweep, recommend, apply, verify, report",
  builder: (y) =>
    jsonOption(
      deviceOptions(
        goalOptions(
          sweepOptions(
            judgeOptions(
              toleranceOption(
                precisionOption(runOptions(y.positional("model", { type: "string", demandOption: true, describe: "the .onnx file" }))),
              ),
            ),
          ),
        ),
      ),
    )
      .option("out", {
        requiresArg: true,
        alias: "o",
        type: "string",
        demandOption: true,
        describe: "results folder; a run that was stopped continues there",
      })
      .option("fresh", { type: "boolean", default: false, describe: "start anew, whatever the folder's journal holds" })
      .example("$0 debug bert-large.onnx -o results", "a few minutes on two cores")
      .example("$0 debug model.onnx -o results --pins-like LayerNormalization,Softmax", "the usual advice measured beside our pins")
      .example("$0 debug model.onnx -o results --feed samples.npz --tolerance 1e-3", "real inputs, tighter tolerance")
      .example("$0 debug model.onnx -o results --engine tensorrt", "and all of it proved on TensorRT, with latencies"),
  handler: async (args) => {
    const tolerance = requireTolerance(args.tolerance);
    const goal = goalFrom(args);
    const device = await deviceFrom(args);
    const { debugModel } = await import("../../pipeline/debug.js");
    const { resultFiles } = await import("../../pipeline/results-folder.js");
    const { describeDevice } = await import("../describe-device.js");
    const { quote } = await import("../text.js");
    const { renderTerminalSummary } = await import("@halfscope/report");
    const { likeOf } = await import("../../pipeline/device/options.js");
    const result = await debugModel(args.model, {
      ...withSweptSamples(workbenchOptions(args, context), args),
      ...(device && { device, like: args.like ?? likeOf(device.engine) }),
      ...(await judgeFrom(args)),
      ...sweepFrom(args),
      ...goal,
      folder: args.out,
      tolerance,
      fresh: args.fresh,
    });
    context.answer(
      args.json,
      () => result,
      () => {
        const summary = renderTerminalSummary(result)
          .split("\n")
          .map((line) => quote(line.trimStart(), line.length - line.trimStart().length))
          .join("\n");
        return [summary, ...(result.device ? ["", describeDevice(result.device, tolerance, summary)] : [])].join("\n");
      },
    );
    context.say(`\nReport: ${join(args.out, resultFiles.report)}`);
    const measured = engineExitCode(result, goal.goal !== undefined);
    if (measured !== undefined) {
      context.exitCode = measured;
      return;
    }
    // A budget asks for the best there is: the question is answered, whatever the tolerance.
    if (goal.goal === undefined ? result.verdict?.outcome !== "within" : result.verdict?.outcome === "not-finite")
      context.exitCode = exitCodes.accuracyNotMet;
  },
});
