import { join } from "node:path";
import { type BackendName, CancelledError, encodeJson } from "@halfscope/core";
import { benchInputs, benchTimes, idleOptions, positiveNumber, wantedCandidate, wantedSizes, wholeList } from "../bench-options.js";
import type { Command } from "../command.js";
import { type EngineArguments, engineFrom, engineOptions } from "../device-options.js";
import { jsonOption, requireTolerance, toleranceOption, whole } from "../options.js";

interface Arguments extends EngineArguments {
  model: string;
  candidate?: string | undefined;
  engine: BackendName;
  typing?: "typed" | "weak" | undefined;
  fp16: boolean;
  bf16: boolean;
  overrides?: string | undefined;
  batch?: string | undefined;
  "batch-axis"?: string[] | undefined;
  dim?: string[] | undefined;
  shape?: string[] | undefined;
  feed?: string[] | undefined;
  seed: number;
  contexts: string;
  requests: number;
  warmup: number;
  rounds: number;
  "max-seconds": number;
  threads?: number | undefined;
  tolerance: number;
  out?: string | undefined;
  json: boolean;
}

export const benchCommand: Command<Arguments> = (context) => ({
  command: "bench <model> [candidate]",
  describe: "batch against single requests: latency, throughput, differences per batch size and shape",
  builder: (y) =>
    jsonOption(
      toleranceOption(
        engineOptions(
          benchTimes(
            benchInputs(
              y
                .positional("model", { type: "string", demandOption: true, describe: "the FP32 .onnx file: the reference" })
                .positional("candidate", { type: "string", describe: "the FP16 or mixed file to serve; the model itself when absent" }),
            ),
          ),
        ),
      ),
    )
      // The option is every command's; here it has a default.
      .default("engine", "ort-cpu" as const)
      .describe("engine", "what serves: TensorRT, or ONNX Runtime with CUDA, TensorRT or the CPU")
      .option("typing", {
        choices: ["typed", "weak"] as const,
        group: "Real engine:",
        describe:
          "of --fp16 and --overrides: precision as a file states it, or a flag and constraints (TensorRT 8.6, 10) [typed where there is]",
      })
      .option("fp16", { type: "boolean", default: false, group: "Candidate:", describe: "serve the model with every layer in FP16" })
      .option("bf16", { type: "boolean", default: false, group: "Candidate:", describe: "serve it with every layer in bfloat16" })
      .option("overrides", {
        type: "string",
        requiresArg: true,
        group: "Candidate:",
        describe: "serve it as overrides.json says, which recommend and debug write",
      })
      .option("out", { requiresArg: true, alias: "o", type: "string", describe: "folder for bench.json and bench.html" })
      .example("$0 bench bert.onnx --dim sequence=128,384", "batches of 1, 2, 4 and 8 on the CPU")
      .example("$0 bench bert.onnx mixed.onnx --engine tensorrt --contexts 1,2 -o served", "a mixed file on TensorRT, against FP32")
      .example("$0 bench yolo.onnx --fp16 --engine ort-cuda --shape images=1x3x640x640,1x3x320x320", "images of two sizes")
      .example("$0 bench bert.onnx --feed texts.json --batch 1,16 --json", "real requests, for programs"),
  handler: async (args) => {
    const tolerance = requireTolerance(args.tolerance);
    const contexts = wholeList("--contexts", args.contexts);
    const options = {
      ...(args.batch !== undefined && { batches: wholeList("--batch", args.batch) }),
      sizes: wantedSizes(args.dim, args.shape),
      candidate: wantedCandidate({ candidate: args.candidate, fp16: args.fp16, bf16: args.bf16, overrides: args.overrides }),
      rounds: whole("--rounds", args.rounds, 1),
      requests: whole("--requests", args.requests, 1),
      warmup: whole("--warmup", args.warmup, 0),
      maxSeconds: positiveNumber("--max-seconds", args["max-seconds"]),
      seed: whole("--seed", args.seed, 0),
      threads: args.threads === undefined ? undefined : whole("--threads", args.threads, 1),
    };
    const engine = await engineFrom(args);
    const { benchStep } = await import("../../pipeline/bench.js");
    const { benchExitCode } = await import("../../pipeline/bench-outcome.js");
    const { hasProfiles } = await import("../../pipeline/device/options.js");
    const { benchFiles } = await import("../../pipeline/bench-files.js");
    const { openResultsFolder, resultFiles, writeTextFile } = await import("../../pipeline/results-folder.js");
    const { describeBench } = await import("../describe-bench.js");
    if (args.out !== undefined) await openResultsFolder(args.out);
    // What does nothing is told, and not handed on.
    const { workspaceBytes: _, timingCache: __, optimizationLevel: ___, ...always } = engine?.build ?? {};
    const built = hasProfiles(args.engine) ? engine?.build : always;
    const document = await benchStep(args.model, {
      ...engine,
      engine: args.engine,
      build: {
        ...(args.out !== undefined && hasProfiles(args.engine) && { timingCache: join(args.out, resultFiles.timingCache) }),
        ...built,
      },
      typing: args.typing,
      ...options,
      warnings: idleOptions(args),
      ...{ tolerance, contexts, batchAxis: args["batch-axis"], feeds: args.feed },
      progress: context.progress,
      signal: context.signal,
    });
    if (args.out !== undefined) {
      const { renderBenchHtml } = await import("@halfscope/report");
      await writeTextFile(join(args.out, benchFiles.document), `${encodeJson(document, 1)}\n`);
      await writeTextFile(join(args.out, benchFiles.page), renderBenchHtml(document));
    }
    const { stopped } = document;
    // Standard output holds one document: of a measurement that was stopped that is the error.
    if (stopped === undefined || !args.json)
      context.answer(
        args.json,
        () => document,
        () => describeBench(document),
      );
    if (args.out !== undefined) context.say(`Written: ${join(args.out, benchFiles.page)}`);
    if (stopped !== undefined)
      throw new CancelledError("Stopped before the work was done.", {
        hint:
          args.out === undefined
            ? `What was finished is ${args.json ? "lost" : "above"}; with -o FOLDER it is kept.`
            : `What was finished is in ${join(args.out, benchFiles.document)}, marked as stopped.`,
        context: { stopped },
      });
    context.exitCode = benchExitCode(document);
  },
});
