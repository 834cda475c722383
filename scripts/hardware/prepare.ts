// Writes what the programs of this folder need to run a model elsewhere: the inputs that halfscope feeds it, and the names of its float tensors. Run it
// after `npm run build`, before a measurement on a GPU:
//   node scripts/dist/hardware/prepare.js MODEL.onnx -o prepared [--shape input_ids=1x128 ...] [--feed FILE]
import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { sha256OfFile } from "./agreement.js";
import { endWell, shapeOf } from "./measuring/options.js";
import { Studied } from "./measuring/studied.js";
import { writePrepared } from "./measuring/write-prepared.js";

const argv = await yargs(hideBin(process.argv))
  .scriptName("prepare")
  .usage("$0 MODEL -o FOLDER\n\nWrites run.txt, prepared.json, model.sha256 and one file per input into FOLDER.")
  .demandCommand(1, 1)
  .options({
    out: { alias: "o", type: "string", demandOption: true, describe: "folder to write" },
    name: { type: "string", describe: "what results call the model [the model file's name]" },
    shape: { type: "string", array: true, default: [] as string[], describe: "INPUT=AxBxC, repeatable" },
    feed: {
      type: "string",
      array: true,
      default: [] as string[],
      describe: "files as --feed of halfscope takes them [made up from the graph]",
    },
  })
  .strict()
  .parse();

await endWell(async () => {
  const path = String(argv._[0]);
  using studied = await Studied.open(path, {
    like: "tensorrt",
    shapes: Object.fromEntries(argv.shape.map(shapeOf)),
    feeds: argv.feed,
    samples: 2,
  });
  const tensors = await studied.floatTensors();
  const inputs = await writePrepared(argv.out, studied.feed, tensors);
  const subject = { model: argv.name ?? basename(path), sha256: await sha256OfFile(path), inputs };
  await writeFile(join(argv.out, "prepared.json"), JSON.stringify(subject));
  await writeFile(join(argv.out, "model.sha256"), `${subject.sha256}  model.onnx\n`);
  console.error(`${argv.out}: ${inputs.length} inputs, ${tensors.length} float tensors, sha256 ${subject.sha256}`);
});
