import { exitCodes } from "@halfscope/core";
import type { Command } from "../command.js";
import { type JudgeArguments, judgeFrom, judgeOptions } from "../judge-options.js";
import { jsonOption, type RunArguments, requireTolerance, runOptions, toleranceOption, workbenchOptions } from "../options.js";

interface Arguments extends RunArguments, JudgeArguments {
  model: string;
  candidate: string;
  json: boolean;
  tolerance: number;
  tensors: boolean;
}

export const verifyCommand: Command<Arguments> = (context) => ({
  command: "verify <model> <candidate>",
  describe: "measured verdict on any FP16, BF16 or mixed model, ours or another tool's",
  builder: (y) =>
    jsonOption(
      judgeOptions(
        toleranceOption(
          runOptions(
            y
              .positional("model", { type: "string", demandOption: true, describe: "the FP32 .onnx file" })
              .positional("candidate", { type: "string", demandOption: true, describe: "the FP16 or mixed file made from it" }),
          ),
        ),
      ),
    )
      .option("tensors", {
        type: "boolean",
        default: false,
        describe: "compare the inner tensors too, and list the layers where the candidate loses most",
      })
      .example("$0 verify bert-large.onnx mixed.onnx --tolerance 1e-2", "exit 0 when within, 1 when not")
      .example("$0 verify model.onnx model.fp16.onnx --feed samples.npz", "another tool's file, real inputs")
      .example("$0 verify model.onnx model.fp16.onnx --tensors", "and where it loses precision"),
  handler: async (args) => {
    const tolerance = requireTolerance(args.tolerance);
    const { Workbench } = await import("../../pipeline/workbench.js");
    const { verifyStep } = await import("../../pipeline/verify.js");
    const { describeVerdict } = await import("../describe-recommendation.js");
    using bench = await Workbench.open(args.model, { ...workbenchOptions(args, context), ...(await judgeFrom(args)) });
    const verdict = await verifyStep(bench, args.candidate, tolerance, { tensors: args.tensors });
    context.answer(
      args.json,
      () => ({ schema: "halfscope/verdict/1", model: bench.model.path, candidate: args.candidate, ...verdict }),
      () => describeVerdict(verdict),
    );
    if (verdict.outcome !== "within") context.exitCode = exitCodes.accuracyNotMet;
  },
});
