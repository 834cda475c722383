import type { Command } from "../command.js";
import { type EngineArguments, engineFrom, engineOptions, outcomeExitCode } from "../device-options.js";
import { type JudgeArguments, judgeFrom, judgeOptions } from "../judge-options.js";
import { jsonOption, type RunArguments, requireTolerance, runOptions, toleranceOption, workbenchOptions } from "../options.js";

interface Arguments extends RunArguments, JudgeArguments, EngineArguments {
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
      engineOptions(
        judgeOptions(
          toleranceOption(
            runOptions(
              y
                .positional("model", { type: "string", demandOption: true, describe: "the FP32 .onnx file" })
                .positional("candidate", { type: "string", demandOption: true, describe: "the FP16 or mixed file made from it" }),
            ),
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
      .example("$0 verify model.onnx model.fp16.onnx --tensors", "and where it loses precision")
      .example("$0 verify model.onnx mixed.onnx --engine tensorrt", "the engine's own verdict beside the emulation's"),
  handler: async (args) => {
    const tolerance = requireTolerance(args.tolerance);
    const engine = await engineFrom(args);
    const { Workbench } = await import("../../pipeline/workbench.js");
    const { verifyStep } = await import("../../pipeline/verify.js");
    const { describeVerdict } = await import("../describe-recommendation.js");
    const { likeOf } = await import("../../pipeline/device/options.js");
    const { openDevice, profilesFor } = await import("../../pipeline/device/session.js");
    const { verifyOnEngine } = await import("../../pipeline/device/verify-on-engine.js");
    const { describeDevice } = await import("../describe-device.js");
    // A library that is missing should show before anything is measured.
    await using opened = engine && (await openDevice(engine));
    const like = engine && { like: args.like ?? likeOf(engine.engine) };
    using bench = await Workbench.open(args.model, { ...workbenchOptions(args, context), ...like, ...(await judgeFrom(args)) });
    if (opened !== undefined) profilesFor(bench, opened);
    const verdict = await verifyStep(bench, args.candidate, tolerance, { tensors: args.tensors });
    const device = opened && (await verifyOnEngine(bench, opened, { candidate: args.candidate, tolerance, verdict }));
    context.answer(
      args.json,
      () => ({
        schema: "halfscope/verdict/1",
        model: bench.model.path,
        candidate: args.candidate,
        ...verdict,
        ...(device && { device }),
      }),
      () => [describeVerdict(verdict), ...(device ? ["", describeDevice(device, tolerance)] : [])].join("\n"),
    );
    const real = device?.environment.capabilities.realHalf ? device.engines.find((e) => e.role !== "reference")?.outcome : undefined;
    context.exitCode = outcomeExitCode(real ?? verdict.outcome);
  },
});
