/**
 * The demo: `npm run demo`. Makes BERT-large with planted faults in a cache folder, runs `halfscope debug` on it, and says what came out.
 * `--small` does the same with four layers, in seconds.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";

const root = resolve(import.meta.dirname, "../../..");
const args = await yargs(hideBin(process.argv))
  .scriptName("npm run demo --")
  .usage("$0 [options]\n\nMakes BERT-large with planted faults, debugs it, and leaves a report.")
  .option("small", { type: "boolean", default: false, describe: "four layers instead of 24" })
  .option("fresh", { type: "boolean", default: false, describe: "make the model and sweep anew" })
  .option("tolerance", { type: "number", default: 1e-2, describe: "relative L2 of the final output" })
  .strict()
  .parseAsync();

const size = args.small ? ["--layers", "4", "--hidden", "256", "--heads", "4", "--vocab", "2000"] : [];
const layer = args.small ? [1, 2] : [9, 17];
const make = [
  ...size,
  "--seed",
  "1",
  "--fault",
  "mask-constant",
  "--fault",
  `square-overflow:500:${layer[0]}`,
  "--fault",
  `noisy-layer:256:${layer[1]}`,
];
const name = args.small ? "bert-small" : "bert-large";
const cache = join(root, ".cache", name);
const model = join(cache, "model.onnx");
const results = join(root, "reports", name);

await makeModel();
// A run that was finished starts anew; one that was stopped goes on.
const fresh = args.fresh || existsSync(join(results, "report.html"));
if (fresh) await rm(join(results, "report.html"), { force: true });
const code = await run([
  join(root, "packages/halfscope/bin/halfscope.js"),
  "debug",
  model,
  "-o",
  results,
  "--tolerance",
  String(args.tolerance),
  ...(fresh ? ["--fresh"] : []),
]);
if (code <= 1) {
  console.error(`\nReport: ${join(results, "report.html")}`);
  console.error(`What was planted (the tool never reads it): ${join(cache, "planted.json")}`);
} else if (code === 130) console.error("Run `npm run demo` again to continue where it stopped.");
process.exitCode = code;

async function makeModel(): Promise<void> {
  // A cached model counts only if it was made by the same command, and was finished.
  const stamp = join(cache, "made-with.json");
  const wanted = JSON.stringify(make);
  const found = existsSync(model) ? await readFile(stamp, "utf8").catch(() => "") : "";
  if (found === wanted && !args.fresh) return;
  console.error(`Making ${args.small ? "a small BERT" : "BERT-large (1.3 GB)"} with planted faults in ${cache}`);
  const partial = `${cache}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const made = await run([join(import.meta.dirname, "../make-bert/main.js"), ...make, "-o", join(partial, "model.onnx")]);
  if (made !== 0) process.exit(made);
  await writeFile(join(partial, "made-with.json"), wanted);
  await rm(cache, { recursive: true, force: true });
  await rename(partial, cache);
}

/** Runs a Node program with this terminal. A terminal sends Ctrl-C to both; other signals are passed on, and the program decides how to stop. */
function run(command: readonly string[]): Promise<number> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, command, { stdio: "inherit" });
    const pass = (signal: NodeJS.Signals) => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, pass);
    child.on("error", fail);
    child.on("exit", (exit, signal) => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, pass);
      done(exit ?? (signal === null ? 1 : 130));
    });
  });
}
