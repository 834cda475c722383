import { UsageError } from "@halfscope/core";
import type { Command } from "../command.js";
import { jsonOption, whole } from "../options.js";

interface Arguments {
  folders: string[];
  out: string;
  model?: string | undefined;
  "allow-mixed": boolean;
  "mixed-tolerance": number;
  threads?: number | undefined;
  json: boolean;
}

export const mergeCommand: Command<Arguments> = (context) => ({
  command: "merge <folders..>",
  describe: "parts of a sweep from several machines as one",
  builder: (y) =>
    jsonOption(
      y.positional("folders", {
        type: "string",
        array: true,
        demandOption: true,
        describe: "results folders of sweep --shard, or of sweeps that were stopped",
      }),
    )
      .option("out", {
        requiresArg: true,
        alias: "o",
        type: "string",
        demandOption: true,
        describe: "results folder; it may be one of those merged",
      })
      .option("model", { requiresArg: true, type: "string", describe: "the .onnx file, when it is not where the first part found it" })
      .option("allow-mixed", {
        type: "boolean",
        default: false,
        describe: "take parts of other versions or instruction sets together: their last digits differ",
      })
      .option("mixed-tolerance", {
        type: "number",
        requiresArg: true,
        default: 1e-3,
        describe: "relative difference up to which two results of one candidate count as equal then",
      })
      .option("threads", { type: "number", requiresArg: true, describe: "threads inside one operator [cores, at most 8]" })
      .example("$0 merge part-1 part-2 part-3 -o results", "after sweep --shard 1/3, 2/3 and 3/3")
      .example("$0 merge results part-4 -o results", "one more part"),
  handler: async (args) => {
    const tolerance = args["mixed-tolerance"];
    if (!(tolerance >= 0 && Number.isFinite(tolerance)))
      throw new UsageError("ERR_OPTION", `--mixed-tolerance needs a number of at least 0, found ${tolerance}.`, {
        hint: "For instance --mixed-tolerance 1e-3.",
      });
    const threads = args.threads === undefined ? undefined : whole("--threads", args.threads, 1);
    const { mergeSweeps } = await import("../../pipeline/merge.js");
    const { describeMerge, nextAfterMerge } = await import("../describe-merge.js");
    const merged = await mergeSweeps(args.folders, {
      out: args.out,
      model: args.model,
      allowMixed: args["allow-mixed"],
      mixedTolerance: tolerance,
      ...(threads !== undefined && { threads }),
      progress: context.progress,
      signal: context.signal,
    });
    const { result, ...counts } = merged;
    context.answer(
      args.json,
      () => ({ schema: "halfscope/merged/1", ...counts, complete: result !== undefined }),
      () => describeMerge(merged),
    );
    context.say(`\nNext: ${nextAfterMerge(merged)}`);
  },
});
