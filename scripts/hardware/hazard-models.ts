// Writes the small models on which hazards show, each with its inputs, to look at them or to run them elsewhere. `hazards.js` makes them by itself:
//   node scripts/dist/hardware/hazard-models.js -o FOLDER [--only mask,softmax]
//   halfscope compare FOLDER/norm-written-out-1000/model.onnx --feed FOLDER/norm-written-out-1000/test_data_set_0 --like tensorrt
import { join } from "node:path";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { chooseCases } from "./cases/choose.js";
import { hazardCases } from "./cases/index.js";
import { endWell } from "./measuring/options.js";

const { out, only } = await yargs(hideBin(process.argv))
  .scriptName("hazard-models")
  .options({
    out: { alias: "o", type: "string", demandOption: true, describe: "folder to write" },
    only: { type: "string", default: "", describe: "parts of ids or groups, apart by commas [all]" },
  })
  .strict()
  .parse();
await endWell(async () => {
  for (const c of chooseCases(hazardCases, only)) console.log(`${await c.make().write(join(out, c.id))}  ${c.title}`);
});
