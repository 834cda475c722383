import type { Argv } from "yargs";
import type { Command } from "./command.js";
import type { Context } from "./context.js";

/** A command as the list of commands shows it. Its options and its work are loaded when it is the one that was typed. */
export interface ListedCommand {
  name: string;
  /** With what it takes, as in its own module. */
  command: string;
  describe: string;
  /** Adds it whole, with its options. */
  register(parser: Argv, context: Context): Promise<void>;
}

function listed<A>(command: string, describe: string, load: () => Promise<Command<A>>): ListedCommand {
  return {
    name: command.split(" ")[0] ?? command,
    command,
    describe,
    register: async (parser, context) => void parser.command((await load())(context)),
  };
}

/** In the order of the help. */
export const commands: readonly ListedCommand[] = [
  listed(
    "inspect <model>",
    "layers, kinds, blocks, and hazards that need no run",
    async () => (await import("./commands/inspect.js")).inspectCommand,
  ),
  listed(
    "compare <model>",
    "one paired run; layers ranked by isolated and accumulated error",
    async () => (await import("./commands/compare.js")).compareCommand,
  ),
  listed("sweep <model>", "what each layer costs the final outputs", async () => (await import("./commands/sweep.js")).sweepCommand),
  listed(
    "merge <folders..>",
    "parts of a sweep from several machines as one",
    async () => (await import("./commands/merge.js")).mergeCommand,
  ),
  listed(
    "recommend <folder>",
    "overrides from saved measurements, for a tolerance, a budget or a number of pins",
    async () => (await import("./commands/recommend.js")).recommendCommand,
  ),
  listed(
    "apply <model> <overrides>",
    "write the mixed-precision ONNX file",
    async () => (await import("./commands/apply.js")).applyCommand,
  ),
  listed(
    "verify <model> [candidate]",
    "measured verdict on any FP16, BF16 or mixed model, ours or another tool's",
    async () => (await import("./commands/verify.js")).verifyCommand,
  ),
  listed("report <folder>", "write report.html from saved results", async () => (await import("./commands/report.js")).reportCommand),
  listed(
    "debug <model>",
    "the main job: compare, sweep, recommend, apply, verify, report",
    async () => (await import("./commands/debug.js")).debugCommand,
  ),
  listed(
    "bench <model> [candidate]",
    "batch against single requests: latency, throughput, differences per batch size and shape",
    async () => (await import("./commands/bench.js")).benchCommand,
  ),
  listed(
    "export <folder>",
    "the plan and its measurements in other tools' formats",
    async () => (await import("./commands/export.js")).exportCommand,
  ),
  listed(
    "extract <model>",
    "a layer or region as a small model with its data, for a bug report",
    async () => (await import("./commands/extract.js")).extractCommand,
  ),
  listed(
    "fix <model>",
    "better fixes than pins, as edits of the graph that keep FP32 results",
    async () => (await import("./commands/fix.js")).fixCommand,
  ),
  listed(
    "doctor",
    "what this machine can do, and how to get what is missing",
    async () => (await import("./commands/doctor.js")).doctorCommand,
  ),
];

/** Adds all commands; whole only those whose name is among the words that were typed. */
export async function registerCommands(parser: Argv, context: Context, typed: readonly string[]): Promise<void> {
  for (const c of commands)
    if (typed.includes(c.name)) await c.register(parser, context);
    else parser.command(c.command, c.describe);
}
