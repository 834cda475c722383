import { join } from "node:path";
import { encodeJson, exitCodes, UsageError } from "@halfscope/core";
import type { Command } from "../command.js";
import { type GoalArguments, goalFrom, goalOptions } from "../goal-options.js";
import { type JudgeArguments, judgeAsSwept, judgeOptions } from "../judge-options.js";
import { inputOptions, jsonOption, type RunArguments, requireTolerance, toleranceOption, workbenchOptions } from "../options.js";

interface Arguments extends Omit<RunArguments, "samples" | "seed">, GoalArguments, JudgeArguments {
  samples?: number | undefined;
  seed?: number | undefined;
  folder: string;
  json: boolean;
  tolerance: number;
  model?: string | undefined;
}

export const recommendCommand: Command<Arguments> = (context) => ({
  command: "recommend <folder>",
  describe: "overrides from saved measurements, for a tolerance, a budget or a number of pins",
  builder: (y) =>
    jsonOption(
      goalOptions(
        judgeOptions(
          toleranceOption(
            inputOptions(y.positional("folder", { type: "string", demandOption: true, describe: "results folder of sweep or debug" })),
          ),
        ),
      ),
    )
      // What was swept is measured again, unless something else is asked for.
      .option("samples", {
        type: "number",
        requiresArg: true,
        default: undefined,
        group: "Inputs:",
        describe: "made-up samples [as swept]",
      })
      .option("seed", {
        type: "number",
        requiresArg: true,
        default: undefined,
        group: "Inputs:",
        describe: "seed of made-up inputs [as swept]",
      })
      .option("model", { requiresArg: true, type: "string", describe: "the .onnx file, when it is no longer where the sweep found it" })
      .example("$0 recommend results --tolerance 1e-3", "other pins for a tighter tolerance, without a new sweep")
      .example("$0 recommend results --budget 5%", "the lowest error for at most 5 % of the work in FP32")
      .example("$0 recommend results --pins-like 'LayerNormalization,Softmax'", "the usual advice beside our pins, measured"),
  handler: async (args) => {
    const tolerance = requireTolerance(args.tolerance);
    const goal = goalFrom(args);
    const { feeds, dims, shapes, samples, seed, ...run } = workbenchOptions(
      { ...args, samples: args.samples ?? 1, seed: args.seed ?? 1 },
      context,
    );
    const given = {
      ...(feeds && { feeds }),
      ...(dims && { dims }),
      ...(shapes && { shapes }),
      ...(args.samples !== undefined && samples !== undefined && { samples }),
      ...(args.seed !== undefined && seed !== undefined && { seed }),
    };
    const { Workbench } = await import("../../pipeline/workbench.js");
    const { recommendStep } = await import("../../pipeline/recommend-step.js");
    const { loadResult, resultFiles, saveResult, writeTextFile } = await import("../../pipeline/results-folder.js");
    const { candidateOptions, digestOfFeeds } = await import("../../pipeline/describe.js");
    const { sweptInputs } = await import("../../pipeline/swept-inputs.js");
    const { describeFeeds } = await import("@halfscope/engine");
    const { formatOverrides } = await import("@halfscope/precision");
    const { describeRecommendation } = await import("../describe-recommendation.js");
    const result = await loadResult(args.folder);
    if (result.sensitivity === undefined)
      throw new UsageError("ERR_RESULT", `${args.folder} holds no sweep.`, {
        hint: `Run \`halfscope sweep ${result.model.path} -o ${args.folder}\` first.`,
      });
    using bench = await Workbench.open(args.model ?? result.model.path, {
      ...run,
      ...sweptInputs(result, given),
      ...candidateOptions(result),
      ...(await judgeAsSwept(args, result)),
    });
    if (bench.model.digest !== result.model.digest)
      throw new UsageError(
        "ERR_RESULT",
        `${bench.model.path} is not the model that was swept: its digest is ${bench.model.digest.slice(0, 12)}, the folder's ${result.model.digest.slice(0, 12)}.`,
        {
          hint: "Name the swept file with --model, or sweep again.",
        },
      );
    const { digest } = result.options.inputs ?? {};
    const same =
      digest === undefined
        ? encodeJson(bench.feeds.map(describeFeeds)) === encodeJson(result.feeds)
        : digestOfFeeds(bench.feeds) === digest;
    if (!same)
      context.say(
        "Warning: these are not the inputs that were swept: pins are proposed by the sweep's, and judged by these. Leave --feed, --dim, --shape, --samples and --seed out to measure on what was swept.",
      );
    const { basePinReasons: reasons = {} } = result.sensitivity;
    const basePins = result.sensitivity.basePins.map((layer) => ({
      layer,
      reason: (Object.hasOwn(reasons, layer) && reasons[layer]) || "part of an overflow's region",
    }));
    const found = await recommendStep(bench, result.sensitivity, basePins, tolerance, goal);
    // What was measured on the file of the former pins says nothing about these.
    const { verdict: _, choices: __, ...kept } = result;
    const updated = { ...kept, ...found, options: { ...result.options, tolerance } };
    await writeTextFile(join(args.folder, resultFiles.overrides), formatOverrides(found.overrides));
    await saveResult(args.folder, updated);
    context.answer(
      args.json,
      () => ({ schema: "halfscope/recommendation/1", ...found }),
      () => describeRecommendation(updated),
    );
    const overrides = join(args.folder, resultFiles.overrides);
    context.say(`\nNext: halfscope apply ${result.model.path} ${overrides} -o ${join(args.folder, resultFiles.mixed)}, then verify it.`);
    if (found.recommendation.outcome === "not-met") context.exitCode = exitCodes.accuracyNotMet;
  },
});
