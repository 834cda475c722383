import { encodeJson, exitCodes, HalfscopeError, InternalError, UsageError } from "@halfscope/core";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { version } from "../version.js";
import { registerCommands } from "./commands.js";
import { newContext } from "./context.js";
import { terminalProgress } from "./terminal-progress.js";
import { clip, safe } from "./text.js";
import { explainUsage, type UsageFailure } from "./usage-errors.js";

const controller = new AbortController();
const progress = terminalProgress();
const context = newContext(progress, controller.signal);

for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    // The second one does not wait for the step under way.
    if (controller.signal.aborted) process.exit(exitCodes.cancelled);
    context.say("\nStopping after the step under way; press Ctrl-C again to stop at once.");
    controller.abort();
  });
// Output piped into `head` and the like: a closed pipe is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(process.exitCode ?? exitCodes.ok);
});
// Without a reader for progress and notes, the work goes on.
process.stderr.on("error", () => {});

/** Options that may be repeated. */
const lists = new Set([
  "feed",
  "dim",
  "shape",
  "from",
  "to",
  "observe",
  "folders",
  "profile",
  "batch-axis",
  "batchAxis",
  "provider-option",
  "providerOption",
]);
let misused: UsageFailure | undefined;
const typed = hideBin(process.argv);

const parser = yargs(typed)
  .scriptName("halfscope")
  .usage("$0 <command>\n\nFinds the layers of an ONNX model that FP16 breaks, pins them to FP32, and proves the result.")
  .version(version)
  .alias("help", "h")
  .strict()
  .demandCommand(1, "Give a command.")
  .recommendCommands()
  .wrap(Math.min(120, process.stderr.columns ?? 100))
  .epilogue(
    "Exit codes: 0 done and within tolerance, 1 accuracy not met, 2 wrong usage, 3 model or input unusable, 4 build or run failed, 5 a bug in halfscope.",
  )
  .exitProcess(false)
  // An option that is given twice is a slip, unless it is a list.
  .check((args) => {
    const twice = Object.entries(args).find(([name, v]) => Array.isArray(v) && name !== "_" && !lists.has(name))?.[0];
    if (twice === undefined) return true;
    throw new UsageError("ERR_OPTION", `${twice.length === 1 ? "-" : "--"}${twice} is given more than once.`, { hint: "Give it once." });
  })
  .fail((message, error, y) => {
    if (error && error.name !== "YError") throw error;
    y.showHelp((help) => {
      misused = { message, help, typed };
    });
    throw new UsageError("ERR_OPTION", message);
  });
await registerCommands(parser, context, typed);

if (typed.length === 0) {
  context.say(await parser.getHelp());
  process.exitCode = exitCodes.usage;
} else
  try {
    await parser.parseAsync();
    process.exitCode = context.exitCode;
  } catch (error) {
    progress.stop(); // a step that failed never ended its bar
    process.exitCode = report(misused === undefined ? error : explainUsage(misused));
  }

function report(error: unknown): number {
  const known =
    error instanceof HalfscopeError ? error : new InternalError(error instanceof Error ? error.message : String(error), { cause: error });
  if (typed.includes("--json"))
    process.stdout.write(
      `${encodeJson({ schema: "halfscope/error/1", error: { code: known.code, message: known.message, hint: known.hint, context: known.context } }, 1)}\n`,
    );
  // Messages quote names from files, which may be made to fool a terminal or to flood it.
  context.say(`${known.code}: ${clip(safe(known.message))}`);
  if (known.hint !== undefined) context.say(`  ${clip(safe(known.hint))}`);
  if (known.exitCode === exitCodes.bug || process.env.HALFSCOPE_DEBUG)
    context.say(
      String(error instanceof Error ? (error.stack ?? error) : error)
        .split("\n")
        .map(safe)
        .join("\n"),
    );
  return known.exitCode;
}
