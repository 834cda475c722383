// Whether a hazard fails on the real engine as halfscope says: decomposed and opset-17 normalizations, mask constants, tiny epsilons, long sums and more, each as a
// small model whose inputs show it. For each: what halfscope predicts, and what the engine does strongly and weakly typed, with its tensors marked and not.
//   node scripts/dist/hardware/hazards.js -o reports/hardware/hazards-tensorrt.json [--engine ort-cuda] [--only mask] [--jobs 4]
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { EngineLayer, ErrorStats } from "@halfscope/core";
import type { DeviceBackend, DeviceBuildRequest, DeviceEngine, EnginePrecision } from "@halfscope/engine";
import { switchesFromPlan } from "@halfscope/precision";
import { compareStep } from "halfscope";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { type HazardCase, hazardCases } from "./cases/index.js";
import { isMine, runShares, shareOf } from "./measuring/jobs.js";
import { openEngine } from "./measuring/open-engine.js";
import { commonOptions, endWell, withWorkFolder } from "./measuring/options.js";
import { type Outcome, outcomeOf, refusal, warningsIn } from "./measuring/outcome.js";
import { type ReportHead, readReport, reportHead, writeReport } from "./measuring/report-file.js";
import { buildOptions, likeOf, Studied } from "./measuring/studied.js";

export interface HazardEngine extends Outcome {
  /** Which constants its file has: `finite` as `halfscope apply` writes them, `overflow` as a plain cast does. The file's own where weakly typed. */
  constants: "finite" | "overflow" | "own";
  typing: "typed" | "weak";
  marked: boolean;
  /** FP16 is asked for in each layer: else a weakly typed engine may be left in FP32. */
  asked?: boolean;
  /** Engine layers by what they compute in, where the engine tells. */
  computes?: Readonly<Record<string, number>>;
  warnings?: ReturnType<typeof warningsIn>;
}

export interface HazardEntry {
  id: string;
  group: string;
  title: string;
  /** Hazards that halfscope names, without duplicates: `code (severity)`. */
  hazards: readonly string[];
  /** All FP16, emulated; `plain` with constants as a plain cast writes them, where that matters. */
  predicted?: Outcome;
  predictedPlain?: Outcome;
  engines: HazardEngine[];
  /** Why the case could not be run at all. */
  failed?: string;
}

export interface HazardsReport extends ReportHead {
  like: string;
  cases: HazardEntry[];
}

const argv = await commonOptions(yargs(hideBin(process.argv)))
  .scriptName("hazards")
  .usage("$0 -o OUT.json")
  .options({
    only: { type: "string", default: "", describe: "part of an id or a group" },
    jobs: { type: "number", default: 1, describe: "processes that build at once" },
    resume: { type: "boolean", default: false, describe: "go on behind the cases that OUT.json has" },
    share: { type: "string", default: "1/1", describe: "which part of the cases, for --jobs" },
  })
  .parse();

const chosen = hazardCases.filter((c) => c.id.includes(argv.only) || c.group.includes(argv.only));
const like = likeOf(argv.engine);

async function predict(studied: Studied): Promise<Pick<HazardEntry, "hazards" | "predicted" | "predictedPlain">> {
  const { bench } = studied;
  const compared = await compareStep(bench);
  const { roundings } = await bench.subject();
  const run = async (constants: "finite" | "overflow") =>
    outcomeOf((await bench.outputStats(studied.feed, switchesFromPlan(studied.plan([], constants), roundings))).values());
  return {
    hazards: [...new Set(compared.hazards.map((h) => `${h.code} (${h.severity})`))],
    predicted: await run("finite"),
    predictedPlain: await run("overflow"),
  };
}

/** The engines that a case is built as, in order; `label` names the file that a typed one needs. */
function variantsOf(c: HazardCase, typings: readonly string[]): Omit<HazardEngine, keyof Outcome | "warnings" | "computes">[] {
  const both = [false, true];
  return [
    ...both.map((marked) => ({ typing: "typed" as const, constants: "finite" as const, marked })),
    ...(c.constantsMatter ? [{ typing: "typed" as const, constants: "overflow" as const, marked: false }] : []),
    { typing: "weak" as const, constants: "own" as const, marked: false },
    ...both.map((marked) => ({ typing: "weak" as const, constants: "own" as const, marked, asked: true })),
  ].filter((v) => typings.includes(v.typing));
}

async function runCase(backend: DeviceBackend, c: HazardCase, folder: string): Promise<HazardEntry> {
  const entry: HazardEntry = { id: c.id, group: c.group, title: c.title, hazards: [], engines: [] };
  const path = await c.make().write(join(folder, c.id));
  using studied = await Studied.open(path, { like, feeds: [join(folder, c.id, "test_data_set_0")] });
  const { predictedPlain, ...predicted } = await predict(studied);
  Object.assign(entry, predicted, c.constantsMatter && { predictedPlain });
  const outputs = await studied.floatOutputs();
  const tensors = await studied.floatTensors();
  const common = { profiles: studied.profiles(), options: buildOptions(argv) };
  await using reference = await backend.build({ ...common, label: `${c.id}, FP32`, path, precision: { kind: "full" } });
  for (const variant of variantsOf(c, backend.environment.capabilities.typings)) {
    const { typing, constants, marked, asked = false } = variant;
    try {
      const request: DeviceBuildRequest = {
        ...common,
        label: `${c.id}, ${typing}${asked ? ", asked" : ""}${marked ? ", marked" : ""}`,
        path: constants === "own" ? path : await studied.halfFile(join(folder, c.id), `half-${constants}`, [], constants),
        precision: typing === "typed" ? { kind: "typed" } : weakPrecision(studied, asked),
        ...(marked && { observe: { tensors: tensors.filter((t) => !outputs.includes(t)), preferHalf: asked } }),
      };
      await using engine = await backend.build(request);
      const stats = await compareOutputs(backend, reference, engine, studied, outputs);
      entry.engines.push({ ...variant, ...outcomeOf(stats), ...computesIn(await engine.layers()), warnings: warningsIn(engine.messages) });
    } catch (error) {
      entry.engines.push({ ...variant, ...refusal(error) });
    }
  }
  const said = (o: Outcome | undefined) =>
    o === undefined ? "-" : `${o.outcome}${o.error === undefined ? "" : ` ${o.error.toPrecision(2)}`}`;
  console.error(
    `${c.id}: predicted ${said(entry.predicted)}; ${entry.engines.map((e) => `${e.typing}${e.constants === "overflow" ? " plain" : ""}${e.asked ? " asked" : ""}${e.marked ? " marked" : ""} ${said(e)}`).join("; ")}`,
  );
  return entry;
}

const weakPrecision = (studied: Studied, asked: boolean): EnginePrecision => ({
  ...{ kind: "weak", half: "float16" },
  ...(asked ? { pins: studied.weakPins(), constraints: "prefer" } : { pins: [], constraints: "none" }),
});

function computesIn(layers: readonly EngineLayer[] | undefined): Pick<HazardEngine, "computes"> {
  if (layers === undefined) return {};
  const counts: Record<string, number> = {};
  for (const { computes } of layers) counts[computes] = (counts[computes] ?? 0) + 1;
  return { computes: counts };
}

async function compareOutputs(
  backend: DeviceBackend,
  reference: DeviceEngine,
  candidate: DeviceEngine,
  studied: Studied,
  outputs: readonly string[],
): Promise<ErrorStats[]> {
  const compared = await backend.compare(reference, candidate, studied.feed, outputs);
  return [...compared.stats.values()];
}

async function runHere(): Promise<void> {
  await withWorkFolder(argv.work, async (folder) => {
    await using backend = await openEngine(argv);
    const report: HazardsReport = { ...reportHead("hazards", backend.environment), like, cases: [] };
    const before = argv.resume && existsSync(argv.out) ? ((await readReport(argv.out)) as HazardsReport).cases : [];
    report.cases.push(...before);
    const mine = shareOf(argv.share);
    for (const c of chosen.filter((c, i) => isMine(mine, i) && !before.some((e) => e.id === c.id))) {
      const about = { id: c.id, group: c.group, title: c.title, hazards: [], engines: [] };
      // Should a library end this process, the case that it ended on is known, and left out by the next one.
      report.cases.push({ ...about, failed: "the engine's library ended the process" });
      await writeReport(argv.out, report);
      const entry = await runCase(backend, c, folder).catch((error: unknown) => {
        const failed = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
        console.error(`${c.id}: ${failed}`);
        process.exitCode = 4;
        return { ...about, failed };
      });
      report.cases.splice(-1, 1, entry);
      await writeReport(argv.out, report);
    }
  });
}

/** What every share has finished by now, in the table's order. */
async function merge(parts: readonly string[]): Promise<void> {
  const found: HazardsReport[] = [];
  for (const part of parts) {
    try {
      found.push((await readReport(part)) as HazardsReport);
    } catch {
      // nothing finished there
    }
  }
  const [first] = found;
  if (first === undefined) return;
  const entries = new Map(found.flatMap((r) => r.cases).map((e) => [e.id, e]));
  const cases = chosen.flatMap((c) => entries.get(c.id) ?? []);
  await writeReport(argv.out, { ...first, command: reportHead("hazards", first.environment).command, cases });
}

async function runInShares(): Promise<void> {
  const parts = Array.from({ length: argv.jobs }, (_, i) => `${argv.out}.part-${i + 1}`);
  const given = process.argv
    .slice(2)
    .filter((word, i, all) => !/^--jobs/.test(word) && all[i - 1] !== "--jobs" && word !== argv.out && !/^(-o|--out)$/.test(word));
  const timer = setInterval(() => void merge(parts), 5000);
  try {
    const codes = await runShares(argv.jobs, (index) => [...given, "-o", parts[index - 1] ?? ""]);
    process.exitCode = Math.max(...codes);
  } finally {
    clearInterval(timer);
    await merge(parts);
    for (const part of parts) await rm(part, { force: true });
  }
}

await endWell(() => (argv.jobs > 1 ? runInShares() : runHere()));
