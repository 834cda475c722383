// Gives weights to a model that was exported without them. Run it when a test or a bench needs such an export to compute something:
//   node scripts/dist/make-bert/fill.js export/model.onnx -o /tmp/filled
import { basename, join, resolve } from "node:path";
import { HalfscopeError, UsageError } from "@halfscope/core";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { fillModel } from "./fill-model.js";

const argv = await yargs(hideBin(process.argv))
  .scriptName("fill")
  .command("$0 <model>", "Copies a model whose external data is absent, and makes the data.", (y) =>
    y
      .positional("model", { type: "string", demandOption: true, describe: "model file whose external data is absent" })
      .option("out", { alias: "o", type: "string", demandOption: true, describe: "folder, or a path that ends in .onnx" })
      .option("seed", { type: "number", default: 1, describe: "same seed, same bytes" }),
  )
  .strict()
  .parse();

try {
  const { model = "", out = "", seed } = argv as { model?: string; out?: string; seed?: number };
  const path = out.endsWith(".onnx") ? out : join(out, basename(model));
  if (resolve(path) === resolve(model)) throw new UsageError("ERR_OPTION", "The copy must have another path than the model.");
  const filled = await fillModel(model, path, seed);
  console.error(`${filled.path}: ${filled.tensors} initializers, ${(filled.bytes / 1e9).toFixed(3)} GB`);
} catch (error) {
  if (!(error instanceof HalfscopeError)) throw error;
  console.error(`${error.message}${error.hint === undefined ? "" : `\n${error.hint}`}`);
  process.exitCode = error.exitCode;
}
