import { exitCodes, type FixReport, UsageError } from "@halfscope/core";
import type { Command } from "../command.js";
import { jsonOption, type RunArguments, requireTolerance, runOptions, workbenchOptions } from "../options.js";

interface Arguments extends RunArguments {
  model: string;
  out?: string | undefined;
  json: boolean;
  only?: string | undefined;
  layer?: string[] | undefined;
  list: boolean;
  each: boolean;
  tolerance: number;
}

const kinds = ["clamp-mask", "clamp-weight", "fuse-norm", "scale-norm", "raise-epsilon"] as const;

export const fixCommand: Command<Arguments> = (context) => ({
  command: "fix <model>",
  describe: "better fixes than pins, as edits of the graph that keep FP32 results",
  builder: (y) =>
    jsonOption(runOptions(y.positional("model", { type: "string", demandOption: true, describe: "the FP32 .onnx file" })))
      .option("out", {
        requiresArg: true,
        alias: "o",
        type: "string",
        describe: "file to write; without it, fixes are measured and listed only",
      })
      .option("only", { requiresArg: true, type: "string", describe: `kinds of fixes, with commas between: ${kinds.join(",")}` })
      .option("layer", { requiresArg: true, type: "string", array: true, describe: "fixes for this layer alone; repeat for more" })
      .option("list", { type: "boolean", default: false, describe: "only name what could be fixed: nothing is tried or written" })
      .option("each", { type: "boolean", default: false, describe: "measure each fix alone too" })
      .option("tolerance", {
        type: "number",
        requiresArg: true,
        default: 1e-4,
        group: "Judgement:",
        describe: "largest relative L2 by which fixes may change a final output in FP32",
      })
      .example("$0 fix bert.onnx", "what could be fixed, and what it would bring")
      .example("$0 fix bert.onnx -o fixed.onnx --only clamp-mask,fuse-norm", "two kinds only")
      .example("$0 fix bert.onnx --list", "what could be fixed, without trying it"),
  handler: async (args) => {
    const tolerance = requireTolerance(args.tolerance);
    const only = args.only?.split(",").map(kindOf);
    const { fixModel } = await import("../../pipeline/fix.js");
    const report = await fixModel(args.model, {
      ...workbenchOptions(args, context),
      tolerance,
      listOnly: args.list,
      each: args.each,
      ...(only && { only }),
      ...(args.layer && { layers: args.layer }),
      ...(args.out && !args.list && { out: args.out }),
    });
    const { describeFixes } = await import("../describe-fixes.js");
    context.answer(
      args.json,
      () => ({ schema: "halfscope/fixed/1", ...report }) satisfies FixReport & { schema: string },
      () => describeFixes(report),
    );
    if (report.outcome === "changes-too-much") context.exitCode = exitCodes.accuracyNotMet;
  },
});

function kindOf(text: string): (typeof kinds)[number] {
  const found = kinds.find((k) => k === text.trim());
  if (found !== undefined) return found;
  throw new UsageError("ERR_OPTION", `--only needs kinds of fixes, found ${JSON.stringify(text)}.`, {
    hint: `Kinds are ${kinds.join(", ")}.`,
  });
}
