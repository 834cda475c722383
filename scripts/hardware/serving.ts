// Profiles, contexts and batches as users serve them: `halfscope bench` on a BERT with open batch and sequence and on an image model with open sizes, with one wide
// profile and with several, batches and shapes that no profile serves among the requests. Run it on a machine with a GPU:
//   node scripts/dist/hardware/serving.js BERT/model.onnx -o reports/hardware/serving-tensorrt.json
import { execFile } from "node:child_process";
import { isAbsolute, join, resolve } from "node:path";
import { type BenchDocument, decodeJson, EngineError } from "@halfscope/core";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { imageModel } from "./cases/image-model.js";
import { openEngine } from "./measuring/open-engine.js";
import { commonOptions, endWell, useLibrary, withWorkFolder } from "./measuring/options.js";
import { type ReportHead, reportHead, short, writeReport } from "./measuring/report-file.js";

export interface ServingReport extends ReportHead {
  runs: { title: string; command: string; document: BenchDocument }[];
  failed: { title: string; reason: string }[];
}

const argv = await commonOptions(yargs(hideBin(process.argv)))
  .scriptName("serving")
  .usage("$0 BERT.onnx -o OUT.json")
  .demandCommand(1, 1)
  .options({
    requests: { type: "number", default: 60, describe: "timed calls of each point" },
    "max-seconds": { type: "number", default: 3, describe: "longest time of each point" },
    quick: { type: "boolean", default: false, describe: "small sizes, for a rehearsal" },
  })
  .parse();

/** Requests, and the profiles that serve them: the same requests again with each set. */
interface Task {
  title: string;
  requests: readonly string[];
  profiles: readonly { title: string; texts: readonly string[] }[];
}

/** One profile for all sizes, then one for single requests and one for batches; a batch of 16 is outside of all. */
function bertTask(path: string): Task {
  const [length, long, most] = argv.quick ? [16, 32, 32] : [128, 384, 512];
  const profile = (range: string) => ["input_ids", "attention_mask", "token_type_ids"].map((name) => `${name}=${range}`).join(",");
  return {
    title: "BERT",
    requests: [path, "--fp16", "--batch", "1,2,4,8,16", "--dim", `sequence=${length},${long}`, "--contexts", "1,2,4"],
    profiles: [
      { title: "one wide profile", texts: [profile(`1x1:4x${length}:8x${most}`)] },
      {
        title: "a profile for single requests and one for batches",
        texts: [profile(`1x1:1x${length}:1x${most}`), profile(`2x1:8x${length}:8x${most}`)],
      },
    ],
  };
}

/** Images of three sizes, the last of which no profile serves. */
function imageTask(path: string): Task {
  const [small, middle, large, most] = argv.quick ? ["32x32", "48x40", "96x96", "64x64"] : ["224x224", "384x320", "1024x1024", "512x512"];
  const profile = (min: string, opt: string, max: string) => `image=1x3x${min}:4x3x${opt}:8x3x${max}`;
  return {
    title: "images",
    requests: [
      path,
      "--fp16",
      "--batch",
      "1,4,8",
      "--shape",
      `image=${[small, middle, large].map((s) => `1x3x${s}`).join(",")}`,
      "--contexts",
      "1,2",
    ],
    profiles: [
      { title: "one wide profile", texts: [profile("32x32", small, most)] },
      { title: "a profile per size", texts: [profile(small, small, small), profile(middle, middle, middle)] },
    ],
  };
}

/** Runs the command line that users run. Exit code 1 is an answer: the tolerance is not met. */
function bench(args: readonly string[]): Promise<BenchDocument> {
  const main = join(import.meta.dirname, "../../../packages/halfscope/dist/cli/main.js");
  return new Promise((done, failed) => {
    execFile(process.execPath, [main, "bench", ...args, "--json"], { maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      try {
        const said = decodeJson(stdout) as BenchDocument | { schema: "halfscope/error/1"; error: { message: string } };
        if (said.schema === "halfscope/bench/1") return done(said);
        return failed(new EngineError("ERR_ENGINE_RUN", `halfscope bench: ${said.error.message}`));
      } catch {
        // no document: what it said is told below
      }
      const said = stderr.trim().split("\n").slice(-3).join(" ");
      failed(new EngineError("ERR_ENGINE_RUN", `halfscope bench ended with ${code}: ${said}`));
    });
  });
}

/** Statistics by output are large and say the same as the sums beside them; folders of this machine are nobody's business. */
function slim(value: unknown, key = ""): unknown {
  if (typeof value === "string") return isAbsolute(value) ? value.split("/").slice(-2).join("/") : value;
  if (typeof value === "number") return short(value);
  if (Array.isArray(value)) return value.map((v) => slim(v));
  if (typeof value !== "object" || value === null) return value;
  const left = Object.entries(value).filter(([k]) => !(k === "outputs" && key !== "") && k !== "feeds" && k !== "load");
  return Object.fromEntries(left.map(([k, v]) => [k, slim(v, k)]));
}

await endWell(() =>
  withWorkFolder(argv.work, async (folder) => {
    useLibrary(argv);
    const { environment } = await openAndClose();
    const report: ServingReport = { ...reportHead("serving", environment, argv), runs: [], failed: [] };
    const image = await imageModel().write(join(folder, "image-model"));
    const { profiles: served } = environment.capabilities;
    const runs = [imageTask(image), bertTask(resolve(String(argv._[0])))].flatMap((task) =>
      served
        ? task.profiles.map((p) => ({
            title: `${task.title}, ${p.title}`,
            args: [...task.requests, ...p.texts.flatMap((t) => ["--profile", t])],
          }))
        : [{ title: `${task.title}, no profiles`, args: task.requests }],
    );
    for (const { title, args } of runs) {
      const cache = argv["timing-cache"] === undefined ? [] : ["--timing-cache", argv["timing-cache"]];
      const level = argv["builder-level"] === undefined ? [] : ["--builder-level", String(argv["builder-level"])];
      const times = [
        "--requests",
        String(argv.requests),
        "--max-seconds",
        String(argv["max-seconds"]),
        "--rounds",
        "3",
        ...cache,
        ...level,
      ];
      const all = [...args, "--engine", argv.engine, ...times];
      try {
        const document = slim(await bench(all)) as BenchDocument;
        report.runs.push({ title, command: ["halfscope bench", ...all.map((a) => slim(a)), "--json"].join(" "), document });
        console.error(`${title}: ${document.points.filter((p) => p.latency !== undefined).length} points`);
      } catch (error) {
        const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
        report.failed.push({ title, reason });
        process.exitCode = 4;
        console.error(`${title}: ${reason}`);
      }
      await writeReport(argv.out, report);
    }
  }),
);

async function openAndClose(): Promise<Pick<ReportHead, "environment">> {
  await using backend = await openEngine(argv);
  return { environment: backend.environment };
}
