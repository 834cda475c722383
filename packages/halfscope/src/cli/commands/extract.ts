import { UsageError } from "@halfscope/core";
import type { Command } from "../command.js";
import { jsonOption, type RunArguments, runOptions, workbenchOptions } from "../options.js";

interface Arguments extends RunArguments {
  model: string;
  layer?: string | undefined;
  from?: string[] | undefined;
  to?: string[] | undefined;
  "with-cause": number;
  out: string;
  json: boolean;
}

export const extractCommand: Command<Arguments> = (context) => ({
  command: "extract <model>",
  describe: "a layer or region as a small model with its data, for a bug report",
  builder: (y) =>
    jsonOption(runOptions(y.positional("model", { type: "string", demandOption: true, describe: "the FP32 .onnx file" })))
      .option("layer", { type: "string", requiresArg: true, describe: "the layer to take out, by the id that inspect and debug give" })
      .option("from", {
        type: "string",
        array: true,
        requiresArg: true,
        describe: "or: tensors in front of the region [the model's inputs]",
      })
      .option("to", { type: "string", array: true, requiresArg: true, describe: "tensors that the region gives" })
      .option("with-cause", { type: "number", requiresArg: true, default: 0, describe: "take along so many nodes in front" })
      .option("out", { requiresArg: true, alias: "o", type: "string", demandOption: true, describe: "folder to make" })
      .example("$0 extract model.onnx --layer encoder/layer.9/output/LayerNorm -o layer-norm", "it alone shows the fault")
      .example("$0 extract model.onnx --from hidden_3 --to hidden_4 -o block", "what lies between"),
  handler: async (args) => {
    const cause = args["with-cause"];
    if (!(Number.isSafeInteger(cause) && cause >= 0))
      throw new UsageError("ERR_OPTION", `--with-cause needs a whole number of at least 0, found ${cause}.`, {
        hint: "For instance --with-cause 3.",
      });
    const { extractRegion } = await import("../../pipeline/extract.js");
    const { describeExtract } = await import("../describe-extract.js");
    const extracted = await extractRegion(args.model, {
      ...workbenchOptions(args, context),
      layer: args.layer,
      from: args.from,
      to: args.to,
      withCause: cause,
      folder: args.out,
    });
    context.answer(
      args.json,
      () => ({ schema: "halfscope/extract/1", ...extracted }),
      () => describeExtract(extracted),
    );
  },
});
