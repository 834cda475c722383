/**
 * `npm run conformance`: takes every model of the collections (see models.ts) through reading, listing, running, measuring and realising, and prints how many
 * were handled, refused by ONNX Runtime itself, or failed. Run it after any change of packages; `-- --help` says more.
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import type { Checked } from "./check-model.js";
import { Checker, findPython } from "./checker.js";
import { type ConformanceModel, collections } from "./models.js";
import { runPool } from "./pool.js";
import { type ModelRecord, outcomeOf } from "./record.js";
import { repository } from "./repository.js";
import { formatTable, summarise } from "./table.js";

const args = await yargs(hideBin(process.argv))
  .scriptName("npm run conformance --")
  .usage(
    "$0 [options]\n\nTakes every model of the ONNX test data and of the shared collection through halfscope: read and rewritten byte for byte, listed, run against its own outputs, measured in both modes, realised and read back. Exits with 1 when anything failed.",
  )
  .option("filter", {
    type: "string",
    array: true,
    default: [] as string[],
    describe: "only models whose collection/id contains one of these",
  })
  .option("only-failed", { type: "boolean", default: false, describe: "only models that failed when they ran last" })
  .option("jobs", { type: "number", default: Math.min(2, availableParallelism()), describe: "worker processes" })
  .option("limit", { type: "number", default: 120, describe: "seconds for one model" })
  .option("keep", { type: "string", describe: "folder in which the realised files stay" })
  .option("python", { type: "boolean", default: true, describe: "run the ONNX checker; --no-python leaves it out" })
  .option("json", { type: "boolean", default: false, describe: "print one JSON document instead of the table" })
  .example("$0", "everything")
  .example("$0 --filter node/test_lstm", "the LSTM models of the test data")
  .example("$0 --only-failed --keep files", "what failed last, with its realised files")
  .strict()
  .parseAsync();

const results = join(repository, ".cache/conformance");
const recordPath = (m: { collection: string; id: string }) => join(results, m.collection, `${m.id.replace(/[^\w.-]/g, "__")}.json`);
const found = collections();
for (const c of found) {
  mkdirSync(join(results, c.name), { recursive: true });
  if (c.folder === undefined) process.stderr.write(`Skipped: all models of the collection "${c.name}", which is absent (${c.hint}).\n`);
}
const models = found.flatMap((c) => c.models).filter(wanted);
const python = args.python ? findPython() : undefined;
if (python === undefined)
  process.stderr.write("Skipped: the ONNX checker for every model (no Python with the package onnx; see test/requirements.txt).\n");
const folder = args.keep ?? mkdtempSync(join(tmpdir(), "halfscope-conformance-"));
mkdirSync(folder, { recursive: true });
const checker = python === undefined ? undefined : new Checker(python, args.limit);
const records: ModelRecord[] = [];
const checks: Promise<void>[] = [];
const started = performance.now();
await runPool(models, { jobs: args.jobs, limitSeconds: args.limit, folder, done: (checked) => checks.push(finish(checked)) });
await Promise.all(checks);
checker?.end();
if (args.keep === undefined) rmSync(folder, { recursive: true, force: true });
process.stderr.write(`\r\u001b[K${records.length} models in ${((performance.now() - started) / 1000).toFixed(0)} s\n`);

records.sort((a, b) => (`${a.collection}/${a.id}` < `${b.collection}/${b.id}` ? -1 : 1));
const byCollection = new Map(found.map((c) => [c.name, records.filter((r) => r.collection === c.name)] as const));
const summary = summarise(records);
const document = { schema: "halfscope/conformance/1", ...summary, checker: checker?.version ?? null, models: records };
if (args.filter.length === 0 && !args["only-failed"]) writeFileSync(join(results, "summary.json"), JSON.stringify(document, undefined, 1));
process.stdout.write(args.json ? `${JSON.stringify(document, undefined, 1)}\n` : formatTable(byCollection));
if (!args.json) process.stdout.write(`\nPer model: ${results}\n`);
process.exitCode = summary.failed > 0 || records.length === 0 ? 1 : 0;

function wanted(model: ConformanceModel): boolean {
  const name = `${model.collection}/${model.id}`;
  if (args.filter.length > 0 && !args.filter.some((f) => name.includes(f))) return false;
  if (!args["only-failed"]) return true;
  const path = recordPath(model);
  return existsSync(path) && (JSON.parse(readFileSync(path, "utf8")) as ModelRecord).outcome === "failed";
}

/** Lets the ONNX checker see the realised files, and writes the record. */
async function finish({ record, files }: Checked): Promise<void> {
  if (files.length > 0 && checker !== undefined) {
    const start = performance.now();
    const original = await checker.check(record.path);
    const problems: string[] = [];
    for (const file of files) {
      const problem = original === undefined ? await checker.check(file) : undefined;
      if (problem !== undefined) problems.push(`${file.endsWith("-half.onnx") ? "half" : "mixed"}: ${problem.replaceAll(file, "FILE")}`);
    }
    record.steps.push({
      step: "checker",
      status: problems.length > 0 ? "failed" : original === undefined ? "ok" : "void",
      // What the original itself does not pass cannot be asked of its mixed version.
      ...(problems.length > 0
        ? { reason: problems.join("; ") }
        : original !== undefined && { reason: `the original itself fails: ${original}` }),
      seconds: (performance.now() - start) / 1000,
    });
    record.outcome = outcomeOf(record.steps);
  }
  if (args.keep === undefined) for (const file of files) for (const part of [file, `${file}.data`]) rmSync(part, { force: true });
  writeFileSync(recordPath(record), JSON.stringify(record, undefined, 1));
  records.push(record);
  const failed = records.filter((r) => r.outcome === "failed").length;
  if (process.stderr.isTTY || records.length % 100 === 0)
    process.stderr.write(
      `${process.stderr.isTTY ? "\r\u001b[K" : ""}${records.length} of ${models.length}, ${failed} failed: ${record.id}${process.stderr.isTTY ? "" : "\n"}`,
    );
}
