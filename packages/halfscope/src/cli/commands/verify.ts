import { type Typing, UsageError } from "@halfscope/core";
import type { Command } from "../command.js";
import { type EngineArguments, engineFrom, engineOptions, outcomeExitCode, typingOption } from "../device-options.js";
import { type JudgeArguments, judgeFrom, judgeOptions } from "../judge-options.js";
import { jsonOption, type RunArguments, requireTolerance, runOptions, toleranceOption, workbenchOptions } from "../options.js";

interface Arguments extends RunArguments, JudgeArguments, EngineArguments {
  model: string;
  candidate?: string | undefined;
  overrides?: string | undefined;
  typing?: Typing | undefined;
  json: boolean;
  tolerance: number;
  tensors: boolean;
}

export const verifyCommand: Command<Arguments> = (context) => ({
  command: "verify <model> [candidate]",
  describe: "measured verdict on any FP16, BF16 or mixed model, ours or another tool's",
  builder: (y) =>
    jsonOption(
      typingOption(
        engineOptions(
          judgeOptions(
            toleranceOption(
              runOptions(
                y
                  .positional("model", { type: "string", demandOption: true, describe: "the FP32 .onnx file" })
                  .positional("candidate", { type: "string", describe: "the FP16 or mixed file made from it" }),
              ),
            ),
          ),
        ),
      ),
    )
      .option("overrides", {
        type: "string",
        requiresArg: true,
        describe: "verify the model as overrides.json says, in place of a file; weakly typed engines take no other",
      })
      .option("tensors", {
        type: "boolean",
        default: false,
        describe: "compare the inner tensors too, and list the layers where the candidate loses most",
      })
      .example("$0 verify bert-large.onnx mixed.onnx --tolerance 1e-2", "exit 0 when within, 1 when not")
      .example("$0 verify model.onnx model.fp16.onnx --feed samples.npz", "another tool's file, real inputs")
      .example("$0 verify model.onnx model.fp16.onnx --tensors", "and where it loses precision")
      .example("$0 verify model.onnx mixed.onnx --engine tensorrt", "the engine's own verdict beside the emulation's")
      .example(
        "$0 verify model.onnx --overrides overrides.json --engine tensorrt --typing weak",
        "pins by flag and constraints, as 8.6 needs",
      ),
  handler: async (args) => {
    const tolerance = requireTolerance(args.tolerance);
    const given = [args.candidate, args.overrides].filter((x) => x !== undefined);
    if (given.length !== 1)
      throw new UsageError(
        "ERR_OPTION",
        given.length === 0
          ? "verify needs the file to verify, or --overrides."
          : "A candidate file and --overrides name two things to verify.",
        {
          hint:
            (args.feed ?? args.dim ?? args.shape ?? args.profile ?? args["provider-option"]) !== undefined && given.length === 0
              ? "Put files before --feed, --dim, --shape, --profile and --provider-option: these take every word that follows."
              : "For instance `halfscope verify model.onnx mixed.onnx`, or `halfscope verify model.onnx --overrides overrides.json`.",
        },
      );
    const basic = await engineFrom(args);
    const engine = basic && { ...basic, typing: args.typing };
    const { Workbench } = await import("../../pipeline/workbench.js");
    const { verifyStep } = await import("../../pipeline/verify.js");
    const { describeVerdict } = await import("../describe-recommendation.js");
    const { likeOf } = await import("../../pipeline/device/options.js");
    const { openDevice, profilesFor } = await import("../../pipeline/device/session.js");
    const { requireReadable, verifyOnEngine } = await import("../../pipeline/device/verify-on-engine.js");
    const { overridesCandidate, readOverrides } = await import("../../pipeline/device/overrides-candidate.js");
    const { describeDevice } = await import("../describe-device.js");
    const overrides = args.overrides === undefined ? undefined : await readOverrides(args.overrides);
    const like = engine && { like: args.like ?? likeOf(engine.engine) };
    using bench = await Workbench.open(args.model, {
      ...workbenchOptions(args, context),
      ...like,
      ...(await judgeFrom(args)),
      ...(overrides && { precision: overrides.half }),
    });
    // A profile that does not hold and a library that is missing should show before anything is measured; profiles need no library.
    if (engine !== undefined) profilesFor(bench, engine);
    await using opened = engine && (await openDevice(engine));
    if (opened !== undefined && args.candidate !== undefined) requireReadable(opened, args.model, args.candidate);
    await using made = overrides && (await overridesCandidate(bench, overrides, opened?.typing));
    const candidate = made?.path ?? args.candidate ?? "";
    const verdict = await verifyStep(bench, candidate, tolerance, { tensors: args.tensors });
    const title = overrides?.path;
    const device = opened && (await verifyOnEngine(bench, opened, { candidate, pins: made?.pins, title, tolerance, verdict }));
    context.answer(
      args.json,
      () => ({
        schema: "halfscope/verdict/1",
        model: bench.model.path,
        candidate: args.candidate ?? args.overrides,
        ...verdict,
        ...(device && { device }),
      }),
      () => [describeVerdict(verdict), ...(device ? ["", describeDevice(device, tolerance)] : [])].join("\n"),
    );
    const real = device?.environment.capabilities.realHalf ? device.engines.find((e) => e.role !== "reference")?.outcome : undefined;
    context.exitCode = outcomeExitCode(real ?? verdict.outcome);
  },
});
