import { readFile } from "node:fs/promises";
import { halfWords, UsageError } from "@halfscope/core";
import type { Command } from "../command.js";
import { jsonOption, type RunArguments, runOptions, workbenchOptions } from "../options.js";

interface Arguments extends RunArguments {
  model: string;
  overrides: string;
  out: string;
  json: boolean;
  "convert-io": boolean;
}

export const applyCommand: Command<Arguments> = (context) => ({
  command: "apply <model> <overrides>",
  describe: "write the mixed-precision ONNX file",
  builder: (y) =>
    jsonOption(
      runOptions(
        y.positional("model", { type: "string", demandOption: true, describe: "the FP32 .onnx file" }).positional("overrides", {
          type: "string",
          demandOption: true,
          describe: "overrides.json, as recommend writes it; edit it as you like",
        }),
      ),
    )
      .option("out", { requiresArg: true, alias: "o", type: "string", demandOption: true, describe: "file to write" })
      .option("convert-io", {
        type: "boolean",
        default: false,
        describe: "graph inputs and outputs become FP16 (or BF16) too, where the plan is",
      })
      .example("$0 apply bert-large.onnx results/overrides.json -o mixed.onnx", "weights of pinned layers stay as they are"),
  handler: async (args) => {
    const { Workbench } = await import("../../pipeline/workbench.js");
    const { applyPlan } = await import("../../pipeline/apply.js");
    const { planFromOverrides, typeOfOverrides } = await import("@halfscope/precision");
    let text: string;
    try {
      text = await readFile(args.overrides, "utf8");
    } catch (cause) {
      throw new UsageError("ERR_FILE_NOT_FOUND", `${args.overrides} cannot be read: ${(cause as Error).message}.`, {
        hint: "Give the overrides.json that recommend or debug wrote.",
        cause,
      });
    }
    using bench = await Workbench.open(args.model, { ...workbenchOptions(args, context), samples: 1, precision: typeOfOverrides(text) });
    const plan = planFromOverrides(text, { digest: bench.model.digest, layers: bench.layers }, args.overrides);
    const applied = await applyPlan(await bench.subject(), plan, args.out, {
      progress: context.progress,
      signal: context.signal,
      io: args["convert-io"] ? "convert" : "keep",
    });
    context.answer(
      args.json,
      () => ({ schema: "halfscope/applied/1", ...applied, pins: plan.pins.length }),
      () =>
        `${applied.path}: ${(applied.sizeBytes / 1e6).toFixed(1)} MB, ${applied.halfWeights} weights in ${halfWords[bench.precision]}, ${applied.fullWeights} in FP32, ${applied.casts} Casts, ${plan.pins.length} pinned layers.`,
    );
  },
});
