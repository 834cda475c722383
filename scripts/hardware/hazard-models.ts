// Writes the small models on which hazards show, each with its inputs, to look at them or to run them elsewhere. `hazards.js` makes them by itself:
//   node scripts/dist/hardware/hazard-models.js -o FOLDER [--only mask]
//   halfscope compare FOLDER/norm-written-out-1000/model.onnx --feed FOLDER/norm-written-out-1000/test_data_set_0 --like tensorrt
import { join } from "node:path";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { hazardCases } from "./cases/index.js";

const { out, only } = await yargs(hideBin(process.argv))
  .scriptName("hazard-models")
  .options({
    out: { alias: "o", type: "string", demandOption: true, describe: "folder to write" },
    only: { type: "string", default: "", describe: "part of an id or a group" },
  })
  .strict()
  .parse();
for (const c of hazardCases.filter((c) => c.id.includes(only) || c.group.includes(only)))
  console.log(`${await c.make().write(join(out, c.id))}  ${c.title}`);
