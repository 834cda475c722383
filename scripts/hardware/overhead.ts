// What one request costs through halfscope's addon over a C++ program that does the same copies and waits the same way, on the same plan file. The two take
// turns. Run it on a machine with a GPU:
//   node scripts/dist/hardware/overhead.js MODEL.onnx -o reports/hardware/overhead.json --shape input_ids=1x128 ... --program ./request-overhead --library TENSORRT/lib
import { existsSync, readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "@halfscope/core";
import type { DeviceEngine, Feed } from "@halfscope/engine";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { medianOf, quantileOf } from "./measuring/latency.js";
import { openEngine } from "./measuring/open-engine.js";
import { commonOptions, endWell, shapeOf, withWorkFolder } from "./measuring/options.js";
import { type ReportHead, reportHead, short, writeReport } from "./measuring/report-file.js";
import { checkProgram, timeProgram, writeInputs } from "./measuring/request-program.js";
import { buildOptions, likeOf, Studied } from "./measuring/studied.js";

/** Milliseconds of one way to ask, over all rounds. */
export interface Way {
  p50: number;
  p95: number;
  p99: number;
  /** Medians of single rounds. */
  medians: readonly number[];
}

export interface OverheadReport extends ReportHead {
  model: string;
  typing: "typed" | "weak";
  rounds: number;
  requests: number;
  planBytes?: number;
  /**
   * `addon`: one `run` at a time, timed in JavaScript, whose event loop sleeps meanwhile; `spinning`: one that turns. `loop`: the addon's own timing loop.
   * `program`: the C++ program; absent in a rehearsal.
   */
  ways: { addon: Way; spinning: Way; loop: Way; program?: Way };
  /** Median of the rounds' quotients, less one: each way over the program. */
  overhead?: { addon: number; spinning: number; loop: number };
}

const argv = await commonOptions(yargs(hideBin(process.argv)))
  .scriptName("overhead")
  .usage("$0 MODEL.onnx -o OUT.json --program PROGRAM --library FOLDER")
  .demandCommand(1, 1)
  .options({
    shape: { type: "string", array: true, default: [] as string[], describe: "INPUT=AxBxC, repeatable" },
    program: { type: "string", describe: "request-overhead, compiled from request-overhead.cc [left out: the addon alone is timed]" },
    rounds: { type: "number", default: 7, describe: "how often the two take turns" },
    requests: { type: "number", default: 300, describe: "timed requests per round" },
  })
  .parse();

interface Rounds {
  requests: number;
  warmup: number;
  wait: "sleep" | "spin";
}

async function timeRuns(engine: DeviceEngine, feed: Feed, { requests, warmup, wait }: Rounds): Promise<number[]> {
  // As the program does, outputs go into the same memory again and again.
  let into = await engine.run(feed, { wait });
  for (let i = 1; i < warmup; i++) into = await engine.run(feed, { into, wait });
  const times: number[] = [];
  for (let i = 0; i < requests; i++) {
    const start = performance.now();
    into = await engine.run(feed, { into, wait });
    times.push(performance.now() - start);
  }
  return times;
}

/** The library that the program opens: the one whose folder halfscope was given. */
function nvinfer(library: string | undefined): string {
  const folder = library ?? process.env.HALFSCOPE_TENSORRT_LIBRARY ?? "";
  const found = folder !== "" && existsSync(folder) ? readdirSync(folder).filter((f) => /^libnvinfer\.so\.\d+$/.test(f)) : [];
  const [first] = found;
  if (first === undefined)
    throw new UsageError("ERR_OPTION", `--program needs the folder of libnvinfer.so; found none in "${folder}".`, {
      hint: "Name it with --library.",
    });
  return join(folder, first);
}

const wayOf = (rounds: readonly (readonly number[])[]): Way => {
  const sorted = Float64Array.from(rounds.flat()).sort();
  return {
    ...{ p50: short(quantileOf(sorted, 0.5)), p95: short(quantileOf(sorted, 0.95)), p99: short(quantileOf(sorted, 0.99)) },
    medians: rounds.map((r) => short(medianOf(r))),
  };
};

/** Quotients of the same round meet the same clocks. */
const overheadOf = (ours: Way, theirs: Way): number =>
  short(medianOf(ours.medians.map((m, i) => m / (theirs.medians[i] ?? Number.NaN))) - 1);

await endWell(() =>
  withWorkFolder(argv.work, async (folder) => {
    using studied = await Studied.open(String(argv._[0]), {
      like: likeOf(argv.engine),
      shapes: Object.fromEntries(argv.shape.map(shapeOf)),
    });
    const { program, requests } = argv;
    const inputs = join(folder, "prepared");
    const library = program === undefined ? "" : nvinfer(argv.library);
    if (program !== undefined) {
      await writeInputs(inputs, studied.feed);
      await checkProgram(program, inputs);
    }
    await using backend = await openEngine(argv);
    const path = await studied.halfFile(join(folder, studied.name), "all-half", []);
    const typed = backend.environment.capabilities.typings.includes("typed");
    await using engine = await backend.build({
      label: `${studied.name}, FP16`,
      path: typed ? path : studied.path,
      precision: typed ? { kind: "typed" } : { kind: "weak", half: "float16", pins: [], constraints: "none" },
      profiles: studied.profiles(),
      options: buildOptions(argv),
    });
    const times = { addon: [] as number[][], spinning: [] as number[][], loop: [] as number[][], program: [] as number[][] };
    const warmup = 50;
    const plan = join(folder, "engine.plan");
    if (program !== undefined) {
      await writeFile(plan, await engine.serialize());
      await checkProgram(program, inputs, plan);
    }
    for (let round = 0; round < argv.rounds; round++) {
      times.addon.push(await timeRuns(engine, studied.feed, { requests, warmup, wait: "sleep" }));
      times.spinning.push(await timeRuns(engine, studied.feed, { requests, warmup, wait: "spin" }));
      times.loop.push([...(await engine.time(studied.feed, { requests, warmup })).milliseconds]);
      if (program !== undefined) times.program.push(await timeProgram(program, { library, plan, folder: inputs, requests, warmup }));
    }
    const [addon, spinning, loop] = [wayOf(times.addon), wayOf(times.spinning), wayOf(times.loop)];
    const theirs = program === undefined ? undefined : wayOf(times.program);
    const report: OverheadReport = {
      ...reportHead("overhead", backend.environment, argv),
      ...{ model: studied.name, typing: typed ? "typed" : "weak", rounds: argv.rounds, requests },
      ...(engine.planBytes !== undefined && { planBytes: engine.planBytes }),
      ways: { addon, spinning, loop, ...(theirs && { program: theirs }) },
      ...(theirs && {
        overhead: { addon: overheadOf(addon, theirs), spinning: overheadOf(spinning, theirs), loop: overheadOf(loop, theirs) },
      }),
    };
    await writeReport(argv.out, report);
    const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
    const over = report.overhead && `: ${percent(report.overhead.addon)} over the program, spinning ${percent(report.overhead.spinning)}`;
    console.error(
      `addon ${addon.p50} ms, spinning ${spinning.p50} ms, its loop ${loop.p50} ms, program ${theirs?.p50 ?? "-"} ms${over ?? ""}`,
    );
  }),
);
