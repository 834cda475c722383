// Makes a BERT model for tests, benches and the demo. Run it when you need one and trained weights are out of reach:
//   node scripts/dist/make-bert/main.js --layers 4 --hidden 256 --heads 4 -o /tmp/bert/model.onnx
import { HalfscopeError } from "@halfscope/core";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { faultDefaults, faultKinds, heads, parseFault, styles } from "./config.js";
import { makeBert } from "./make-bert.js";

const argv = await yargs(hideBin(process.argv))
  .scriptName("make-bert")
  .usage("$0 -o MODEL.onnx [options]\n\nWrites a BERT encoder of seeded weights as PyTorch's exporter would, with faults on request.")
  .options({
    out: { alias: "o", type: "string", demandOption: true, describe: "model file to write" },
    layers: { type: "number", default: 24, describe: "encoder layers" },
    hidden: { type: "number", default: 1024, describe: "width of the residual stream" },
    heads: { type: "number", default: 16, describe: "attention heads" },
    ffn: { type: "number", describe: "inner width of the feed-forward part [4 * hidden]" },
    vocab: { type: "number", default: 30522, describe: "words" },
    "max-position": { type: "number", default: 512, describe: "longest sequence" },
    seed: { type: "number", default: 1, describe: "same options, same bytes" },
    style: { choices: styles, default: "decomposed" as const, describe: "LayerNormalization as nine nodes (opset 13) or one (opset 17)" },
    external: { type: "boolean", default: false, describe: "weights in MODEL.onnx.data" },
    head: { choices: heads, default: "none" as const, describe: "qa: start_logits and end_logits" },
    fault: {
      type: "string",
      array: true,
      default: [] as string[],
      describe: "KIND[:STRENGTH[:LAYER]], repeatable",
      requiresArg: true,
      nargs: 1,
    },
  })
  .example("$0 --layers 4 --hidden 256 --heads 4 --fault square-overflow:800:2 -o bert/model.onnx", "")
  .epilogue(
    `Faults (default strength, its unit):\n${faultKinds.map((k) => `  ${k} (${faultDefaults[k].strength}: ${faultDefaults[k].unit})`).join("\n")}\nWhat was planted is written to planted.json beside the model.`,
  )
  .strict()
  .wrap(120)
  .parse();

try {
  const started = performance.now();
  const { out, ffn, fault, layers, hidden, vocab, seed, style, external, head, maxPosition } = argv;
  const made = await makeBert({
    ...{ path: out, layers, hidden, heads: argv.heads, vocab, maxPosition, seed, style, external, head },
    ...(ffn === undefined ? {} : { ffn }),
    faults: fault.map(parseFault),
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.error(`${made.path}: ${made.nodes} nodes, ${(made.bytes / 1e9).toFixed(3)} GB, ${seconds} s`);
} catch (error) {
  if (!(error instanceof HalfscopeError)) throw error;
  console.error(`${error.message}${error.hint === undefined ? "" : `\n${error.hint}`}`);
  process.exitCode = error.exitCode;
}
