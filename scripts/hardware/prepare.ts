// Writes what the programs of this folder need to run a model elsewhere: the inputs that halfscope feeds it, and the names of its float tensors. Run it
// after `npm run build`, before a measurement on a GPU:
//   node scripts/dist/hardware/prepare.js MODEL.onnx -o prepared [--shape input_ids=1x128 ...] [--feed FILE]
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { HalfscopeError, isFloat, isTensorValue, UsageError } from "@halfscope/core";
import { inferTypes, shapesOfFeed } from "@halfscope/engine";
import { Workbench } from "halfscope";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { sha256OfFile } from "./agreement.js";

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

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Folders are nobody's business: of a file, its name. */
const originOf = (origin = "") => (origin.startsWith("made up") ? origin : basename(origin));

function shapeOf(text: string): [string, number[]] {
  const at = text.lastIndexOf("=");
  const dims = text
    .slice(at + 1)
    .split("x")
    .map(Number);
  if (at < 1 || dims.some((d) => !Number.isSafeInteger(d) || d < 1))
    throw new UsageError("ERR_OPTION", `--shape expects INPUT=AxBxC, found "${text}".`);
  return [text.slice(0, at), dims];
}

try {
  const path = String(argv._[0]);
  using bench = await Workbench.open(path, { shapes: Object.fromEntries(argv.shape.map(shapeOf)), feeds: argv.feed });
  const [feed] = bench.feeds;
  await mkdir(argv.out, { recursive: true });
  const lines: string[] = [];
  const inputs: object[] = [];
  for (const [name, value] of feed.tensors) {
    if (!isTensorValue(value)) throw new UsageError("ERR_OPTION", `Input "${name}" is no tensor; such models cannot be prepared.`);
    const file = `input-${inputs.length}.bin`;
    await writeFile(join(argv.out, file), value.data);
    lines.push(`input ${file} ${[value.dims.length, ...value.dims].join(" ")} ${name}`);
    inputs.push({ name, dtype: value.dtype, dims: value.dims, origin: originOf(feed.origins.get(name)), sha256: sha256(value.data) });
  }
  const types = await inferTypes(bench.model, bench.view, shapesOfFeed(feed));
  // Constants are no layers' results: engines fold them, and some cannot be outputs.
  for (const node of bench.view.mainOrder)
    if (node.opType !== "Constant")
      for (const tensor of node.outputs)
        if (tensor !== "" && isFloat(types.get(tensor)?.dtype ?? "undefined")) lines.push(`tensor ${tensor}`);
  const subject = { model: argv.name ?? basename(path), sha256: await sha256OfFile(path), inputs };
  await writeFile(join(argv.out, "run.txt"), `${lines.join("\n")}\n`);
  await writeFile(join(argv.out, "prepared.json"), JSON.stringify(subject));
  await writeFile(join(argv.out, "model.sha256"), `${subject.sha256}  model.onnx\n`);
  console.error(`${argv.out}: ${inputs.length} inputs, ${lines.length - inputs.length} float tensors, sha256 ${subject.sha256}`);
} catch (error) {
  if (!(error instanceof HalfscopeError)) throw error;
  console.error(`${error.message}${error.hint === undefined ? "" : `\n${error.hint}`}`);
  process.exitCode = error.exitCode;
}
