import { encodeJson, exitCodes, HalfscopeError, InternalError, UsageError } from "@halfscope/core";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { version } from "../version.js";
import type { Command } from "./command.js";
import { applyCommand } from "./commands/apply.js";
import { compareCommand } from "./commands/compare.js";
import { debugCommand } from "./commands/debug.js";
import { doctorCommand } from "./commands/doctor.js";
import { inspectCommand } from "./commands/inspect.js";
import { recommendCommand } from "./commands/recommend.js";
import { reportCommand } from "./commands/report.js";
import { sweepCommand } from "./commands/sweep.js";
import { verifyCommand } from "./commands/verify.js";
import { newContext } from "./context.js";
import { terminalProgress } from "./terminal-progress.js";

const controller = new AbortController();
const context = newContext(terminalProgress(), controller.signal);

for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    // The second one does not wait for the step under way.
    if (controller.signal.aborted) process.exit(exitCodes.cancelled);
    context.say("\nStopping after the step under way; press Ctrl-C again to stop at once.");
    controller.abort();
  });
// Output piped into `head` and the like: a closed pipe is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(exitCodes.ok);
});

const parser = yargs(hideBin(process.argv))
  .scriptName("halfscope")
  .usage("$0 <command>\n\nFinds the layers of an ONNX model that FP16 breaks, pins them to FP32, and proves the result.")
  .version(version)
  .strict()
  .demandCommand(1, "Give a command.")
  .recommendCommands()
  .wrap(Math.min(120, process.stderr.columns ?? 100))
  .epilogue(
    "Exit codes: 0 done and within tolerance, 1 accuracy not met, 2 wrong usage, 3 model or input unusable, 4 build or run failed, 5 a bug in halfscope.",
  )
  .fail((message, error) => {
    throw error ?? new UsageError("ERR_OPTION", message, { hint: "See `halfscope --help`, or `halfscope COMMAND --help`." });
  });
const register = <A>(command: Command<A>) => parser.command(command(context));
register(inspectCommand);
register(compareCommand);
register(sweepCommand);
register(recommendCommand);
register(applyCommand);
register(verifyCommand);
register(reportCommand);
register(debugCommand);
register(doctorCommand);

try {
  await parser.parseAsync();
  process.exitCode = context.exitCode;
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  const known =
    error instanceof HalfscopeError ? error : new InternalError(error instanceof Error ? error.message : String(error), { cause: error });
  if (process.argv.includes("--json"))
    process.stdout.write(
      `${encodeJson({ schema: "halfscope/error/1", error: { code: known.code, message: known.message, hint: known.hint, context: known.context } }, 1)}\n`,
    );
  context.say(`${known.code}: ${known.message}`);
  if (known.hint !== undefined) context.say(`  ${known.hint}`);
  if (known.exitCode === exitCodes.bug || process.env.HALFSCOPE_DEBUG)
    context.say(String(error instanceof Error ? (error.stack ?? error) : error));
  return known.exitCode;
}
