// Whether a hazard fails on the real engine as halfscope says: decomposed and opset-17 normalizations, mask constants, tiny epsilons, long sums and more, each as a
// small model whose inputs show it. For each: what halfscope predicts, and what the engine does strongly and weakly typed, with its tensors marked and not.
//   node scripts/dist/hardware/hazards.js -o reports/hardware/hazards-tensorrt.json [--engine ort-cuda] [--only mask,softmax] [--variants typed,asked] [--jobs 4] [--gpus 0,1]
// Every engine is saved as it comes; `--resume` goes on behind the last one, also with more variants or other cases.
import { existsSync, readdirSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { UsageError } from "@halfscope/core";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { byWorth, chooseCases } from "./cases/choose.js";
import { hazardCases } from "./cases/index.js";
import { describeEntry, runCase } from "./measuring/hazard-case.js";
import {
  afterCrash,
  afterStop,
  type HazardEntry,
  type HazardsReport,
  inOrder,
  mergeEntries,
  variants,
  variantsOf,
} from "./measuring/hazard-report.js";
import { gpuOf, isMine, runShares, shareOf, underParent } from "./measuring/jobs.js";
import { openEngine } from "./measuring/open-engine.js";
import { commonOptions, endWell, withWorkFolder } from "./measuring/options.js";
import { commandLine, readReport, reportHead, writeReport } from "./measuring/report-file.js";
import { buildOptions, likeOf } from "./measuring/studied.js";

export type { HazardEngine, HazardEntry, HazardsReport } from "./measuring/hazard-report.js";

const argv = await commonOptions(yargs(hideBin(process.argv)))
  .scriptName("hazards")
  .usage("$0 -o OUT.json")
  .options({
    only: { type: "string", default: "", describe: "parts of ids or groups, apart by commas [all cases]" },
    variants: {
      type: "string",
      default: [...variants.keys()].join(),
      describe: "engines of a case, apart by commas, measured in the order of the default",
    },
    jobs: { type: "number", default: 1, describe: "processes that build at once" },
    gpus: { type: "string", describe: "GPUs that the processes share out among themselves, apart by commas [the first]" },
    resume: { type: "boolean", default: false, describe: "measure what OUT.json lacks" },
    share: { type: "string", hidden: true, describe: "which part of the cases this process has" },
    crashed: { type: "string", hidden: true, describe: "how the process before this one was ended" },
  })
  .parse();

const wanted = new Set(argv.variants.split(","));
const unknown = [...wanted].filter((name) => !variants.has(name));

/** The chosen cases of a share, what is worth most first. */
const casesOf = (share: string) => byWorth(chooseCases(hazardCases, argv.only)).filter((_, i) => isMine(shareOf(share), i));

/** A share's work. Its file holds what is known of its cases, from earlier runs too. */
async function runShare(share: string): Promise<void> {
  const ended = underParent();
  try {
    await withWorkFolder(argv.work, async (folder) => {
      const known = ((await readReport(argv.out)) as HazardsReport).cases;
      const carry = (e: HazardEntry) => (argv.crashed === undefined ? afterStop(e) : afterCrash(e, argv.crashed));
      const cases = known.map(carry);
      await using backend = await openEngine(argv);
      const like = likeOf(argv.engine);
      const report: HazardsReport = { ...reportHead("hazards", backend.environment, argv), like, cases };
      const save = () => writeReport(argv.out, report);
      await save();
      for (const c of casesOf(share)) {
        let entry = cases.find((e) => e.id === c.id);
        if (entry === undefined) {
          entry = { id: c.id, group: c.group, title: c.title, hazards: [], engines: [] };
          cases.push(entry);
        }
        if (entry.failed !== undefined) continue;
        const before = entry.engines.length;
        try {
          await runCase(c, entry, { backend, options: buildOptions(argv), wanted, folder: join(folder, share.replace("/", "-")), save });
          if (entry.engines.length > before) console.error(describeEntry(entry));
        } catch (error) {
          entry.failed = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
          console.error(`${c.id}: ${entry.failed}`);
          process.exitCode = 4;
        }
        delete entry.at;
        await save();
      }
    });
  } finally {
    ended();
  }
}

/** Files of shares, also those that a run left behind that was killed. */
function partFiles(): string[] {
  const folder = dirname(resolve(argv.out));
  const start = `${basename(argv.out)}.part-`;
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((f) => f.startsWith(start))
        .map((f) => join(folder, f))
    : [];
}

/** What is readable of these files: a share may not have written its own yet. */
async function reportsIn(files: readonly string[]): Promise<HazardsReport[]> {
  const read = (file: string) => readReport(file).catch(() => undefined) as Promise<HazardsReport | undefined>;
  return (await Promise.all(files.map(read))).flatMap((r) => r ?? []);
}

/** What earlier runs know. Throws ERR_OPTION where they built with another effort: one table has one. */
async function earlier(): Promise<HazardEntry[]> {
  if (!argv.resume) return [];
  const reports = await reportsIn([argv.out, ...partFiles()]);
  const other = reports.find((r) => r.environment !== undefined && r.builderLevel !== argv["builder-level"]);
  if (other !== undefined)
    throw new UsageError(
      "ERR_OPTION",
      `--resume: ${argv.out} was built with --builder-level ${other.builderLevel ?? "left out"}, this run has ${argv["builder-level"] ?? "none"}.`,
      { hint: "Give the same level, or write another file." },
    );
  return mergeEntries(reports.flatMap((r) => r.cases)).map(afterStop);
}

/** Starts the shares, and puts together what they have by now, in the table's order, every few seconds. */
async function runShared(): Promise<void> {
  if (unknown.length > 0)
    throw new UsageError("ERR_OPTION", `--variants takes ${[...variants.keys()].join(", ")}; found ${unknown.join(", ")}.`);
  const chosen = chooseCases(hazardCases, argv.only);
  const before = await earlier();
  const jobs = Math.max(1, Math.min(argv.jobs, chosen.length));
  for (const part of partFiles()) await rm(part, { force: true });
  const parts = Array.from({ length: jobs }, (_, i) => `${argv.out}.part-${i + 1}`);
  await mkdir(dirname(resolve(argv.out)), { recursive: true });
  for (const [i, part] of parts.entries()) {
    const mine = new Set(casesOf(`${i + 1}/${jobs}`).map((c) => c.id));
    await writeReport(part, { cases: before.filter((e) => mine.has(e.id)) });
  }
  const merge = async () => {
    const reports = await reportsIn(parts);
    const head = reports.find((r) => r.environment !== undefined);
    if (head === undefined) return;
    const { typings } = head.environment.capabilities;
    const names = new Map(chosen.map((c) => [c.id, variantsOf(c.constantsMatter, typings, wanted)]));
    const found = mergeEntries([...before, ...reports.flatMap((r) => r.cases)]);
    const cases = inOrder(
      found,
      hazardCases.map((c) => ({ id: c.id, names: names.get(c.id) ?? [] })),
    );
    const notBegun = chosen.filter((c) => !cases.some((e) => e.id === c.id)).map((c) => c.id);
    await writeReport(argv.out, { ...head, command: commandLine(), cases, ...(notBegun.length > 0 && { notBegun }) });
  };
  const own = new Set(["-o", "--out", `--out=${argv.out}`, argv.out, "--resume"]);
  const given = process.argv.slice(2).filter((word) => !own.has(word));
  let merging = Promise.resolve();
  const mergeNext = () => {
    merging = merging.then(merge);
    return merging;
  };
  const timer = setInterval(() => void mergeNext(), 3000);
  try {
    const codes = await runShares(jobs, { argsOf: (i) => [...given, "-o", parts[i - 1] ?? ""], envOf: (i) => gpuOf(argv.gpus, i) });
    process.exitCode = Math.max(...codes);
  } finally {
    clearInterval(timer);
    await mergeNext();
    for (const part of parts) await rm(part, { force: true });
  }
}

await endWell(() => (argv.share === undefined ? runShared() : runShare(argv.share)));
