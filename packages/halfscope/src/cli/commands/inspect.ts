import type { Command } from "../command.js";
import { jsonOption } from "../options.js";

interface Arguments {
  model: string;
  json: boolean;
  weights: boolean;
}

export const inspectCommand: Command<Arguments> = (context) => ({
  command: "inspect <model>",
  describe: "layers, kinds, blocks, and hazards that need no run",
  builder: (y) =>
    jsonOption(y.positional("model", { type: "string", demandOption: true, describe: "the .onnx file" }))
      .option("weights", {
        type: "boolean",
        default: true,
        describe: "read the weights for hazards; --no-weights looks at the structure alone",
      })
      .example("$0 inspect bert-large.onnx", "a table of layers and hazards")
      .example("$0 inspect bert-large.onnx --json | jq '.layers[].id'", "for programs"),
  handler: async (args) => {
    const { inspectModel } = await import("../../pipeline/inspect.js");
    const { describeInspection } = await import("../describe-inspection.js");
    const found = await inspectModel(args.model, { weights: args.weights, progress: context.progress, signal: context.signal });
    context.answer(
      args.json,
      () => ({ schema: "halfscope/inspect/1", ...found }),
      () => describeInspection(found),
    );
  },
});
